"""What every policy offers to the policy node, whatever model lies behind it."""

from abc import ABC, abstractmethod

from bc_core.chunks import Array
from bc_core.contract import Contract
from bc_core.frames import Frame
from bc_core.mask import BETA, Mask


class Policy(ABC):
    """A trained policy: one frame in, one chunk of absolute actions out.

    contract: the one it was trained under. streams: observations that a frame for it holds. n_obs_steps: their history.
    horizon H and width D: shape of a chunk. masks: what it supports; a scheduler that needs another refuses at start.
    """

    contract: Contract
    streams: tuple[str, ...]
    n_obs_steps: int
    horizon: int
    width: int
    masks: frozenset[Mask]

    @abstractmethod
    def infer(
        self,
        frame: Frame,
        prefix: Array | None = None,
        frozen: int = 0,
        execution_horizon: int = 1,
        mask: Mask = Mask.FREE,
        beta: float = BETA,
        seed: int | None = None,
    ) -> Array:
        """One chunk: (H, D) float64, absolute, SI; row i is the command of tick frame.tick + i.

        prefix: (P, D) absolute, row i for tick frame.tick + i, the chunk in force from there on; None: none.
        frozen: leading rows that are committed: guidance draws the sample towards them; the scheduler, which splices
        the sample to the prefix (bc_core.splice), repeats them. execution_horizon: s of Eq. 5 of arXiv 2506.07339,
        with `frozen` in the place of d. beta: largest guidance weight. seed: fixes the noise (None: fresh noise).
        ValueError where prefix, frozen and mask do not fit together; BcError for a frame that is not this policy's.
        """
