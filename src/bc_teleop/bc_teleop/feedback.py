"""What a joystick's rumble tells whoever holds it: that the robot is theirs, that it is not, that it has stopped."""

from dataclasses import dataclass

from bc_core.grid import NANOSECONDS


@dataclass(frozen=True)
class Pulse:
    """intensity: 0 ... 1; seconds: how long."""

    intensity: float
    seconds: float


TAKEN = Pulse(0.3, 0.15)  # the robot follows your stick
ASKED = Pulse(0.5, 0.6)  # the policy asks for help
DENIED = Pulse(0.8, 0.4)  # the dead-man is held and has no effect: the log says why
STOPPED = Pulse(1.0, 0.8)
WARNED = Pulse(0.5, 0.25)  # something is wrong with the recording: the log says what


class Feedback:
    """Turns what happens into pulses; state in, one intensity out."""

    def __init__(self) -> None:
        self._human = self._denied = self._stopped = self._asked = self._warned = False
        self._ends_ns: int | None = None

    def warn(self) -> None:
        """There is news of the recording: felt when no other pulse is."""
        self._warned = True

    def update(self, now_ns: int, human: bool, denied: bool, stopped: bool, asked: bool = False) -> float | None:
        """The intensity to set now; None: leave it. human: this device has the robot; denied: it asks in vain; asked:
        the policy asks for help.
        """
        pulse = None
        if stopped and not self._stopped:
            pulse = STOPPED
        elif denied and not self._denied and not stopped:
            pulse = DENIED
        elif human and not self._human:
            pulse = TAKEN
        elif asked and not self._asked:
            pulse = ASKED
        elif self._warned and self._ends_ns is None:
            pulse, self._warned = WARNED, False
        self._human, self._denied, self._stopped, self._asked = human, denied, stopped, asked
        if pulse is not None:
            self._ends_ns = now_ns + round(pulse.seconds * NANOSECONDS)
            return pulse.intensity
        if self._ends_ns is not None and now_ns >= self._ends_ns:
            self._ends_ns = None
            return 0.0
        return None
