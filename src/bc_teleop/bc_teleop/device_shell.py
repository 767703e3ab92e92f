"""Puts a device on the node: its subscriptions and threads, and what it shows to whoever holds it."""

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

from rclpy.node import Node
from sensor_msgs.msg import JointState, Joy

from bc_nodes import qos
from bc_teleop.browser.server import BrowserServer
from bc_teleop.command import Device, DeviceCommand, Observation
from bc_teleop.device_names import STICKS
from bc_teleop.devices.dynamixel import dynamixel
from bc_teleop.devices.gamepad import gamepad, open_gamepad
from bc_teleop.devices.intervening import ConveyorPickJudge, InterveningDevice, Judge
from bc_teleop.devices.joy import JoyConfig, JoyDevice
from bc_teleop.devices.keyboard import KeyboardDevice, Terminal
from bc_teleop.devices.leader import LeaderDevice
from bc_teleop.devices.plugged import JoyReading, Plugged
from bc_teleop.devices.scripted import ScriptedDevice, conveyor_pick_maker
from bc_teleop.devices.spacemouse import open_spacemouse, spacemouse
from bc_teleop.settings import Settings

_BACKLOG = 256  # readings that a device may leave while the node is busy; the newest count


class DeviceShell:
    """A device and how its readings reach it.

    arm: names of the robot's joints. urgent: called with the time when a button or the dead-man changed.
    BcError: the device is not there, or does not suit the robot.
    """

    def __init__(
        self,
        node: Node,
        settings: Settings,
        arm: tuple[str, ...],
        seed: int,
        await_recording: bool,
        urgent: Callable[[int], None],
    ) -> None:
        self._node, self._settings, self._urgent = node, settings, urgent
        self._inbox: deque[Callable[[], None]] = deque(maxlen=_BACKLOG)
        self._terminal: Terminal | None = None
        self._server: BrowserServer | None = None
        self._thread: Plugged[Any] | None = None
        self._sticks: JoyDevice | None = None
        self.device = self._make(arm, seed, await_recording)

    @property
    def shows(self) -> bool:
        """Has the device something to show a state on?"""
        return self._server is not None

    def command(self, seen: Observation) -> DeviceCommand:
        """What the device asks for now."""
        if self._terminal is not None and isinstance(self.device, KeyboardDevice):
            for key in self._terminal.struck():
                self.device.press(key, seen.time_ns)
        return self.device.command(seen)

    def show(self, mode: str, yours: bool, message: str, told: str) -> None:
        """mode: of the controller. yours: this device has the robot. message: why it has not. told: its own state."""
        if self._server is not None and self._sticks is not None:
            self._server.show(mode=mode, yours=yours, message=message, told=told, drives=self._sticks.mode)

    def close(self) -> None:
        for part in (self._thread, self._server, self._terminal):
            if part is not None:
                part.close()

    def _make(self, arm: tuple[str, ...], seed: int, await_recording: bool) -> Device:
        settings, name = self._settings, self._settings.device
        if name in STICKS:
            self._sticks = JoyDevice(settings.joy, len(arm))
            self._read_sticks(name)
            return self._sticks
        if name == "leader":
            return self._make_leader(arm)
        if name == "keyboard":
            keyboard = KeyboardDevice(settings.keyboard, len(arm))
            self._terminal = Terminal()
            return keyboard
        experts = {"conveyor_pick": conveyor_pick_maker(settings.conveyor_pick)}
        if name == "intervening":
            judges: dict[str, Judge] = {"conveyor_pick": ConveyorPickJudge(settings.intervention)}
            return InterveningDevice(experts, judges, settings.intervention, seed)
        return ScriptedDevice(experts, seed, await_recording)

    def _read_sticks(self, name: str) -> None:
        settings = self._settings
        if name == "joy":
            self._hear_joy()
        elif name == "browser":
            self._server = BrowserServer(settings.browser, hello(settings.joy), self._leave_sticks, self._say)
            self._server.start()
        elif name == "gamepad":
            self._run(gamepad(partial(open_gamepad, settings.gamepad), self._leave_sticks, self._say))
        else:
            self._run(spacemouse(partial(open_spacemouse, settings.spacemouse), self._leave_sticks, self._say))

    def _make_leader(self, arm: tuple[str, ...]) -> LeaderDevice:
        self._sticks = JoyDevice(self._settings.joy, len(arm))
        leader = LeaderDevice(self._settings.leader, arm, self._sticks)
        self._hear_joy()
        if self._settings.bus is not None:
            self._run(dynamixel(self._settings.bus, partial(self._leave_leader, leader), self._say))
        else:
            self._node.create_subscription(
                JointState,
                "leader/joint_states",
                lambda msg: leader.receive(dict(zip(msg.name, msg.position, strict=False)), self._now_ns()),
                qos.SENSOR_IN,
            )
        return leader

    def _hear_joy(self) -> None:
        self._node.create_subscription(Joy, "joy", lambda msg: self._on_sticks(msg.axes, msg.buttons), qos.SENSOR_IN)

    def _run(self, thread: Plugged[Any]) -> None:
        self._thread = thread
        thread.start()

    # --- from a device's own thread ---------------------------------------------------------------------------------

    def _leave_sticks(self, reading: JoyReading) -> None:
        self._leave(lambda: self._on_sticks(*reading))

    def _leave_leader(self, leader: LeaderDevice, reading: dict[str, float]) -> None:
        self._leave(lambda: leader.receive(reading, self._now_ns()))

    def _leave(self, reading: Callable[[], None]) -> None:
        """For the executor, which is woken; before it spins, readings only wait."""
        self._inbox.append(reading)
        if self._node.executor is not None:
            self._node.executor.create_task(self._take_readings)

    def _say(self, text: str) -> None:
        self._node.get_logger().info(text)

    # --- in the executor --------------------------------------------------------------------------------------------

    def _take_readings(self) -> None:
        while self._inbox:
            self._inbox.popleft()()

    def _on_sticks(self, axes: Any, buttons: Any) -> None:
        now_ns = self._now_ns()
        if self._sticks is not None and self._sticks.receive(axes, buttons, now_ns):
            self._urgent(now_ns)

    def _now_ns(self) -> int:
        return int(self._node.get_clock().now().nanoseconds)


def hello(config: JoyConfig) -> dict[str, Any]:
    """What the page is told: which button does what, and what its sticks' four axes drive in every mode."""
    sticks = ("left_x", "left_y", "right_x", "right_y")
    modes = {}
    for mode in config.modes:
        driven = {axis.index: name.replace("_", " ") for name, axis in mode.axes.items()}
        modes[mode.name] = [
            f"{'↔' if stick.endswith('x') else '↕'} {driven[index]}" if index in driven else ""
            for index, stick in enumerate(sticks)
        ]
    return {"actions": config.used_buttons, "modes": modes}
