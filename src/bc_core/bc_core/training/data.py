"""Episodes to tensors: everything a training step needs, in memory."""

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from bc_core.bags import open_episode
from bc_core.contract import Contract
from bc_core.dagger.asked import LABEL, LABELS_FILE
from bc_core.dataset import EpisodeTicks, Windows, label_windows, read_episode, windows, without_commands
from bc_core.errors import BcError
from bc_core.idle import idle_weight
from bc_core.normalisation import Normaliser, fit_actions, fit_observations
from bc_core.policies.chunk_policy import ChunkPolicy, input_layout
from bc_core.policies.config import DataConfig, PolicyConfig, TrainConfig
from bc_core.policies.lerobot.config import LeRobotConfig
from bc_core.policies.lerobot.fitting import fit_plain
from bc_core.policies.network import Network
from bc_core.policies.vision.folder import described

_PREPARED_AT_ONCE = 64
"""Frames whose images become embeddings at once: what lies between, of large backbones, is large."""
_NUMBERS = 3
"""Dimensions of an episode's numbers: ticks, n_obs_steps, width. Images have two more."""


@dataclass(frozen=True)
class TrainingSet:
    """N frames with their chunks.

    features: (N, F) float32, normalised. images: camera -> (N, ...), as the network prepares them (Network.prepare).
    actions: (N, H, E) float32, encoded and normalised. valid: (N, H) bool. weight: (N,) float32, how often a frame is
    drawn, relative to others.
    """

    features: Tensor
    images: Mapping[str, Tensor]
    actions: Tensor
    valid: Tensor
    weight: Tensor

    def __len__(self) -> int:
        return len(self.features)


@dataclass(frozen=True)
class Account:
    """What was read and what was left out, for the summary: nothing disappears unsaid.

    labels: of an expert that was asked, in these episodes; those of an episode count whatever came of it.
    """

    episodes: int
    skipped_episodes: Mapping[str, int]
    refused_frames: Mapping[str, int]
    missing_chunks: int
    lost_messages: int
    labels: int


def read_episodes(
    paths: Sequence[Path], contract: Contract, config: TrainConfig, reading: Iterator[Path] | None = None
) -> tuple[list[EpisodeTicks], Account]:
    """Read the episodes whose outcome is wanted; `reading` may wrap the paths with a progress display.

    Where labels are a source, a labelled episode of another outcome is read for them alone: an expert's answer is worth
    the same wherever the student ends. BcError: no episode is left.
    """
    _, _, streams, _ = input_layout(contract, config.policy)
    episodes, skipped, refused = [], Counter[str](), Counter[str]()
    missing = lost = labels = 0
    for path in reading or iter(paths):
        episode = open_episode(path)
        outcome = str(episode.info.get("outcome", "unlabelled"))
        wanted = outcome in config.data.outcomes
        labelled = LABEL in config.data.sources and (path / LABELS_FILE).is_file()
        if not wanted and not labelled:
            skipped[outcome] += 1
            continue
        ticks = read_episode(path, contract, streams, config.policy.n_obs_steps, episode)
        if ticks.labels is not None and labelled:
            labels += len(ticks.labels)
        if not wanted:
            ticks = without_commands(ticks)
        refused.update(ticks.refused)
        missing += ticks.missing_chunks
        lost += episode.lost_total
        episodes.append(ticks)
    if not episodes:
        found = ", ".join(f"{count} {outcome}" for outcome, count in skipped.items()) or "none"
        raise BcError(
            f"no episode to train on among {len(paths)} (wanted outcomes: {', '.join(config.data.outcomes)}; "
            f"found: {found}): record some, or change data.outcomes"
        )
    return episodes, Account(len(episodes), dict(skipped), dict(refused), missing, lost, labels)


def split(episodes: Sequence[EpisodeTicks], part: float, seed: int) -> tuple[list[EpisodeTicks], list[EpisodeTicks]]:
    """Training and validation episodes. Whole episodes: neighbouring frames are nearly the same."""
    held_out = round(part * len(episodes)) if len(episodes) > 1 else 0
    order = np.random.default_rng(seed).permutation(len(episodes))
    chosen = set(order[:held_out].tolist())
    return (
        [episode for index, episode in enumerate(episodes) if index not in chosen],
        [episode for index, episode in enumerate(episodes) if index in chosen],
    )


def fingerprint(episode: EpisodeTicks) -> str:
    """Of what an episode holds, wherever it lies: tells episodes that a policy was trained on from others."""
    digest = hashlib.sha256(episode.commands.tobytes())
    for _, value in sorted(episode.values.items()):
        if value.ndim == _NUMBERS:  # not images: numbers tell enough
            digest.update(value.tobytes())
    return digest.hexdigest()[:16]


