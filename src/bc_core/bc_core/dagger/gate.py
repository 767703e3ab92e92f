"""When to ask for help: policies trained apart agree where they have seen enough, and disagree where they have not.

Menda, Driggs-Campbell and Kochenderfer, "EnsembleDAgger", IROS 2019; Hoque et al., "ThriftyDAgger", CoRL 2021. Off
unless a threshold is given.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bc_core.chunks import Array


def disagreement(chunks: Array) -> Array:
    """How far the members' chunks lie apart, (N,): chunks (K, N, H, A) of K policies in one unit; the root mean square
    over rows and columns of the deviation from the members' mean. ValueError with fewer than two members.
    """
    members = np.asarray(chunks, dtype=np.float64)
    if len(members) < 2:
        raise ValueError(f"disagreement needs at least two policies, got {len(members)}")
    deviation: Array = np.sqrt(members.var(axis=0).mean(axis=(1, 2)))
    return deviation


@dataclass(frozen=True)
class Gate:
    """threshold: disagreement from which on help is asked for, in the unit of the chunks."""

    threshold: float

    def asks(self, found: Array) -> npt.NDArray[np.bool_]:
        """(N,) bool for disagreements (N,)."""
        return np.asarray(found >= self.threshold, dtype=np.bool_)

    @classmethod
    def at_share(cls, found: Array, share: float) -> "Gate":
        """The gate that would have asked at this share of the states seen (ThriftyDAgger sets its budget so)."""
        return cls(float(np.quantile(found, 1.0 - share)))
