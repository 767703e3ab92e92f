"""An episode as stretches without a gap: the format knows only frames at a constant rate, one after the other.

Where a frame is missing (a stale camera, a pause) or nobody commanded, the episode is split; nothing is made up.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from bc_core.contract import Contract
from bc_core.dataset import EpisodeTicks
from bc_core.fields import column_names
from bc_core.idle import IdleRule, idle_ticks
from bc_core.lerobot.layout import Selection

_LEAST_TICKS = 2


@dataclass(frozen=True)
class Choice:
    """Which recorded ticks go into a data set; stored with it. Empty tuples: all.

    outcomes: of episodes. sources: whose commands. cut_idle [s]: stretches without motion of at least so long are left
    out; 0: none are.
    """

    outcomes: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    cut_idle: float = 0.0


@dataclass(frozen=True)
class Segment:
    """T successive frames and what was commanded at them.

    first_tick: on the grid. state (T, S), action (T, D) float32; intervention (T,): a human commanded. images:
    camera -> (T, height, width, 3) uint8 RGB.
    """

    first_tick: int
    state: npt.NDArray[np.float32]
    action: npt.NDArray[np.float32]
    intervention: npt.NDArray[np.bool_]
    images: Mapping[str, npt.NDArray[np.uint8]]

    def __len__(self) -> int:
        return len(self.state)


def segments(episode: EpisodeTicks, contract: Contract, selection: Selection, choice: Choice) -> Iterator[Segment]:
    """The stretches of an episode (read with the selection's streams and n_obs_steps 1) that are wanted."""
    wanted = episode.has_frame & episode.has_command
    if choice.sources:
        wanted &= np.isin(episode.source, choice.sources)
    if choice.cut_idle:
        wanted &= ~idle_ticks(episode, contract.groups, contract.grid.dt, IdleRule(seconds=choice.cut_idle))
    edges = np.flatnonzero(np.diff(np.concatenate([[False], wanted, [False]]).astype(np.int8)))
    for begin, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        if end - begin < _LEAST_TICKS:
            continue
        state = [episode.values[stream][begin:end, -1] for stream in selection.numeric]
        yield Segment(
            first_tick=episode.first_tick + begin,
            state=np.concatenate(state, axis=1).astype(np.float32),
            action=episode.commands[begin:end].astype(np.float32),
            intervention=episode.source[begin:end] == "human",
            images={
                camera: _rgb(contract, camera, episode.values[camera][begin:end, -1]) for camera in selection.cameras
            },
        )


def state_names(episode: EpisodeTicks, contract: Contract, selection: Selection) -> list[str]:
    """Names of the columns of observation.state."""
    return [
        name
        for stream in selection.numeric
        for name in column_names(contract.observations[stream], episode.values[stream].shape[-1])
    ]


def _rgb(contract: Contract, camera: str, images: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    encoding = contract.observations[camera].encoding
    if encoding == "mono8":
        return np.repeat(images, 3, axis=-1)
    return np.asarray(images[..., ::-1] if encoding == "bgr8" else images)
