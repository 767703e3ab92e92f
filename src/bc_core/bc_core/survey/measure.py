"""One episode measured: its streams' rhythm, its commands, its pictures."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from zlib import crc32

import cv2
import numpy as np
import numpy.typing as npt

from bc_core.bags import open_episode
from bc_core.cdr import AFTER_STAMP, header_stamp
from bc_core.chunks import Array
from bc_core.contract import Contract
from bc_core.dataset import EpisodeTicks, read_episode
from bc_core.episode import Episode
from bc_core.errors import BcError
from bc_core.fields import column_names, extract
from bc_core.grid import NANOSECONDS
from bc_core.idle import IdleRule, idle_ticks
from bc_core.images import data_uri

_STATUS_TOPIC, _STATUS_TYPE = "controller/status", "bc_msgs/msg/ControllerStatus"
_LIMITS = ("values_clamped", "velocity_limited", "torque_limited", "torque_rate_limited")
_THUMBNAIL = 96  # pixels wide
_QUALITY = 60
_SILENT_PERIODS = 3  # a stream may miss two samples before it counts as silent


@dataclass(frozen=True)
class StreamMeasure:
    """One observation topic. rate [Hz]: by the median distance of stamps. jitter [s]: p99 of the deviation from it.

    longest_gap [s] between stamps, and from the last to the end; gap_limit [s]: what the contract allows. latency [s]:
    p99 of reception less stamp. age [s]: p99 of tick less newest stamp, over the grid's ticks. backward: stamps that
    went back. repeated: messages whose content equals the one before; frozen [s]: the longest stretch of such. camera:
    it holds images.
    """

    count: int
    nominal_hz: float
    rate: float
    jitter: float
    longest_gap: float
    latency: float
    backward: int
    repeated: int
    frozen: float
    age: float = 0.0
    gap_limit: float = float("inf")
    camera: bool = False


@dataclass(frozen=True)
class EpisodeMeasure:
    """One episode. error: why it could not be measured; then only name and path mean anything.

    ticks, frames, commanded, human, idle: counts of ticks; refused: frames refused by stream. jerk: RMS of the
    command's third derivative over the joints [rad/s^3]. limited: how often the controller held values back, by kind.
    states: (T, S) numbers at ticks, in the order of `columns`; commands: (T, D). thumbnails: first, middle and last
    picture.
    """

    name: str
    path: str
    error: str = ""
    outcome: str = "unlabelled"
    task: str = ""
    operator: str = ""
    seed: int = 0
    seconds: float = 0.0
    lost: int = 0
    damage: str = ""
    notes: tuple[str, ...] = ()
    streams: dict[str, StreamMeasure] = field(default_factory=dict)
    ticks: int = 0
    frames: int = 0
    commanded: int = 0
    human: int = 0
    idle: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    jerk: float | None = None
    limited: dict[str, int] = field(default_factory=dict)
    columns: tuple[str, ...] = ()
    states: Array = field(default_factory=lambda: np.empty((0, 0)))
    commands: Array = field(default_factory=lambda: np.empty((0, 0)))
    thumbnails: tuple[str, ...] = ()


def measure(path: Path, contract: Contract | None = None) -> EpisodeMeasure:
    """Measure one bag. contract: None: the bag's own. What makes it useless is told in `error`, not raised."""
    try:
        return _measure(path, contract)
    except BcError as error:
        return EpisodeMeasure(path.name, str(path), error=str(error))


def _measure(path: Path, contract: Contract | None) -> EpisodeMeasure:
    episode = open_episode(path)
    if contract is None:
        if "contract" not in episode.info:
            raise BcError(f"{path} holds no contract: give one (--contract)")
        contract = Contract.from_document(episode.info["contract"], f"{path}/episode.json")
    numeric = tuple(name for name, observation in contract.observations.items() if not observation.is_image)
    ticks = read_episode(path, contract, numeric, 1, episode)
    values = [ticks.values[stream][ticks.has_frame, -1] for stream in numeric] if ticks.values else []
    info = episode.info
    return EpisodeMeasure(
        name=episode.name,
        path=str(path),
        outcome=str(info.get("outcome", "unlabelled")),
        task=str(info.get("task", "")),
        operator=str(info.get("operator", "")),
        seed=int(info.get("seed", 0)),
        seconds=episode.seconds,
        lost=episode.lost_total,
        damage=episode.damage,
        notes=tuple(info.get("irregularities", ())),
        streams=_streams(episode, contract),
        ticks=len(ticks.has_frame),
        frames=int(ticks.has_frame.sum()),
        commanded=int(ticks.has_command.sum()),
        human=int((ticks.has_command & (ticks.source == "human")).sum()),
        idle=int(idle_ticks(ticks, contract.groups, contract.grid.dt, IdleRule()).sum()),
        refused=dict(ticks.refused),
        jerk=_jerk(ticks, contract),
        limited=_limited(episode),
        columns=tuple(
            name
            for stream, value in zip(numeric, values, strict=bool(values))
            for name in column_names(contract.observations[stream], value.shape[1])
        ),
        states=np.concatenate(values, axis=1) if values else np.empty((0, 0)),
        commands=ticks.commands[ticks.has_command],
        thumbnails=_thumbnails(episode, contract),
    )


