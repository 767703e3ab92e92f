"""What a policy can do, as its action head declares it; strategies ask for it through the masks that follow."""

from collections.abc import Collection
from enum import StrEnum

from bc_core.mask import GUIDED, Mask


class Ability(StrEnum):
    """Beside drawing one chunk for an observation."""

    GUIDANCE = "guidance"  # a differentiable denoiser: chunks can be drawn towards a prefix
    PREFIX = "prefix"  # chunks conditioned on the rows that are committed, as trained
    SAMPLING = "sampling"  # different noise gives different chunks, from the policy's distribution
    DENSITY = "density"  # log-density of a given chunk


def masks_of(abilities: Collection[Ability]) -> frozenset[Mask]:
    """The masks of requests that a policy of these abilities can serve."""
    masks = {Mask.FREE}
    if Ability.GUIDANCE in abilities:
        masks |= GUIDED
    if Ability.PREFIX in abilities:
        masks.add(Mask.CONDITION)
    if Ability.SAMPLING in abilities:
        masks.add(Mask.COHERENT)
    return frozenset(masks)
