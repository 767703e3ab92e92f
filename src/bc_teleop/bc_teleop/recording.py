"""The episode recorder without ROS: what is recorded when, what is refused, what is lost. Clocks are arguments."""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bc_core.contract import Contract
from bc_core.episode_writer import (
    OUTCOMES,
    EpisodeExistsError,
    EpisodeWriter,
    RecordingError,
    next_episode,
    recorded_topics,
)
from bc_core.errors import BcError
from bc_core.grid import NANOSECONDS
from bc_core.message_types import definition
from bc_teleop.episode_request import EpisodeRequest
from bc_teleop.recorded_stream import RecordedStream, recorded_streams

OUTCOME_TOPIC = "episode/outcome"
_LOST = "are lost by now: relieve the machine, or let its publisher keep more (docs/recording.md)"
_LOSS_TOLD_NS = 5 * NANOSECONDS  # a loss is a warning for so long
_RIVALS = 100  # recorders that may take a number away before this one gives up


@dataclass(frozen=True)
class RecorderSettings:
    """directory: of the episodes. compression: "none" or "zstd". min_free_bytes: less on the disk ends an episode.

    optional: observation streams that an episode may lack. longest_episode [s]: an episode that would run into
    min_free_bytes within this time, at the present rate of data, is refused. provenance: stored with every episode.
    """

    directory: Path
    compression: str = "none"
    min_free_bytes: int = 0
    optional: frozenset[str] = frozenset()
    longest_episode: float = 0.0
    provenance: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Ended:
    """An episode that is over; path is None where it was discarded."""

    path: Path | None
    written: int
    lost: int