def new_policy(episodes: Sequence[EpisodeTicks], contract: Contract, config: TrainConfig) -> ChunkPolicy:
    """An untrained policy with the normalisation of these episodes. BcError: they hold no frame with a command."""
    found = frames_of(episodes, contract, config.policy, config.data)
    if len(found.features) == 0:
        refused = sum((Counter(episode.refused) for episode in episodes), Counter())
        raise BcError(
            f"{len(episodes)} episodes hold no frame at which {' or '.join(config.data.sources)} commanded "
            f"(frames refused, by stream: {dict(refused) or 'none'}): check data.sources, data.weights and the bags"
        )
    if isinstance(config.policy.head, LeRobotConfig):
        fitted = fit_plain(found.features, found.encoded, found.valid, config.policy)
        return ChunkPolicy(contract, config.policy, *fitted)
    actions = fit_actions(found.encoded, found.valid, config.policy.row_floor)
    whole = replace(config.policy, vision=described(config.policy.vision))
    policy = ChunkPolicy(contract, whole, fit_observations(found.features), actions)
    policy.network.initialise()
    return policy


def training_set(episodes: Sequence[EpisodeTicks], policy: ChunkPolicy, config: DataConfig) -> TrainingSet:
    """The episodes as the network sees them."""
    return normalised(frames_of(episodes, policy.contract, policy.config, config), policy)


def normalised(found: "Frames", policy: ChunkPolicy) -> TrainingSet:
    return TrainingSet(
        features=_float(policy.feature_normaliser, found.features),
        images=_prepared(policy.network, found.images),
        actions=_float(policy.action_normaliser, found.encoded),
        valid=torch.from_numpy(found.valid),
        weight=torch.from_numpy(found.weight).float(),
    )


def _prepared(network: Network, images: Mapping[str, npt.NDArray[Any]]) -> dict[str, Tensor]:
    """Every frame's images, made ready a part at a time; images that stay as they are are not copied."""
    whole = {camera: torch.from_numpy(value) for camera, value in images.items()}
    made: dict[str, list[Tensor]] = {}
    for index in range(0, max(map(len, whole.values()), default=0), _PREPARED_AT_ONCE):
        part = {camera: value[index : index + _PREPARED_AT_ONCE] for camera, value in whole.items()}
        with torch.no_grad():
            prepared = network.prepare(part)
        for camera, value in prepared.items():
            if value is not part[camera]:
                made.setdefault(camera, []).append(value)
    return {**whole, **{camera: torch.cat(values) for camera, values in made.items()}}


def _float(normaliser: Normaliser, data: npt.NDArray[np.float64]) -> Tensor:
    return torch.from_numpy(normaliser.normalise(data)).float()


@dataclass(frozen=True)
class Frames:
    """N frames before normalisation. features (N, F); images as in TrainingSet; actions (N, H, D) absolute, SI; encoded
    (N, H, E); newest: stream -> (N, width), what actions are encoded against; valid (N, H); weight (N,)."""

    features: npt.NDArray[np.float64]
    images: dict[str, npt.NDArray[Any]]
    actions: npt.NDArray[np.float64]
    encoded: npt.NDArray[np.float64]
    newest: dict[str, npt.NDArray[Any]]
    valid: npt.NDArray[np.bool_]
    weight: npt.NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.valid)

    def chosen(self, index: npt.NDArray[np.int64]) -> "Frames":
        """Some of them."""
        pictures = {camera: images[index] for camera, images in self.images.items()}
        newest = {stream: value[index] for stream, value in self.newest.items()}
        rest = (self.actions[index], self.encoded[index], newest, self.valid[index], self.weight[index])
        return Frames(self.features[index], pictures, *rest)


def frames_of(episodes: Sequence[EpisodeTicks], contract: Contract, config: PolicyConfig, data: DataConfig) -> Frames:
    """All frames of the episodes that weigh anything, in order."""
    encoder, to_features, streams, cameras = input_layout(contract, config)
    parts: list[tuple[EpisodeTicks, Windows, npt.NDArray[np.float64]]] = []
    for episode in episodes:
        weight = data.weights.of(episode, contract.grid.dt)
        weight = weight * idle_weight(episode, contract.groups, contract.grid.dt, data.idle)
        window = windows(episode, config.horizon, data.sources, data.pad_end).chosen(weight > 0.0)
        if len(window.frames):
            parts.append((episode, window, weight[window.frames]))
        if LABEL in data.sources and data.weights.label > 0.0:
            asked = label_windows(episode, config.horizon, data.pad_end)
            if len(asked.frames):
                parts.append((episode, asked, np.full(len(asked.frames), data.weights.label)))
    if not parts:
        none, rows = np.empty((0, 0)), (0, config.horizon)
        return Frames(none, {}, np.empty((*rows, contract.width)), np.empty((*rows, encoder.width)), {},
                      np.empty(rows, bool), np.empty(0))  # fmt: skip
    values = {
        stream: np.concatenate([episode.values[stream][window.frames] for episode, window, _ in parts])
        for stream in streams
    }
    actions = np.concatenate([window.actions for _, window, _ in parts])
    newest = {stream: value[:, -1] for stream, value in values.items() if stream not in cameras}
    return Frames(
        features=to_features(values),
        images={camera: values[camera] for camera in cameras},
        actions=actions,
        encoded=encoder.encode(actions, newest),
        newest=newest,
        valid=np.concatenate([window.valid for _, window, _ in parts]),
        weight=np.concatenate([weight for _, _, weight in parts]),
    )
