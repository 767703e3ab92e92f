"""A joystick in virtual time: readings as joy_node sends them, at once when something changes and 50 times a second."""

from bc_bringup.virtual.cell import VirtualCell
from bc_bringup.virtual.sources import HandSource
from bc_core.grid import NANOSECONDS
from bc_teleop.devices.joy import JoyConfig, JoyDevice

REPEAT_NS = NANOSECONDS // 50


class VirtualJoystick:
    """Axes in -1 ... 1 by direction, the dead-man, and whether the cable is in. The device is what a hand reads."""

    def __init__(self, cell: VirtualCell, config: JoyConfig, phase_ns: int = 0) -> None:
        self.device = JoyDevice(config, len(cell.state.position_reference))
        self.plugged = True
        self.hand: HandSource | None = None
        self._cell, self._config = cell, config
        self._axes = [0.0] * (1 + max(config.used_axes.values()))
        self._buttons = [0] * (1 + max(config.used_buttons.values()))
        cell.every(REPEAT_NS, self._send, phase_ns)

    def hold(self, dead_man: bool, **directions: float) -> None:
        """Press or let go the dead-man and move the sticks, now. directions: of the first mode."""
        self._buttons[self._config.used_buttons["dead_man"]] = int(dead_man)
        for direction, value in directions.items():
            self._axes[self._config.modes[0].axes[direction].index] = value
        self._send(self._cell.now_ns)

    def _send(self, time_ns: int) -> None:
        if self.plugged and self.device.receive(self._axes, self._buttons, time_ns) and self.hand is not None:
            self.hand.step(time_ns)
