"""Several policies that were trained apart on the same data, and how much they disagree about a frame."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from bc_core.checkpoint import load_policy
from bc_core.chunks import Array
from bc_core.dagger.gate import disagreement
from bc_core.dataset import EpisodeTicks
from bc_core.errors import BcError
from bc_core.frames import Frame
from bc_core.mask import Mask
from bc_core.policies.chunk_policy import ChunkPolicy


class Ensemble:
    """A policy that drives, and others that are only asked. BcError: they see or command something else than it."""

    def __init__(self, policy: ChunkPolicy, others: Sequence[ChunkPolicy]) -> None:
        self.policy, self.others = policy, tuple(others)
        for index, other in enumerate(others):
            for what in ("streams", "n_obs_steps", "horizon"):
                mine, its = getattr(policy, what), getattr(other, what)
                if mine != its:
                    raise BcError(
                        f"member {index} of the ensemble has {what} = {its}, the policy {mine}: train it alike"
                    )
            other.contract.check_same(policy.contract, f"member {index} of the ensemble", "the policy", policy.streams)

    def disagreement(self, chunks: Sequence[Array], frame: Frame) -> float:
        """Of one chunk (H, D) of each for a frame: root mean square of the deviation from the members' mean, in
        standard deviations of the actions that the policy was trained on.
        """
        unit = [self.policy.normalised(chunk, frame) for chunk in chunks]
        return float(disagreement(np.stack(unit)[:, None])[0])


def load_ensemble(policy: ChunkPolicy, folder: Path) -> Ensemble:
    """The members are the checkpoints in a folder, one below each name. BcError: there are none, or they do not fit."""
    found = sorted(path.parent for path in folder.glob("*/config.json"))
    if not found:
        raise BcError(f"no checkpoint in '{folder}/*': train members with bcros train --seed N --out {folder}/N")
    return Ensemble(policy, [load_policy(path) for path in found])


def disagreements(ensemble: Ensemble, episode: EpisodeTicks, every: int, seed: int = 0) -> Iterator[float]:
    """At each `every`-th frame of an episode that was read with the policy's streams: what a gate is set by."""
    policies = (ensemble.policy, *ensemble.others)
    for index in np.flatnonzero(episode.has_frame & episode.has_command)[::every]:
        values = {stream: value[index] for stream, value in episode.values.items()}
        frame = Frame(episode.first_tick + int(index), values, {})
        prefix = episode.commands[index : index + 1]
        hard = all(Mask.HARD in policy.masks for policy in policies)
        mask, frozen = (Mask.HARD, 1) if hard else (Mask.FREE, 0)
        chunks = [policy.infer(frame, prefix, frozen=frozen, mask=mask, seed=seed) for policy in policies]
        yield ensemble.disagreement(chunks, frame)
