"""What of an episode is wanted, as stretches without a gap: data sets know only frames at a constant rate.

Where a frame is missing (a stale camera, a pause) or nobody commanded, the episode is split; nothing is made up.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from bc_core.contract import Contract
from bc_core.dataset import EpisodeTicks, labels_by_tick
from bc_core.errors import BcError
from bc_core.fields import column_names
from bc_core.idle import IdleRule, idle_weight

_LEAST_TICKS = 2


@dataclass(frozen=True)
class Selection:
    """What of a contract goes into a data set: numeric streams, in the order of their columns, and cameras."""

    numeric: tuple[str, ...]
    cameras: tuple[str, ...]

    @property
    def streams(self) -> tuple[str, ...]:
        return (*self.numeric, *self.cameras)


def select(contract: Contract, streams: tuple[str, ...] = ()) -> Selection:
    """The streams by kind; none named: all. BcError: unknown ones, depth images, for which these data sets have no
    place, or none with numbers, which every policy needs."""
    for stream in streams:
        if stream not in contract.observations:
            known = ", ".join(contract.observations)
            raise BcError(f"contract '{contract.name}' has no observation '{stream}': use some of {known}")
    chosen = [contract.observations[stream] for stream in streams or contract.observations]
    for observation in chosen:
        if observation.is_depth:
            others = " ".join(each.name for each in chosen if not each.is_depth)
            raise BcError(
                f"'{observation.name}' is a depth image ({observation.encoding}), for which the data set has no place: "
                f"name the streams to take (--streams {others}), or give a contract without it; "
                "bcros train reads depth from the bags"
            )
    numeric = tuple(observation.name for observation in chosen if not observation.is_image)
    if not numeric:
        raise BcError("no stream with numbers is chosen: policies need a state; name one more")
    return Selection(numeric, tuple(observation.name for observation in chosen if observation.is_image))


@dataclass(frozen=True)
class Choice:
    """Which recorded ticks go into a data set; stored with it. Empty tuples: all.

    outcomes: of episodes. sources: whose commands. idle: which stretches without motion are left out or weigh less.
    """

    outcomes: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    idle: IdleRule | None = None


@dataclass(frozen=True)
class Segment:
    """T successive frames and what was commanded at them.

    first_tick: on the grid. numbers: stream -> (T, width) float32; action (T, D) float32. intervention (T,): a human
    commanded. weight (T,) float32: of the frame in training, relative to 1. images: camera -> (T, height, width, 3)
    uint8 RGB. label (T, L, D) float32: what an expert answered that was asked there; label_rows (T,): how many of its
    rows count, 0 where it was not asked. None: it was asked nowhere in this episode.
    """

    first_tick: int
    numbers: Mapping[str, npt.NDArray[np.float32]]
    action: npt.NDArray[np.float32]
    intervention: npt.NDArray[np.bool_]
    weight: npt.NDArray[np.float32]
    images: Mapping[str, npt.NDArray[np.uint8]]
    label: npt.NDArray[np.float32] | None = None
    label_rows: npt.NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.action)

    @property
    def state(self) -> npt.NDArray[np.float32]:
        """All numeric streams side by side, shape (T, S)."""
        return np.concatenate(list(self.numbers.values()), axis=1)


def segments(episode: EpisodeTicks, contract: Contract, selection: Selection, choice: Choice) -> Iterator[Segment]:
    """The stretches of an episode (read with the selection's streams and n_obs_steps 1) that are wanted."""
    wanted = episode.has_frame & episode.has_command
    if choice.sources:
        wanted &= np.isin(episode.source, choice.sources)
    weight = idle_weight(episode, contract.groups, contract.grid.dt, choice.idle)
    wanted &= weight > 0.0
    labels = labels_by_tick(episode)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], wanted, [False]]).astype(np.int8)))
    for begin, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        if end - begin < _LEAST_TICKS:
            continue
        yield Segment(
            first_tick=episode.first_tick + begin,
            numbers={stream: episode.values[stream][begin:end, -1].astype(np.float32) for stream in selection.numeric},
            action=episode.commands[begin:end].astype(np.float32),
            intervention=episode.source[begin:end] == "human",
            weight=weight[begin:end].astype(np.float32),
            images={
                camera: _rgb(contract, camera, episode.values[camera][begin:end, -1]) for camera in selection.cameras
            },
            label=None if labels is None else labels[0][begin:end],
            label_rows=None if labels is None else labels[1][begin:end],
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
