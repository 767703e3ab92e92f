// Reads a gamepad (standard mapping) and touches, and sends both as one reading 50 times a second. Whatever hides or stops this page
// sends "let go"; what it cannot send any more, the node takes for let go.
"use strict";

const AXES = 4, BUTTONS = 17, PERIOD = 20, RECONNECT = 1000;
const LABELS = {
  close: "close", open: "open", grip: "grip", mode: "mode", faster: "faster", slower: "slower", resume: "resume", stop: "STOP",
  reset: "pause / reset", success: "start / success", failure: "failure", discard: "discard / again",
};
// What is heard and felt: [frequency Hz, seconds] one after the other, and vibration in ms.
const SIGNALS = {
  yours: { tones: [[880, 0.12]], buzz: [60] },
  denied: { tones: [[220, 0.12], [0, 0.06], [220, 0.12]], buzz: [120, 60, 120] },
  stopped: { tones: [[160, 0.7]], buzz: [700] },
  lost: { tones: [[660, 0.12], [440, 0.12], [220, 0.2]], buzz: [80, 40, 80, 40, 80] },
};

const $ = (id) => document.getElementById(id);
const touch = { axes: new Array(AXES).fill(0), buttons: new Array(BUTTONS).fill(0) };
let socket = null, hello = null, state = null, open = false, audio = null, lastSent = "";

function pad() {
  for (const found of navigator.getGamepads()) if (found && found.connected && found.mapping === "standard") return found;
  return null;
}

function reading() {
  if (document.hidden) return { axes: new Array(AXES).fill(0), buttons: new Array(BUTTONS).fill(0) };
  const found = pad();
  $("pad").textContent = found ? found.id : "no gamepad: touch, or press one of its buttons";
  const clip = (value) => Math.max(-1, Math.min(1, value));
  return {
    axes: touch.axes.map((value, i) => clip(value + (found ? found.axes[i] || 0 : 0))),
    buttons: touch.buttons.map((value, i) => Number(Boolean(value || (found && found.buttons[i] && found.buttons[i].pressed)))),
  };
}

function send() {
  if (!socket || socket.readyState !== WebSocket.OPEN) return;
  if (socket.bufferedAmount > 8192) return; // the way is blocked: what would queue up would only arrive late
  socket.send(JSON.stringify({ t: performance.now(), ...reading() }));
}

function sendIfChanged() {
  const now = JSON.stringify(reading().buttons);
  if (now !== lastSent) { lastSent = now; send(); }
}

function signal(name) {
  const { tones, buzz } = SIGNALS[name];
  document.body.dataset.signal = name;
  if (navigator.vibrate && navigator.userActivation && navigator.userActivation.hasBeenActive) navigator.vibrate(buzz);
  const found = pad();
  if (found && found.vibrationActuator) {
    found.vibrationActuator.playEffect("dual-rumble", { duration: Math.max(...buzz), strongMagnitude: 0.8, weakMagnitude: 0.5 }).catch(() => {});
  }
  if (!audio) return; // sound needs a first touch: browsers want it so
  let start = audio.currentTime;
  for (const [frequency, seconds] of tones) {
    if (frequency) {
      const tone = audio.createOscillator(), loudness = audio.createGain();
      tone.frequency.value = frequency;
      loudness.gain.value = 0.2;
      tone.connect(loudness).connect(audio.destination);
      tone.start(start);
      tone.stop(start + seconds);
    }
    start += seconds;
  }
}

function light() {
  if (!socket || socket.readyState !== WebSocket.OPEN || !state) return ["lost", "NOT CONNECTED: let go"];
  if (state.mode === "STOPPED") return ["stopped", "STOPPED: reset to go on"];
  if (!open) return ["lost", "LATE OR NEW CONNECTION: let everything go"];
  if (state.yours) return ["yours", "YOURS: the robot follows you"];
  if (state.mode === "HUMAN") return ["other", "ANOTHER HAND has the robot"];
  if (state.mode === "POLICY" || state.mode === "PLANNER") return ["policy", `${state.mode} drives`];
  if (state.mode === "HOLD") return ["hold", "HOLD: nobody drives"];
  return ["lost", "NO CONTROLLER"];
}

