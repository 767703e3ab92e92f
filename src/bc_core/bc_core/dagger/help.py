"""A policy that asks for help where an ensemble disagrees, and what becomes of it: answered, withdrawn, or a hold.

State in, verdicts out; the clock is an argument. Hoque et al., "ThriftyDAgger", CoRL 2021, has the robot ask and the
human come; here nobody need come: then the robot holds.
"""

from dataclasses import dataclass
from enum import Enum

import numpy as np

from bc_core.dagger.gate import Gate
from bc_core.errors import BcError
from bc_core.grid import NANOSECONDS


class Help(Enum):
    """Where a request for help stands."""

    NONE = "none"
    ASKED = "asked"  # the policy drives on, and waits to be relieved
    HOLDING = "holding"  # nobody came; the robot holds until somebody decides


@dataclass(frozen=True)
class HelpConfig:
    """threshold: disagreement from which on help is asked for. patience: until the robot holds [s]. calm: so many
    measurements below the threshold, one after another, withdraw the request.
    """

    threshold: float
    patience: float = 2.0
    calm: int = 2

    def __post_init__(self) -> None:
        if self.threshold <= 0.0 or self.patience < 0.0:
            raise BcError(
                f"help: threshold {self.threshold:g} and patience {self.patience:g} s: the first must be above 0 "
                "(bcros gate finds one), the second not below"
            )


class HelpDesk:
    """One robot's requests for help."""

    def __init__(self, config: HelpConfig) -> None:
        self._config = config
        self._gate = Gate(config.threshold)
        self._policy = False
        self._asked_ns: int | None = None
        self._calm = 0
        self.state = Help.NONE
        self.disagreement = 0.0  # the newest

    def on_mode(self, policy: bool, hold: bool) -> None:
        """The controller is in another mode: POLICY, HOLD or another.

        A hold that nobody else asked for leaves the request standing; whoever takes over or resumes has answered it.
        """
        self._policy = policy
        self._calm = 0
        if not (hold and self.state is Help.HOLDING):
            self._asked_ns, self.state = None, Help.NONE

    def on_disagreement(self, value: float, now_ns: int) -> None:
        """The ensemble was asked about a frame of the policy's own driving."""
        self.disagreement = value
        if not self._policy:
            return
        if self._gate.asks(np.array([value]))[0]:
            self._calm = 0
            if self.state is Help.NONE:
                self._asked_ns, self.state = now_ns, Help.ASKED
        elif self.state is Help.ASKED:
            self._calm += 1
            if self._calm >= self._config.calm:
                self._asked_ns, self.state = None, Help.NONE

    def must_hold(self, now_ns: int) -> bool:
        """Has nobody come in time? True until the policy drives no more: the caller asks the controller to hold."""
        waited = 0 if self._asked_ns is None else now_ns - self._asked_ns
        if self.state is Help.ASKED and waited >= self._config.patience * NANOSECONDS:
            self.state = Help.HOLDING
        return self._policy and self.state is Help.HOLDING

    @property
    def message(self) -> str:
        """For people; empty while there is nothing to say."""
        if self.state is Help.NONE:
            return ""
        found = f"the ensemble disagrees by {self.disagreement:.2f} (limit {self._config.threshold:.2f})"
        if self.state is Help.ASKED:
            return f"asks for help: {found}: take over, or the robot holds"
        return f"holds, because nobody came to help: {found}: take over, or resume"
