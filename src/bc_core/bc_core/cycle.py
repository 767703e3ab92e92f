"""What the chunk scheduler is configured with, asks for, sends and reports (docs/protocol.md, "Scheduling")."""

import math
from dataclasses import dataclass
from enum import Enum

from bc_core.chunks import Array
from bc_core.errors import BcError
from bc_core.mask import BETA, Mask
from bc_core.strategies.ensembling import Ensemble
from bc_core.strategies.registry import Strategy


class State(Enum):
    """What the scheduler waits for."""

    IDLE = "idle"  # mode is not POLICY
    WAITING = "waiting"  # for enough rows to be executed
    INFERRING = "inferring"  # for an answer
    DELIVERING = "delivering"  # for an acknowledgement


@dataclass(frozen=True)
class SchedulerConfig:
    """horizon H, s_min and the time-outs in ticks; beta: maximal guidance weight; n_obs_steps: ticks in a frame."""

    strategy: Strategy
    horizon: int
    s_min: int
    beta: float = BETA
    answer_timeout: int = 20
    ack_timeout: int = 4
    max_backoff: int = 20
    n_obs_steps: int = 1

    def __post_init__(self) -> None:
        if self.horizon < 3:
            raise BcError(f"horizon is {self.horizon} rows, at least 3 are needed: train a policy with longer chunks")
        if not 1 <= self.s_min <= self.horizon - 2:
            raise BcError(
                f"s_min is {self.s_min}: with a horizon of {self.horizon} rows it must lie in 1 ... {self.horizon - 2}"
            )

        if not (math.isfinite(self.beta) and self.beta >= 0.0):
            raise BcError(f"beta is {self.beta}: the greatest guidance weight is a number from 0, the paper's is 5")

    @property
    def largest_delay(self) -> int:
        """The largest d with d <= s and s + d + 1 <= H for s = max(d, s_min) [ticks]."""
        return min((self.horizon - 1) // 2, self.horizon - 1 - self.s_min)


@dataclass(frozen=True)
class Request:
    """What policy_node is asked: row 0 of the answer is the command of `tick`. prefix: (P, D) absolute, or None."""

    sequence: int
    tick: int
    epoch: int
    mask: Mask
    frozen: int
    execution_horizon: int
    delay_estimated: int
    prefix: Array | None


@dataclass(frozen=True)
class Delivery:
    """A chunk to publish: row 0 belongs to `tick`. actions: (H, D) absolute; sampled: before splice or average.

    votes: what actions are the average of; they count once the chunk is in force. None: nothing is averaged.
    """

    sequence: int
    tick: int
    epoch: int
    frozen: int
    actions: Array
    sampled: Array
    request: Request  # that it answers
    votes: Ensemble | None = None


@dataclass
class Counters:
    """Since the start of the process."""

    requests: int = 0
    timeouts: int = 0  # requests never answered and chunks never acknowledged
    refused: int = 0  # chunks the controller refused
    dropped: int = 0  # answers and acknowledgements that belonged to nothing open
    failed: int = 0  # requests policy_node could not answer
    infeasible: int = 0  # requests for which d_hat had to be cut
    starved_ticks: int = 0
    clock_jumps: int = 0  # ticks that came after a later one


@dataclass(frozen=True)
class Cycle:
    """Figures of the last chunk that came into force. NaN: there was no old row to compare with.

    residual_at_row_d: what raw_jump_at_row_d would be without the splice.
    """

    sequence: int  # of its request
    delay_estimated: int
    delay_measured: int
    execution_horizon: int
    frozen: int
    inference_seconds: float
    observation_age: float
    raw_jump_at_effect: float
    raw_jump_at_row_d: float
    residual_at_row_d: float
