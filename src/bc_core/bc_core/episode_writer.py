"""Episodes on disk, written: a rosbag2 directory with episode.json beside the bag (read: bc_core.bags).

    topics = recorded_topics(contract)
    with EpisodeWriter(next_episode(directory), topics, contract.document, now_ns, task="pick", seed=3) as writer:
        writer.write("joint_states", received_ns, cdr_bytes)
        writer.close("success", "task success", now_ns)

Nothing here reads a clock. Every `flush()` (the recorder: twice a second) puts all messages so far and the account of
them on disk, so that a killed recorder loses less than one period.
"""

import json
import os
import re
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from bc_core.account import INFO_FILE
from bc_core.bag_storage import NO_ROOM, BagStorage
from bc_core.contract import Contract, RecordedTopic
from bc_core.errors import BcError
from bc_core.message_types import definition, installed_types

OUTCOMES = ("unlabelled", "success", "failure", "aborted")
"""Index: constants of bc_msgs/EpisodeOutcome."""

_RESERVE_FILE = ".reserve"
_RESERVE_BYTES = 1 << 20
_EPISODE_NAME = re.compile(r"episode_(\d{6,})")


class EpisodeExistsError(BcError):
    """Something is at the path already: an episode is never overwritten."""


class RecordingError(BcError):
    """The episode had to end here (disk full, disk failing). What was recorded before is kept."""


def recorded_topics(contract: Contract) -> tuple[RecordedTopic, ...]:
    """Every topic that a bag of this contract holds: observations first, each topic once."""
    topics = {o.topic: RecordedTopic(o.topic, o.type, latched=False) for o in contract.observations.values()}
    for entry in contract.record:
        topics.setdefault(entry.topic, entry)
    return tuple(topics.values())


def next_episode(directory: Path) -> Path:
    """Path of the next episode in a directory: one above the highest number there is. Creates nothing."""
    names = (path.name for path in directory.iterdir()) if directory.is_dir() else ()
    numbers = [int(match[1]) for name in names if (match := _EPISODE_NAME.fullmatch(name))]
    return directory / f"episode_{max(numbers, default=-1) + 1:06d}"


def bag_metadata(info: Mapping[str, Any]) -> dict[str, str]:
    """What metadata.yaml says about an episode (strings only, by rosbag2's format), out of episode.json."""
    texts = {key: str(info.get(key, "")) for key in ("episode", "task", "operator", "seed", "outcome", "reason")}
    documents = {key: json.dumps(info.get(key, {})) for key in ("contract", "metadata", "provenance")}
    return texts | documents