class EpisodeRecording:
    """Records what it is given between `start` and `stop`; BcError from either says why not.

    recorded_names: names that topics have on the wire, by the contract's names, where they are not simply "/" + name.
    message: the last irregularity; empty: none.
    """

    def __init__(self, contract: Contract, settings: RecorderSettings) -> None:
        unknown = settings.optional - contract.observations.keys()
        if unknown:
            raise BcError(
                f"optional stream '{min(unknown)}' is not in contract '{contract.name}': "
                f"it has {', '.join(contract.observations)}"
            )
        self.contract = contract
        self.settings = settings
        self.streams = recorded_streams(contract, settings.optional)
        for stream in self.streams.values():
            definition(stream.type_name)  # refuses unknown types, and makes the first start as quick as any other
        self.message = ""
        self.recorded_names: dict[str, str] = {}
        self._writer: EpisodeWriter | None = None
        self._last: EpisodeWriter | None = None
        self._request = EpisodeRequest()
        self._started_ns = 0
        self._noted: set[str] = set()
        self._lost_ns: dict[str, int] = {}  # when a topic's newest loss was counted

    @property
    def is_recording(self) -> bool:
        return self._writer is not None

    @property
    def account(self) -> dict[str, Any]:
        """episode.json of the present or last episode; empty before the first."""
        return self._last.info if self._last is not None else {}

    @property
    def path(self) -> Path | None:
        """Directory of the present or last episode."""
        return self._last.path if self._last is not None else None

    @property
    def name(self) -> str:
        """Of the present or last episode; empty before the first."""
        return self._last.path.name if self._last is not None else ""

    @property
    def is_paused(self) -> bool:
        return self.is_recording and self._pauses[-1:] != [] and self._pauses[-1][1] is None

    @property
    def _pauses(self) -> list[list[int | None]]:
        pauses: list[list[int | None]] = self.account.get("pauses", [])
        return pauses

    def seconds(self, now_ns: int) -> float:
        """Recorded time, pauses excluded [s]."""
        end_ns = now_ns if self.is_recording else self.account.get("ended_ns") or self._started_ns
        paused_ns = sum((end_ns if end is None else end) - (start or 0) for start, end in self._pauses)
        return max(0, end_ns - self._started_ns - paused_ns) / NANOSECONDS

    def receive(self, name: str, received_ns: int, data: bytes) -> None:
        """A serialized message arrived. RecordingError: the disk took no more; the episode is over, and kept.

        In a pause observations are left out; commands, acknowledgements and modes are not, so that what was in force is
        known throughout.
        """
        stream = self.streams[name]
        stream.receive(received_ns, data)
        if self._writer is not None and not (stream.is_periodic and self.is_paused):
            with self._kept_on_failure() as writer:
                writer.write(name, received_ns, data)

    def count_lost(self, name: str, messages: int, now_ns: int) -> None:
        """Messages will never arrive."""
        if self._writer is not None and not (self.streams[name].is_periodic and self.is_paused):
            self._writer.count_lost(name, messages)
            self._lost_ns[name] = now_ns
            self.message = f"{messages} messages on '{name}' were lost before they reached the recorder"

    def note(self, irregularity: str, now_ns: int) -> None:
        """Keep with the episode, once, what is wrong while it is recorded, with the time."""
        if self._writer is not None and irregularity not in self._noted:
            self._noted.add(irregularity)
            self._writer.note(f"{irregularity} (at {now_ns / NANOSECONDS:.3f} s)")

    @property
    def required(self) -> list[str]:
        """Topics without which no episode starts."""
        return [stream.name for stream in self.streams.values() if stream.required]

    def absent(self, now_ns: int) -> list[RecordedStream]:
        """Required streams that do not come."""
        return [stream for stream in self.streams.values() if stream.required and not stream.is_alive(now_ns)]

    def incomplete(self, tick_ns: int) -> list[RecordedStream]:
        """Streams of the present episode whose samples up to a tick are not all here."""
        if not self.is_recording or self.is_paused:
            return []
        return [stream for stream in self.streams.values() if stream.required and not stream.is_complete(tick_ns)]

    def warnings(self, now_ns: int) -> list[str]:
        """What is wrong with the streams at this moment, and what this episode lost in the last seconds."""
        recent = [name for name, when_ns in self._lost_ns.items() if now_ns - when_ns < _LOSS_TOLD_NS]
        lost = [f"{self.account['topics'][name]['lost']} messages on '{name}' {_LOST}" for name in recent]
        return lost + [text for stream in self.streams.values() if (text := stream.warning(now_ns))]

    def start(self, request: EpisodeRequest, now_ns: int) -> Path:
        """Begin an episode. BcError: one is under way, a required stream is absent, no room, bad metadata."""
        if self._last is not None and self.is_recording:
            raise BcError(f"'{self._last.path.name}' is being recorded: stop it first (service episode/stop)")
        if absent := self.absent(now_ns):
            names = ", ".join(f"'{stream.name}'" for stream in absent)
            raise BcError(f"no data on {names}: start its source, or list the stream in parameter 'optional'")
        self._refuse_full_disk(now_ns)
        for stream in self.streams.values():
            stream.begin()
        writer = self._new_writer(request, now_ns)
        self._writer = self._last = writer
        self._request, self._started_ns, self.message = request, now_ns, ""
        self._noted, self._lost_ns = set(), {}
        with self._kept_on_failure():
            for stream in self.streams.values():
                if stream.latched and stream.newest:  # what was true before the start is true at the start
                    writer.write(stream.name, now_ns, stream.newest)
        return writer.path

    def pause(self, now_ns: int) -> None:
        """Leave out observations until `resume`. BcError: no episode is under way, or it is paused already."""
        if self._writer is None or self.is_paused:
            raise BcError("no episode is being recorded that could be paused: start one, or resume it first")
        self._writer.pause(now_ns)

    def resume(self, now_ns: int) -> None:
        """Go on after a pause. BcError: there is none."""
        if self._writer is None or not self.is_paused:
            raise BcError("no episode is paused: there is nothing to resume")
        self._writer.resume(now_ns)

    def rerecord(self, now_ns: int) -> Path:
        """Delete the episode under way and begin it anew, with the same task, operator, seed and metadata.

        BcError: none is under way, or as start; then the old one is deleted all the same.
        """
        if self._writer is None:
            raise BcError("no episode is being recorded that could be recorded again: start one (episode/start)")
        self.stop("aborted", "recorded again", now_ns, discard=True)
        return self.start(self._request, now_ns)

    def flush(self, now_ns: int) -> None:
        """Put everything on disk; to be called twice a second. RecordingError as in receive, also shortly before."""
        if self._writer is None:
            return
        self.message = next((text for s in self.streams.values() for text in s.irregularities(now_ns)), self.message)
        with self._kept_on_failure() as writer:
            writer.flush(now_ns)
            free = self.free_bytes()
            if free < self.settings.min_free_bytes:
                self._note_gaps(now_ns)
                writer.close("aborted", "disk almost full", now_ns)
                raise RecordingError(
                    f"recording to {writer.path} ended: {free} bytes are left on the disk, "
                    f"{self.settings.min_free_bytes} must stay free: free space; the episode is kept"
                )

    def stop(self, outcome: str, reason: str, now_ns: int, last_message: bytes = b"", discard: bool = False) -> Ended:
        """End the episode; `last_message` is written as the bag's last. BcError: none is under way, unknown outcome."""
        if self._writer is None:
            raise BcError("no episode is being recorded: start one first (service episode/start)")
        if outcome not in OUTCOMES:
            raise BcError(f"unknown outcome '{outcome}': use one of {', '.join(OUTCOMES)}")
        writer = self._writer
        if discard:
            self._writer, self._last, self._lost_ns = None, None, {}
            writer.discard()
            self.message = f"{writer.path.name} was discarded"
            return Ended(None, 0, 0)
        with self._kept_on_failure():
            self._note_gaps(now_ns)
            if last_message:
                writer.write(OUTCOME_TOPIC, now_ns, last_message)
            writer.close(outcome, reason, now_ns)
        self._writer = None
        topics = writer.info["topics"].values()
        return Ended(writer.path, sum(t["written"] for t in topics), sum(t["lost"] for t in topics))

    def free_bytes(self) -> int:
        """Room on the file system of the episodes."""
        existing = next(path for path in (self.settings.directory, *self.settings.directory.parents) if path.exists())
        return shutil.disk_usage(existing).free

    def seconds_left(self, now_ns: int) -> float | None:
        """Until the disk is full but for what must stay free, at the present rate of data [s]; None: nothing comes."""
        rate = sum(stream.rhythm.bytes_per_second(now_ns) for stream in self.streams.values())
        return max(0, self.free_bytes() - self.settings.min_free_bytes) / rate if rate else None

    def _new_writer(self, request: EpisodeRequest, now_ns: int) -> EpisodeWriter:
        metadata = request.parsed_metadata()
        for _ in range(_RIVALS):
            path = next_episode(self.settings.directory)
            try:
                return EpisodeWriter(
                    path,
                    recorded_topics(self.contract),
                    self.contract.document,
                    now_ns,
                    task=request.task,
                    seed=request.seed,
                    operator=request.operator,
                    metadata=metadata,
                    provenance=self.settings.provenance,
                    recorded_names=self.recorded_names,
                    compression=self.settings.compression,
                )
            except EpisodeExistsError:  # another recorder in this directory took the number just now
                continue
        raise BcError(f"{path} and others before it exist already: give every recorder a directory of its own")

    def _refuse_full_disk(self, now_ns: int) -> None:
        free = self.free_bytes()
        if free < self.settings.min_free_bytes:
            raise BcError(
                f"only {free} bytes are free at {self.settings.directory}, {self.settings.min_free_bytes} must stay "
                "free: free space, choose another directory, or lower parameter 'min_free_mb'"
            )
        left = self.seconds_left(now_ns)
        if left is not None and left < self.settings.longest_episode:
            raise BcError(
                f"the disk of {self.settings.directory} is full after {left:.0f} s at the present rate of data, an "
                f"episode may last {self.settings.longest_episode:g} s: free space, choose another directory, or lower "
                "parameter 'longest_episode'"
            )

    def _note_gaps(self, now_ns: int) -> None:
        assert self._writer is not None
        for stream in self.streams.values():
            for irregularity in stream.irregularities(now_ns):
                self._writer.note(irregularity)

    @contextmanager
    def _kept_on_failure(self) -> Iterator[EpisodeWriter]:
        """The writer; after a RecordingError it is closed, and its message stays to be told."""
        assert self._writer is not None
        try:
            yield self._writer
        except RecordingError as error:
            self._writer = None
            self.message = str(error)
            raise
