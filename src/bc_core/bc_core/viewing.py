"""An episode in Rerun: cameras, numbers, commands in force, chunks, acknowledgements and modes on one time line.

    view(open_episode(path), save=Path("episode.rrd"))   # or without `save`: in Rerun's viewer

Everything lies on the time line "time", at its own stamp.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bc_core.commands import ACK_TOPIC, COMMAND_TOPICS, MODE_TOPIC, TIMELINE_TOPICS, TIMELINE_TYPES, read_timeline
from bc_core.contract import Contract, Observation
from bc_core.episode import Episode
from bc_core.errors import BcError
from bc_core.fields import BlindObservationError, column_names, extract, stamp_ns
from bc_core.inspection import constant_name
from bc_core.optional import require

TIME = "time"
_IN_FORCE = ("IN_FORCE", "REFUSED")


def view(episode: Episode, contract: Contract | None = None, save: Path | None = None) -> None:
    """Show an episode, or write it to an .rrd file. contract: None: the episode's own.

    BcError: Rerun is not installed or does not start; the episode has no contract; a message does not fit it.
    """
    rerun = require("rerun", "rerun-sdk", "bcros view")
    contract = contract or _own_contract(episode)
    types = {observation.topic: observation.type for observation in contract.observations.values()}
    episode.require_types(types | TIMELINE_TYPES)
    recording = rerun.RecordingStream("bc_ros", recording_id=episode.name)
    try:
        if save is None:
            recording.spawn()
        else:
            save.parent.mkdir(parents=True, exist_ok=True)
            recording.save(str(save))
    except (OSError, RuntimeError) as error:
        raise BcError(f"Rerun does not open ({error}): write a file instead (--save FILE.rrd)") from error
    shown = _Shown(rerun, recording)
    recording.send_recording_name(episode.name)
    recording.send_blueprint(_blueprint(contract))
    shown.static("episode", rerun.TextDocument(_description(episode), media_type="text/markdown"))
    for observation in contract.observations.values():
        _show_observation(shown, episode, observation)
    _show_commands(shown, episode, contract)
    recording.flush()
    recording.disconnect()


class _Shown:
    """What is logged, each at its time."""

    def __init__(self, rerun: Any, recording: Any) -> None:
        self.rerun = rerun
        self._recording = recording

    def static(self, path: str, what: Any) -> None:
        self._recording.log(path, what, static=True)

    def at(self, time_ns: int, path: str, what: Any) -> None:
        self._recording.set_time(TIME, timestamp=np.datetime64(time_ns, "ns"))
        self._recording.log(path, what)

    def numbers(self, path: str, times_ns: Iterable[int], values: npt.NDArray[np.float64], names: list[str]) -> None:
        """values: (T, width), one line each."""
        self.static(path, self.rerun.SeriesLines(names=names))
        times = np.array(list(times_ns), dtype="datetime64[ns]")
        self._recording.send_columns(
            path,
            indexes=[self.rerun.TimeColumn(TIME, timestamp=times)],
            columns=self.rerun.Scalars.columns(scalars=values),
        )


def _own_contract(episode: Episode) -> Contract:
    if "contract" not in episode.info:
        raise BcError(f"{episode.path} holds no contract: give one (--contract)")
    return Contract.from_document(episode.info["contract"], f"{episode.path}/episode.json")


def _description(episode: Episode) -> str:
    info = episode.info
    keys = ("task", "operator", "seed", "outcome", "reason")
    lines = [f"# {episode.name}", *(f"* {key}: {info[key]}" for key in keys if info.get(key) not in (None, ""))]
    return "\n".join([*lines, *(f"* note: {note}" for note in info.get("irregularities", []))])


def _show_observation(shown: _Shown, episode: Episode, observation: Observation) -> None:
    times: list[int] = []
    values: list[npt.NDArray[np.float64]] = []
    for _, _, message in episode.messages([observation.topic]):
        time = stamp_ns(message)
        try:
            value = extract(observation, message)
        except BlindObservationError:  # nothing to show
            continue
        if observation.is_depth:
            shown.at(time, f"cameras/{observation.name}", shown.rerun.DepthImage(value[..., 0], meter=1.0))
        elif observation.is_image:
            order = "L" if observation.encoding == "mono8" else observation.encoding.removesuffix("8").upper()
            image = value[..., 0] if order == "L" else value
            shown.at(time, f"cameras/{observation.name}", shown.rerun.Image(image, color_model=order))
        else:
            times.append(time)
            values.append(value)
    if values:
        names = column_names(observation, len(values[0]))
        shown.numbers(f"observations/{observation.name}", times, np.stack(values), names)


def _show_commands(shown: _Shown, episode: Episode, contract: Contract) -> None:
    """The reference in force at every tick, and every chunk, acknowledgement and mode as it came."""
    found: list[tuple[str, Any]] = []
    for topic, _, message in episode.messages(TIMELINE_TOPICS):
        found.append((topic, message))
        if topic in COMMAND_TOPICS:
            _show_chunk(shown, topic, message)
        elif topic == ACK_TOPIC:
            _show_ack(shown, message)
        elif topic == MODE_TOPIC:
            shown.at(stamp_ns(message), "mode", shown.rerun.StateChange(state=constant_name(message, message.mode)))
    timeline = read_timeline(found, contract.groups, f"episode '{episode.path}'")
    ticks = contract.grid.ticks(episode.start_ns, episode.end_ns, f"episode '{episode.path}'")
    commands = [(contract.grid.time(tick), timeline.at(contract.grid.time(tick))) for tick in ticks]
    rows = [(time, command.row) for time, command in commands if command.row is not None]
    for group in contract.groups:
        if rows:
            columns = np.stack([row[group.offset : group.offset + group.width] for _, row in rows])
            names = list(group.names) or [f"{group.name}.{column}" for column in range(group.width)]
            shown.numbers(f"commands/{group.name}", (time for time, _ in rows), columns, names)
    source = None
    for time, command in commands:
        if command.source != source:
            source = command.source
            shown.at(time, "source", shown.rerun.StateChange(state=source or "nobody"))


def _show_chunk(shown: _Shown, topic: str, chunk: Any) -> None:
    width = len(chunk.actions) // max(1, chunk.horizon)
    text = f"{topic} {chunk.sequence} of '{chunk.producer}': {chunk.horizon} rows, {chunk.frozen} frozen"
    shown.at(stamp_ns(chunk), "chunks", shown.rerun.TextLog(text, level="DEBUG"))
    if len(chunk.actions) == chunk.horizon * width and width:
        rows = np.asarray(chunk.actions, dtype=np.float64).reshape(chunk.horizon, width)
        shown.at(stamp_ns(chunk), f"{topic}/rows", shown.rerun.Tensor(rows, dim_names=("row", "column")))


def _show_ack(shown: _Shown, ack: Any) -> None:
    time = stamp_ns(ack)
    if ack.verdict == ack.IN_FORCE:
        text, level = f"{ack.source} {ack.sequence} in force at row {ack.row:.2f}", "INFO"
        shown.at(time, "acks/raw_jump", shown.rerun.Scalars(float(ack.raw_jump)))
    else:
        reason = constant_name(ack, ack.reason, exclude=_IN_FORCE)
        text, level = f"{ack.source} {ack.sequence} refused: {reason} {ack.detail}".rstrip(), "WARN"
    shown.at(time, "acks", shown.rerun.TextLog(text, level=level))


def _blueprint(contract: Contract) -> Any:
    """Cameras beside numbers; who commanded, and what came of it, below."""
    parts = require("rerun.blueprint", "rerun-sdk", "bcros view")
    cameras = [
        parts.Spatial2DView(origin=f"cameras/{name}", name=name)
        for name, observation in contract.observations.items()
        if observation.is_image
    ]
    numbers = [
        parts.TimeSeriesView(origin=f"observations/{name}", name=name)
        for name, observation in contract.observations.items()
        if not observation.is_image
    ]
    commands = [parts.TimeSeriesView(origin=f"commands/{group.name}", name=group.name) for group in contract.groups]
    left = parts.Vertical(*cameras, parts.TextDocumentView(origin="episode", name="episode"))
    events = parts.Horizontal(
        parts.StateTimelineView(contents=["mode", "source"], name="mode, source"),
        parts.TimeSeriesView(origin="acks/raw_jump", name="raw jump"),
        parts.TextLogView(contents=["chunks", "acks"], name="chunks, acknowledgements"),
    )
    right = parts.Vertical(parts.Tabs(*commands, name="commands"), parts.Tabs(*numbers, name="observations"), events)
    return parts.Blueprint(parts.Horizontal(left, right, column_shares=[1, 2]))
