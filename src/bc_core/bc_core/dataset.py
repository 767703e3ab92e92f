"""Recorded episodes as training data: frames at ticks, and the rows that were commanded from there on.

Frame k is paired with the reference in force at ticks k, k+1, ..., k+H-1 (docs/protocol.md, "The grid"), rebuilt from
chunks and acknowledgements. Every tick is labelled with who acted; no target reaches past a change of source or epoch
unmasked.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bc_core.bags import Episode, open_episode
from bc_core.chunks import Array
from bc_core.commands import TIMELINE_TOPICS, TIMELINE_TYPES, CommandTimeline, read_timeline
from bc_core.contract import Contract
from bc_core.dagger.asked import AskedLabels, read_labels
from bc_core.errors import BcError
from bc_core.fields import ObservationError, stamp_ns
from bc_core.frames import FrameAssembler
from bc_core.grid import NANOSECONDS

Integers = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class EpisodeTicks:
    """One episode on the grid; T successive ticks.

    values: stream -> (T, n_obs_steps, ...), zero where has_frame (T,) is false: no frame could be assembled there, and
    nothing may be read. commands: (T, D) reference in force, NaN where there was none and in pauses. source: (T,)
    "human", "policy", "planner" or "". mode, epoch: (T,), -1 before the first. refused: per stream, ticks without a
    frame because of it. missing_chunks: acknowledged chunks that the bag lacks. labels: of an expert that was asked at
    some of the ticks; None: there are none beside the bag.
    """

    name: str
    first_tick: int
    values: Mapping[str, npt.NDArray[Any]]
    has_frame: Booleans
    commands: Array
    source: npt.NDArray[np.str_]
    mode: Integers
    epoch: Integers
    refused: Mapping[str, int]
    missing_chunks: int
    labels: AskedLabels | None = None

    @property
    def has_command(self) -> Booleans:
        return np.asarray(np.isfinite(self.commands).all(axis=1), dtype=np.bool_)


@dataclass(frozen=True)
class Windows:
    """Training pairs of one episode: frames (N,) index into its ticks; actions (N, H, D) absolute; valid (N, H).

    Rows that are not valid repeat the last valid one: they are input to the network, never a target.
    """

    frames: Integers
    actions: Array
    valid: Booleans

    def chosen(self, ticks: Booleans) -> "Windows":
        """Those whose frame lies at a chosen tick; ticks (T,) of the episode."""
        kept = ticks[self.frames]
        return Windows(self.frames[kept], self.actions[kept], self.valid[kept])


def read_episode(
    path: Path, contract: Contract, streams: tuple[str, ...], n_obs_steps: int, episode: Episode | None = None
) -> EpisodeTicks:
    """Convert one bag. Only the topics of `streams` and the commands are decoded.

    BcError: the bag cannot be read, was recorded under a contract that means something else for these streams, holds
    another type on one of the topics, no observation at all, or stamps further apart than any recording lasts.
    """
    episode = episode or open_episode(path)
    if "contract" in episode.info:
        recorded = Contract.from_document(episode.info["contract"], f"{path}/episode.json")
        recorded.check_same(contract, f"episode '{path}'", f"contract '{contract.name}'", streams)
    types = {contract.observations[stream].topic: contract.observations[stream].type for stream in streams}
    episode.require_types(types | TIMELINE_TYPES)
    assembler = FrameAssembler(contract, streams, n_obs_steps, keep=None)
    by_topic: dict[str, list[str]] = {}
    for stream in streams:
        by_topic.setdefault(contract.observations[stream].topic, []).append(stream)
    commands: list[tuple[str, Any]] = []
    first, last = (0, ""), (-1, "")  # stamp, topic
    for topic, _, message in episode.messages([*by_topic, *TIMELINE_TOPICS]):
        if topic in TIMELINE_TOPICS:
            commands.append((topic, message))
        for stream in by_topic.get(topic, ()):
            stamp = stamp_ns(message)
            try:
                assembler.take(stream, message)
            except ObservationError as error:
                raise BcError(f"episode '{path}', message of {stamp / NANOSECONDS:.3f} s: {error}") from error
            at = (stamp, topic)
            first, last = (at, at) if not last[1] else (min(first, at), max(last, at))
    if not last[1]:
        raise BcError(
            f"episode '{path}' holds no message on {', '.join(by_topic)}: leave it out, or record these topics"
        )
    where = f"episode '{path}', stamps of '{first[1]}' to '{last[1]}',"
    ticks = contract.grid.ticks(first[0], last[0], where)
    timeline = read_timeline(commands, contract.groups, f"episode '{path}'")
    on_grid = _on_grid(path.name, contract, ticks, assembler, timeline, episode.pauses)
    return replace(on_grid, labels=read_labels(path, contract))


def _on_grid(
    name: str,
    contract: Contract,
    ticks: range,
    assembler: FrameAssembler,
    timeline: CommandTimeline,
    pauses: Sequence[tuple[int, int]],
) -> EpisodeTicks:
    values: dict[str, npt.NDArray[Any]] = {}
    has_frame = np.zeros(len(ticks), dtype=np.bool_)
    refused: Counter[str] = Counter()
    times = [contract.grid.time(tick) for tick in ticks]
    paused = np.array([any(begin <= time < end for begin, end in pauses) for time in times], dtype=np.bool_)
    for index, tick in enumerate(ticks):
        if paused[index]:
            continue
        try:
            frame = assembler.frame(tick)
        except ObservationError as error:
            refused[error.stream] += 1
            continue
        has_frame[index] = True
        for stream, value in frame.values.items():
            if stream not in values:
                values[stream] = np.zeros((len(ticks), *value.shape), dtype=value.dtype)
            values[stream][index] = value
    commands = [timeline.at(time) for time in times]
    empty = np.full(contract.width, np.nan)
    rows = [empty if c.row is None or paused[index] else c.row for index, c in enumerate(commands)]
    return EpisodeTicks(
        name=name,
        first_tick=ticks.start,
        values=values,
        has_frame=has_frame,
        commands=np.array(rows).reshape(-1, contract.width),
        source=np.array([command.source for command in commands], dtype=np.str_),
        mode=np.array([command.mode for command in commands], dtype=np.int64),
        epoch=np.array([command.epoch for command in commands], dtype=np.int64),
        refused=dict(refused),
        missing_chunks=timeline.missing,
    )


def windows(episode: EpisodeTicks, horizon: int, sources: tuple[str, ...], pad_end: bool) -> Windows:
    """Pairs of every frame at which one of `sources` commanded with the H rows from there on.

    pad_end: where nobody commands any more until the end of the episode, the controller lets the reference stand: rows
    past the last command are targets too, and equal it.
    """
    count = len(episode.commands)
    commanded = episode.has_command
    last = _ends_of_runs(episode)
    chosen = np.flatnonzero(episode.has_frame & commanded & np.isin(episode.source, sources))
    rows = chosen[:, None] + np.arange(horizon)
    ends = last[chosen][:, None]
    valid = rows <= ends
    if pad_end and commanded.any():
        valid |= ends == np.flatnonzero(commanded)[-1]
    actions = episode.commands[np.minimum(np.minimum(rows, ends), count - 1)]
    return Windows(chosen.astype(np.int64), actions, valid)


def label_windows(episode: EpisodeTicks, horizon: int, pad_end: bool) -> Windows:
    """Pairs of every labelled frame with the first H rows of its label; rows that the label lacks are not valid.

    pad_end: as in `windows`: after the expert has let go the reference stands, which is a target too.
    """
    labels = episode.labels
    width = episode.commands.shape[1]
    if labels is None or not len(labels):
        return Windows(np.empty(0, np.int64), np.empty((0, horizon, width)), np.empty((0, horizon), np.bool_))
    frames = labels.ticks - episode.first_tick
    inside = (frames >= 0) & (frames < len(episode.has_frame))
    inside[inside] &= episode.has_frame[frames[inside]]
    place = np.minimum(np.arange(horizon), labels.rows.shape[1] - 1)
    given = np.arange(horizon) < labels.rows.shape[1]
    valid = (labels.valid | pad_end)[inside][:, place] & given
    return Windows(frames[inside], labels.rows[inside][:, place], valid)


def labels_by_tick(episode: EpisodeTicks) -> tuple[npt.NDArray[np.float32], Integers] | None:
    """Labels on the episode's grid: (T, L, D), zero where there is none, and how many of the L rows count, (T,)."""
    count, labels = len(episode.commands), episode.labels
    if labels is None:
        return None
    rows = np.zeros(count, dtype=np.int64)
    found = np.zeros((count, *labels.rows.shape[1:]), dtype=np.float32)
    at = labels.ticks - episode.first_tick
    inside = (at >= 0) & (at < count)
    found[at[inside]], rows[at[inside]] = labels.rows[inside], labels.valid[inside].sum(axis=1)
    return found, rows


def without_commands(episode: EpisodeTicks) -> EpisodeTicks:
    """The same frames and labels, but nobody's commands: for an episode that is not to be imitated itself."""
    return replace(episode, source=np.full_like(episode.source, ""))


def _ends_of_runs(episode: EpisodeTicks) -> Integers:
    """For every tick the last tick of its run: commanded without a gap by one source in one epoch, shape (T,)."""
    commanded = episode.has_command
    joined = commanded[1:] & commanded[:-1]
    joined &= (episode.source[1:] == episode.source[:-1]) & (episode.epoch[1:] == episode.epoch[:-1])
    last = np.arange(len(commanded), dtype=np.int64)
    for index in range(len(joined) - 1, -1, -1):
        if joined[index]:
            last[index] = last[index + 1]
    return last
