"""teleop_node: a hand, or the scripted expert, drives the robot through action chunks. A shell over the session."""

import sys
from functools import partial
from pathlib import Path

import numpy as np
from nav_msgs.msg import Odometry
from rclpy.experimental import EventsExecutor
from sensor_msgs.msg import JoyFeedback

from bc_controllers import load_robot
from bc_core.contract import Contract
from bc_core.errors import BcError
from bc_core.grid import Grid, to_nanoseconds
from bc_msgs.msg import ActionChunk as ActionChunkMsg
from bc_msgs.msg import ChunkAck, ControllerState, ControlMode, EpisodeStatus, HelpRequest, TaskState, TickDone
from bc_nodes import qos
from bc_nodes.convert import chunk_to_msg, to_ns, to_stamp
from bc_nodes.diagnostics import Diagnostics, Level
from bc_nodes.lifecycle import BcLifecycleNode
from bc_nodes.main import run_node
from bc_nodes.ticks import TickTimer
from bc_teleop.build import make_session, warm_up
from bc_teleop.command import DeviceCommand, Observation
from bc_teleop.device_names import DEVICES
from bc_teleop.device_shell import DeviceShell
from bc_teleop.devices.scripted import ScriptedDevice
from bc_teleop.episode_request import EpisodeRequest
from bc_teleop.episode_watch import EpisodeState, EpisodeWatch
from bc_teleop.feedback import Feedback
from bc_teleop.services import Requests
from bc_teleop.session import Reference
from bc_teleop.settings import load_settings
from bc_teleop.views import object_view, pose_view, reference_view, task_view

MODE_NAMES = {getattr(ControlMode, name): name for name in ("HOLD", "POLICY", "PLANNER", "HUMAN", "STOPPED")}
RUMBLES = ("joy", "leader")  # whose readings come from a joy node, which takes feedback