def _streams(episode: Episode, contract: Contract) -> dict[str, StreamMeasure]:
    rates = {observation.topic: observation.rate for observation in contract.observations.values()}
    stamps: dict[str, list[int]] = {topic: [] for topic in rates}
    latencies: dict[str, list[int]] = {topic: [] for topic in rates}
    sums: dict[str, list[int]] = {topic: [] for topic in rates}
    for message in episode.raw_messages(rates):
        try:
            stamp = header_stamp(message.data)
        except ValueError as error:
            raise BcError(
                f"{episode.path}: the message on '{message.topic}' received at {message.received_ns} ns is broken "
                f"({error}): leave this episode out"
            ) from error
        stamps[message.topic].append(stamp)
        latencies[message.topic].append(message.received_ns - stamp)
        sums[message.topic].append(crc32(message.data[AFTER_STAMP:]))
    begin, _ = max(((times[0], topic) for topic, times in stamps.items() if times), default=(0, ""))
    end, topic = max(((times[-1], topic) for topic, times in stamps.items() if times), default=(0, ""))
    grid = contract.grid.ticks(begin, end, f"episode '{episode.path}', to the last stamp of '{topic}',")
    ticks = np.array([contract.grid.time(tick) for tick in grid], dtype=np.int64)
    found = {}
    for observation in contract.observations.values():
        topic = observation.topic
        stream = _stream(observation.rate, stamps[topic], latencies[topic], sums[topic])
        tail = (end - stamps[topic][-1]) / NANOSECONDS if stamps[topic] else 0.0
        found[topic] = replace(
            stream,
            longest_gap=max(stream.longest_gap, tail),
            age=_age(stamps[topic], ticks),
            gap_limit=max(observation.max_age, _SILENT_PERIODS / observation.rate),
            camera=observation.is_image,
        )
    return found


def _stream(nominal_hz: float, stamps: list[int], latencies: list[int], sums: list[int]) -> StreamMeasure:
    steps = np.diff(np.array(stamps, dtype=np.int64)) / NANOSECONDS
    if not len(steps):
        return StreamMeasure(len(stamps), nominal_hz, 0.0, 0.0, 0.0, 0.0, 0, 0, 0.0)
    median = float(np.median(steps))
    same = np.diff(np.array(sums, dtype=np.int64)) == 0
    return StreamMeasure(
        count=len(stamps),
        nominal_hz=nominal_hz,
        rate=1.0 / median if median > 0 else 0.0,
        jitter=float(np.quantile(np.abs(steps - median), 0.99)),
        longest_gap=float(steps.max()),
        latency=float(np.quantile(latencies, 0.99)) / NANOSECONDS,
        backward=int((steps < 0).sum()),
        repeated=int(same.sum()),
        frozen=_longest_run(same, steps),
    )


def _age(stamps: list[int], ticks: npt.NDArray[np.int64]) -> float:
    """How old the newest sample is at ticks [ns], p99 [s]."""
    known = np.sort(np.array(stamps, dtype=np.int64))
    newest = np.searchsorted(known, ticks, side="right") - 1
    ages = (ticks - known[newest])[newest >= 0] if len(known) else ticks[:0]
    return float(np.quantile(ages, 0.99)) / NANOSECONDS if len(ages) else 0.0


def _longest_run(same: npt.NDArray[np.bool_], steps: npt.NDArray[np.float64]) -> float:
    """Longest time over which one content stood [s]."""
    longest = run = 0.0
    for is_same, step in zip(same.tolist(), steps.tolist(), strict=True):
        run = run + step if is_same else 0.0
        longest = max(longest, run)
    return longest


def _jerk(ticks: EpisodeTicks, contract: Contract) -> float | None:
    """Over stretches of four ticks and more that were commanded; None: there are none."""
    joints = [k for group in contract.groups if group.names for k in range(group.offset, group.offset + group.width)]
    third = np.diff(ticks.commands[:, joints], n=3, axis=0) / contract.grid.dt**3
    known = np.isfinite(third).all(axis=1) if joints else np.empty(0, dtype=np.bool_)
    return float(np.sqrt(np.mean(np.sum(third[known] ** 2, axis=1)))) if known.any() else None


def _limited(episode: Episode) -> dict[str, int]:
    """How much the controller's counters grew from the first status of the bag to the last."""
    episode.require_types({_STATUS_TOPIC: _STATUS_TYPE})
    statuses = [message.msg for message in episode.messages([_STATUS_TOPIC])]
    if len(statuses) < 2:
        return {}
    growth = {name: int(getattr(statuses[-1], name)) - int(getattr(statuses[0], name)) for name in _LIMITS}
    return {name: value for name, value in growth.items() if value > 0}


def _thumbnails(episode: Episode, contract: Contract) -> tuple[str, ...]:
    """First, middle and last image of the first camera as data URIs; only these three are decoded."""
    camera = next((o for o in contract.observations.values() if o.is_picture), None)
    count = episode.topics[camera.topic].count if camera and camera.topic in episode.topics else 0
    if camera is None or not count:
        return ()
    wanted = {0, count // 2, count - 1}
    found = []
    for index, message in enumerate(episode.raw_messages([camera.topic])):
        if index in wanted:
            found.append(_as_uri(extract(camera, episode.decoded(message).msg), camera.encoding))
    return tuple(found)


def _as_uri(image: npt.NDArray[np.uint8], encoding: str) -> str:
    height = max(1, round(image.shape[0] * _THUMBNAIL / image.shape[1]))
    small = cv2.resize(image, (_THUMBNAIL, height), interpolation=cv2.INTER_AREA)
    return data_uri(np.asarray(small, np.uint8), encoding, _QUALITY)