class EpisodeWriter:
    """One episode being written to `path`, which must not exist yet.

    topics: what is recorded, by the contract's relative names. namespace: the robot's; names in the bag are absolute.
    recorded_names: name in the bag where it is not simply namespace + name (remapped topics).
    contract: its document; embedded. started_ns: time of the start on the ROS clock.
    provenance: what the data came from and with (software versions, gains, calibration), embedded as it is.
    compression: "none" or "zstd".

    Raises BcError (type not installed), EpisodeExistsError and RecordingError (no room).
    """

    def __init__(
        self,
        path: Path,
        topics: Iterable[RecordedTopic],
        contract: Mapping[str, Any],
        started_ns: int,
        *,
        task: str = "",
        seed: int = 0,
        operator: str = "",
        metadata: Mapping[str, Any] | None = None,
        provenance: Mapping[str, Any] | None = None,
        namespace: str = "/",
        recorded_names: Mapping[str, str] | None = None,
        compression: str = "none",
    ) -> None:
        self.path = path
        self.closed = False
        self._topics = {topic.topic: topic for topic in topics}
        self._received = dict.fromkeys(self._topics, 0)
        self._lost = dict.fromkeys(self._topics, 0)
        absolute = namespace.rstrip("/")
        self._names = {name: f"{absolute}/{name}" if name[0] != "/" else name for name in self._topics}
        self._names.update(recorded_names or {})
        self._info: dict[str, Any] = {
            "episode": path.name,
            "state": "recording",
            "task": task,
            "seed": seed,
            "operator": operator,
            "outcome": "unlabelled",
            "reason": "",
            "started_ns": started_ns,
            "ended_ns": None,
            "irregularities": [],
            "pauses": [],
            "metadata": dict(metadata or {}),
            "provenance": dict(provenance or {}),
            "contract": dict(contract),
        }
        for topic in self._topics.values():
            definition(topic.type)
        if path.exists():
            raise EpisodeExistsError(f"{path} exists already: an episode is never overwritten; name another directory")
        self._storage = self._create(compression)

    @property
    def info(self) -> dict[str, Any]:
        """What episode.json says at this moment."""
        written = self._storage.counts
        topics = {
            name: {
                "recorded_name": self._names[name],
                "type": topic.type,
                "received": self._received[name],
                "written": written[self._names[name]],
                "lost": self._lost[name],
            }
            for name, topic in self._topics.items()
        }
        return {**self._info, "topics": topics}

    def write(self, name: str, received_ns: int, data: bytes | memoryview) -> None:
        """Append a message as it was received (CDR). RecordingError: the disk took no more; the episode is over."""
        self._received[name] += 1
        try:
            self._storage.write(self._names[name], received_ns, data)
        except OSError as error:
            self._lost[name] += 1
            raise self._end_early(error, received_ns) from error

    def write_message(self, name: str, received_ns: int, msg: object) -> None:
        """Append a message made of bc_core.message_types.require_type's classes."""
        self.write(name, received_ns, installed_types().serialize_cdr(msg, self._topics[name].type))

    def count_lost(self, name: str, messages: int) -> None:
        """Take note of messages that never arrived."""
        self._lost[name] += messages

    def note(self, irregularity: str) -> None:
        """Take note, once, of something that whoever uses the episode should know."""
        if irregularity not in self._info["irregularities"]:
            self._info["irregularities"].append(irregularity)

    def pause(self, now_ns: int) -> None:
        """From now on observations are left out by intention."""
        self._info["pauses"].append([now_ns, None])

    def resume(self, now_ns: int) -> None:
        """The pause under way is over."""
        self._info["pauses"][-1][1] = now_ns

    def flush(self, now_ns: int) -> None:
        """Put everything so far on disk. RecordingError as in write."""
        try:
            self._storage.checkpoint()
            self._save_info()
        except OSError as error:
            raise self._end_early(error, now_ns) from error

    def close(self, outcome: str, reason: str, ended_ns: int) -> None:
        """End the episode: index, metadata.yaml and episode.json are complete after it. RecordingError as in write."""
        if outcome not in OUTCOMES:
            raise BcError(f"unknown outcome '{outcome}': use one of {', '.join(OUTCOMES)}")
        try:
            self._storage.checkpoint()
            self._finish("complete", outcome, reason, ended_ns)
        except OSError as error:
            raise self._end_early(error, ended_ns) from error

    def discard(self) -> None:
        """End the episode and delete it."""
        if not self.closed:
            self.closed = True
            self._storage.abandon()
        shutil.rmtree(self.path)

    def __enter__(self) -> "EpisodeWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """An episode left open is kept, as interrupted at its last flush; the next reader is told."""
        if not self.closed:
            self.closed = True
            self._storage.abandon()

    def _create(self, compression: str) -> BagStorage:
        storage: BagStorage | None = None
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            storage = BagStorage(self.path, compression)
            # Room to close the bag properly when the disk is full: given back then.
            with (self.path / _RESERVE_FILE).open("wb") as reserve:
                os.posix_fallocate(reserve.fileno(), 0, _RESERVE_BYTES)
            for name, topic in self._topics.items():
                storage.add_topic(self._names[name], topic.type, topic.latched)
            self._storage = storage
            storage.checkpoint()
            self._save_info()
        except FileExistsError as error:  # another recorder was quicker
            raise EpisodeExistsError(f"{self.path} exists already: an episode is never overwritten") from error
        except OSError as error:
            if storage is not None:
                storage.abandon()
                shutil.rmtree(self.path)
            remedy = "free space" if error.errno in NO_ROOM else "make it writable"
            raise RecordingError(
                f"cannot record to {self.path}: {error.strerror}: {remedy}, or choose another directory"
            ) from error
        return storage

    def _finish(self, state: str, outcome: str, reason: str, ended_ns: int) -> None:
        self._info.update(state=state, outcome=outcome, reason=reason, ended_ns=ended_ns)
        if self._info["pauses"] and self._info["pauses"][-1][1] is None:
            self.resume(ended_ns)
        (self.path / _RESERVE_FILE).unlink(missing_ok=True)
        self._storage.close(bag_metadata(self._info))
        self._save_info()
        self.closed = True

    def _end_early(self, cause: OSError, now_ns: int) -> RecordingError:
        """Keep what is on disk, account for the rest, and say so."""
        reason = f"{cause.strerror} while recording"
        text = f"recording to {self.path} ended: {cause.strerror}"
        (self.path / _RESERVE_FILE).unlink(missing_ok=True)
        self.closed = True
        try:
            dropped = self._storage.roll_back()
            for name, recorded_name in self._names.items():
                self._lost[name] += dropped[recorded_name]
            self.note(f"{reason}: {sum(dropped.values())} messages dropped")
            self._finish("interrupted", "aborted", reason, now_ns)
        except OSError as second:
            self._storage.abandon()
            return RecordingError(
                f"{text}, and it could not be closed ({second.strerror}): free space; what is whole "
                "in it can still be read"
            )
        return RecordingError(f"{text}: free space; the episode is kept, {sum(dropped.values())} messages were dropped")

    def _save_info(self) -> None:
        """Replace episode.json in one step: a reader finds the old or the new one, never half of one."""
        file = self.path / INFO_FILE
        temporary = file.with_suffix(".json.tmp")
        temporary.write_text(json.dumps(self.info, indent=1) + "\n")
        temporary.replace(file)