let denied = false;
function show() {
  const before = document.body.dataset.light;
  const [name, text] = light();
  document.body.dataset.light = name;
  $("light").textContent = text;
  $("message").textContent = state && state.message || "";
  $("told").textContent = state && state.told || "";
  if (name !== before && SIGNALS[name]) signal(name);
  const now = Boolean(state && state.message);
  if (now && !denied && name !== "stopped") signal("denied");
  denied = now;
  const axes = hello && state && hello.modes[state.drives];
  if (axes) {
    $("left").querySelector(".label").textContent = `hold here to drive\n${axes[0]} ${axes[1]}`;
    $("right").querySelector(".label").textContent = `${axes[2]} ${axes[3]}`;
  }
}

function stick(id, x, y, deadMan) {
  const area = $(id), knob = area.querySelector(".knob");
  let from = null;
  const set = (dx, dy, held) => {
    touch.axes[x] = dx;
    touch.axes[y] = dy;
    if (deadMan && hello) touch.buttons[hello.actions.dead_man] = Number(held);
    area.classList.toggle("held", held);
    knob.style.transform = `translate(${dx * 60}px, ${dy * 60}px)`;
    sendIfChanged();
  };
  area.addEventListener("pointerdown", (event) => {
    area.setPointerCapture(event.pointerId);
    from = [event.pointerId, event.clientX, event.clientY];
    set(0, 0, true);
  });
  area.addEventListener("pointermove", (event) => {
    if (!from || event.pointerId !== from[0]) return;
    const reach = Math.min(area.clientWidth, area.clientHeight) / 2;
    const clip = (value) => Math.max(-1, Math.min(1, value));
    set(clip((event.clientX - from[1]) / reach), clip((event.clientY - from[2]) / reach), true);
  });
  for (const name of ["pointerup", "pointercancel", "lostpointercapture"]) {
    area.addEventListener(name, (event) => {
      if (from && event.pointerId === from[0]) { from = null; set(0, 0, false); }
    });
  }
}

function buildActions() {
  $("actions").replaceChildren();
  for (const name of Object.keys(LABELS)) {
    const index = hello.actions[name];
    if (index === undefined) continue;
    const button = document.createElement("button");
    button.textContent = LABELS[name];
    button.dataset.action = name;
    const set = (down) => { touch.buttons[index] = Number(down); button.classList.toggle("down", down); sendIfChanged(); };
    button.addEventListener("pointerdown", (event) => { button.setPointerCapture(event.pointerId); set(true); });
    for (const end of ["pointerup", "pointercancel", "lostpointercapture"]) button.addEventListener(end, () => set(false));
    $("actions").append(button);
  }
}

function letGo() {
  touch.axes.fill(0);
  touch.buttons.fill(0);
  send();
}

function connect() {
  const mine = new WebSocket(`wss://${location.host}/drive`);
  socket = mine;
  mine.onopen = () => { open = false; lastSent = ""; send(); };
  mine.onmessage = (event) => {
    const message = JSON.parse(event.data);
    if (message.type === "hello") { hello = message; buildActions(); }
    if (message.type === "state") state = message;
    if (message.type === "link") open = message.open;
    show();
  };
  mine.onclose = (event) => {
    open = false;
    show();
    if (event.code === 4001) { $("light").textContent = "ANOTHER PAGE drives already"; return; }
    setTimeout(connect, RECONNECT);
  };
}

document.addEventListener("contextmenu", (event) => event.preventDefault());
document.addEventListener("visibilitychange", letGo);
window.addEventListener("blur", letGo);
window.addEventListener("pagehide", letGo);
document.addEventListener("pointerdown", () => { audio = audio || new AudioContext(); audio.resume(); });
stick("left", 0, 1, true);
stick("right", 2, 3, false);
setInterval(send, PERIOD);
connect();
