"""What a frame weighs in training by the part that it plays."""

from dataclasses import dataclass

import numpy as np

from bc_core.chunks import Array
from bc_core.dagger.labels import Part, parts
from bc_core.dataset import EpisodeTicks
from bc_core.schema import Section


@dataclass(frozen=True)
class PartWeights:
    """How often a frame is drawn, relative to others; 0 drops it.

    label: a frame with what an expert answered for its target, whoever acted (bc_core.dagger.asked). before_seconds:
    how long ahead of an intervention the policy's frames count as `before`: what it did there is what the human had to
    correct.
    """

    demonstration: float = 1.0
    intervention: float = 1.0
    before: float = 1.0
    policy: float = 1.0
    label: float = 1.0
    before_seconds: float = 0.0

    @classmethod
    def from_section(cls, section: Section) -> "PartWeights":
        names = ("demonstration", "intervention", "before", "policy", "label", "before_seconds")
        weights = cls(**{name: section.number(name, getattr(cls, name), minimum=0.0) for name in names})
        section.finish()
        return weights

    def of(self, episode: EpisodeTicks, dt: float) -> Array:
        """Weight of every tick, shape (T,). dt: of the grid [s]."""
        label = parts(episode, round(self.before_seconds / dt))
        weight = np.zeros(len(label))
        for part in (Part.DEMONSTRATION, Part.INTERVENTION, Part.BEFORE, Part.POLICY):
            weight[label == str(part)] = getattr(self, part.value)
        return weight