class TeleopNode(BcLifecycleNode):
    """Reads the device once a period, publishes command/human while its dead-man is held.

    In lock step the period is the contract's dt: at every tick the command is made of the observations of that tick,
    and TickDone tells the simulation that it may go on.
    """

    def __init__(self) -> None:
        super().__init__("teleop")
        self.parameter("device", "scripted", f"one of {', '.join(DEVICES)}")
        self.parameter("settings", "", "file of the device: config/teleop/*.yaml")
        self.parameter(
            "layout", "", "names of axes and buttons: a file in config/teleop/layouts; empty: the settings' own"
        )
        self.parameter("robot", "", "robot file: config/robots/*.yaml")
        self.parameter("contract", "", "contract file: config/contracts/*.yaml")
        self.parameter("period", 0.05, "time between two chunks, in real time [s]")
        self.parameter("knots", 4, "points per chunk, one contract dt apart, between which rows are interpolated")
        self.parameter("row_dt", 0.002, "time between two rows of a chunk [s]")
        self.parameter("lead", 0.02, "from making a chunk to its first row, in real time [s]")
        self.parameter("max_age", 0.2, "older observations count as not seen [s]")
        self.parameter("seed", 0, "of the scripted expert")
        self.parameter("await_recording", False, "the scripted expert begins when the recorder records")
        self.parameter("operator", "", "who drives: kept with the episodes that are begun with a button")
        self.parameter("lockstep", False, "the simulation waits for this node, by its name, at every tick")
        self._state: ControllerState | None = None
        self._mode: ControlMode | None = None
        self._odometry: Odometry | None = None
        self._task: TaskState | None = None
        self._recording = False
        self._watch = EpisodeWatch()
        self._help = HelpRequest()  # of the policy
        self._tick_ns = 0
        self._hold_ns = 0  # stamp of the newest HOLD
        self._shell: DeviceShell | None = None
        self._feedback = Feedback()
        self._told = ""
        self._ticks: TickTimer | None = None

    def configure(self) -> None:
        self._lockstep = bool(self.value("lockstep"))
        self._max_age_ns = to_nanoseconds(self.value("max_age"))
        settings = load_settings(Path(self.value("settings")), self.value("device"), self.value("layout"))
        contract = Contract.load(self.value("contract"))
        robot = load_robot(self.value("robot"))
        self._arm = robot.arm
        make = partial(
            make_session,
            robot,
            contract,
            settings,
            self.get_name(),
            self.process_id,
            lead=0.0 if self._lockstep else self.value("lead"),
            knots=self.value("knots"),
            row_dt=self.value("row_dt"),
            max_age=self.value("max_age"),
        )
        chunk_to_msg(warm_up(make(), np.array(robot.home)))
        self.session = make()
        period = contract.grid.dt if self._lockstep else self.value("period")
        if not 0.005 <= period <= 0.5:
            raise BcError(f"period is {period} s: choose 0.005 ... 0.5 s")
        self._grid = Grid(to_nanoseconds(period))
        self._commands = self.create_publisher(ActionChunkMsg, "command/human", qos.COMMAND_OUT)
        self._diagnostics = Diagnostics(self)
        self._requests = Requests(self)
        sensor = qos.SENSOR_IN_ALL if self._lockstep else qos.SENSOR_IN
        self.create_subscription(ControllerState, "controller/state", self._on_state, qos.STATE)
        self.create_subscription(ControlMode, "controller/mode", self._on_mode, qos.LATCHED)
        self.create_subscription(ChunkAck, "controller/ack", self._on_ack, qos.EVENT)
        self.create_subscription(Odometry, "object/odometry", self._on_odometry, sensor)
        self.create_subscription(TaskState, "task/state", self._on_task, qos.STATE)
        self.create_subscription(EpisodeStatus, "episode/status", self._on_episode, qos.STATE)
        self.create_subscription(HelpRequest, "policy/help", self._on_help, qos.LATCHED)
        self._rumble = None
        if settings.device in RUMBLES:
            self._rumble = self.create_publisher(JoyFeedback, "joy/set_feedback", qos.EVENT)
        if self._lockstep:
            self._tick_done = self.create_publisher(TickDone, "sim/tick_done", qos.EVENT)
        self._shell = DeviceShell(
            self, settings, self._arm, self.value("seed"), self.value("await_recording"), self._on_urgent
        )

    @property
    def episode_state(self) -> EpisodeState:
        """The recorder's, as it told last."""
        return self._watch.state

    def activate(self) -> None:
        if not self._lockstep:
            self._ticks = TickTimer(self, self._grid, lambda tick: self._step(self._now_ns()), half_over=True)

    def deactivate(self) -> None:
        if self._ticks is not None:
            self._ticks.cancel()
        self._let_go()

    def close(self) -> None:
        if self.active:
            self._let_go()
        if self._shell is not None:
            self._shell.close()

    def _now_ns(self) -> int:
        return int(self.get_clock().now().nanoseconds)

    def _on_state(self, msg: ControllerState) -> None:
        self._state = msg
        self._try_tick()

    def _on_mode(self, msg: ControlMode) -> None:
        self._mode = msg
        if msg.mode == ControlMode.HOLD:
            self._hold_ns = to_ns(msg.header.stamp)

    def _on_odometry(self, msg: Odometry) -> None:
        self._odometry = msg
        self._try_tick()

    def _on_task(self, msg: TaskState) -> None:
        self._task = msg
        self._try_tick()

    def _on_episode(self, msg: EpisodeStatus) -> None:
        self._recording = msg.state == EpisodeStatus.RECORDING
        for text in self._watch.update(self._now_ns(), msg.state, msg.warnings, msg.message):
            self.get_logger().warning(f"recorder: {text}")
            self._feedback.warn()
        self._try_tick()

    def _on_help(self, msg: HelpRequest) -> None:
        if msg.message and msg.state != self._help.state:
            self.get_logger().warning(f"the policy {msg.message}")
        self._help = msg

    def _on_urgent(self, now_ns: int) -> None:
        """A takeover, a release or a stop is not kept waiting for the next period."""
        if self.active and not self._lockstep:
            self._step(now_ns)

    def _on_ack(self, msg: ChunkAck) -> None:
        if msg.producer_id != self.process_id or msg.verdict != ChunkAck.REFUSED:
            return
        if self.session.refused(msg.sequence, disarm=msg.reason == ChunkAck.WRONG_SOURCE):
            self.get_logger().warning(f"chunk {msg.sequence} refused: {msg.detail}", throttle_duration_sec=1.0)

    def _try_tick(self) -> None:
        """Lock step: deal with the task's tick as soon as everything of that tick is here."""
        if not self._lockstep or self._task is None or self._state is None or self._odometry is None:
            return
        tick_ns = to_ns(self._task.header.stamp)
        arrived = min(to_ns(self._state.header.stamp), to_ns(self._odometry.header.stamp))
        if tick_ns <= self._tick_ns or arrived < tick_ns:
            return
        if self._waits_for_recorder():
            if self._tick_ns == 0:
                self._say_done()  # unheard of, this node would be sent everything again, into the recording
            return
        self._tick_ns = tick_ns
        if self.active:
            self._step(tick_ns)
        self._say_done()

    def _say_done(self) -> None:
        """Up to the newest tick; before the first: that this node is there."""
        done = TickDone(participant=self.get_name(), sequence=self.session.sequence)
        done.header.stamp = to_stamp(self._tick_ns)
        self._tick_done.publish(done)

    def _waits_for_recorder(self) -> bool:
        """Simulated time stands still between reset and recording: the same seed gives the same episode, whole."""
        device = self._shell.device if self._shell is not None else None
        if not isinstance(device, ScriptedDevice) or self._task is None:
            return False
        return device.waits(task_view(self._task), self._recording)

    def _observe(self, now_ns: int, state: ControllerState, reference: Reference | None) -> Observation:
        odometry = self._odometry if self._is_fresh(self._odometry, now_ns) else None
        return Observation(
            time_ns=now_ns,
            tcp=pose_view(state.tcp),
            gripper=float(state.gripper_position),
            object=object_view(odometry) if odometry is not None else None,
            task=task_view(self._task) if self._task is not None else None,
            recording=self._recording,
            held=self._mode is not None and self._mode.mode == ControlMode.HOLD,
            asked=self._help.state != HelpRequest.NONE,
            joints=None if reference is None else reference.joints,
        )

    def _is_fresh(self, msg: Odometry | None, now_ns: int) -> bool:
        return msg is not None and abs(now_ns - to_ns(msg.header.stamp)) <= self._max_age_ns

    def _step(self, now_ns: int) -> None:
        """One period: look, ask the device, send its chunk and its requests."""
        shell, state = self._shell, self._state
        if shell is None:
            return
        if state is None:
            self._report("no controller state yet: is the controller running?", None)
            return
        reference = reference_view(state, self._mode, self._hold_ns, self._arm)
        command = shell.command(self._observe(now_ns, state, reference))
        for button in self._watch.meant(command.pressed, stopped=reference is not None and reference.stopped):
            self._requests.send(button, self._episode(), self._watch.state == EpisodeState.PAUSED)
        self._send(now_ns, command, reference)

    def _episode(self) -> EpisodeRequest:
        """What an episode that begins now is of."""
        task, seed = (self._task.task, self._task.seed) if self._task is not None else ("", 0)
        return EpisodeRequest(task, self.value("operator"), seed)

    def _send(self, now_ns: int, command: DeviceCommand, reference: Reference | None) -> None:
        chunk = self.session.step(now_ns, command, reference)
        if chunk is not None:
            self._commands.publish(chunk_to_msg(chunk))
        message = self.session.message or command.refused
        if message:
            self.get_logger().warning(message, throttle_duration_sec=2.0)
        elif command.told != self._told:
            self._told = command.told
            self.get_logger().info(command.told, throttle_duration_sec=1.0)
        self._report(message, command.told)
        if self._rumble is not None:
            self._feel(now_ns, reference, message)

    def _report(self, message: str, told: str | None) -> None:
        """On /diagnostics, and on the device itself where it can show something. message: what is wrong."""
        self._diagnostics.report(Level.WARN if message else Level.OK, message or told or "")
        if self._shell is not None and self._shell.shows:
            mode = self._mode.mode if self._mode is not None else None
            yours = mode == ControlMode.HUMAN and self.session.engaged
            states = (told, *(f"recorder: {text}" for text in self._watch.warnings))
            self._shell.show(MODE_NAMES.get(mode, ""), yours, message, "; ".join(filter(None, states)))

    def _feel(self, now_ns: int, reference: Reference | None, message: str) -> None:
        """Let the hand feel what became of it (joy_node's topic: TYPE_RUMBLE, intensity 0 ... 1)."""
        human = reference is not None and reference.human and self.session.engaged
        stopped = reference is not None and reference.stopped
        asked = self._help.state != HelpRequest.NONE
        intensity = self._feedback.update(now_ns, human, bool(message), stopped, asked)
        if intensity is not None and self._rumble is not None:
            self._rumble.publish(JoyFeedback(type=JoyFeedback.TYPE_RUMBLE, id=0, intensity=intensity))

    def _let_go(self) -> None:
        """The dead-man is released: the last chunk brings the robot to rest and gives the lease back."""
        if self.session.engaged and self._state is not None:
            now_ns = self._tick_ns if self._lockstep else self._now_ns()
            self._send(now_ns, DeviceCommand(), reference_view(self._state, self._mode, self._hold_ns, self._arm))


def main() -> None:
    sys.exit(run_node(TeleopNode, executor_class=EventsExecutor))
