"""Which command was in force when, rebuilt from a recording: chunks, acknowledgements and control modes.

The last chunk seen is not what moved the robot: it may have been refused, late, or overtaken by a change of mode. What
counts is the controller's own account (docs/protocol.md, "Action chunk" and "Modes").
"""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from bc_core.chunks import ActionChunk, ActionGroup, Array, Space
from bc_core.errors import BcError
from bc_core.fields import stamp_ns, time_ns

SOURCES = ("policy", "human", "planner")
COMMAND_TOPICS = tuple(f"command/{source}" for source in SOURCES)
ACK_TOPIC = "controller/ack"
MODE_TOPIC = "controller/mode"
TIMELINE_TYPES = {
    **dict.fromkeys(COMMAND_TOPICS, "bc_msgs/msg/ActionChunk"),
    ACK_TOPIC: "bc_msgs/msg/ChunkAck",
    MODE_TOPIC: "bc_msgs/msg/ControlMode",
}
TIMELINE_TOPICS = tuple(TIMELINE_TYPES)
ChunkKey = tuple[str, int, int]
_SPACES = frozenset(map(int, Space))
_IN_FORCE = 1  # bc_msgs/ChunkAck.IN_FORCE


@dataclass(frozen=True)
class Command:
    """What the controller followed at a time. row: shape (D,), None where no chunk had a row to follow.

    source: "policy", "human" or "planner", empty without a chunk. mode, epoch: of controller/mode; -1 before the first.
    """

    row: Array | None
    source: str
    mode: int
    epoch: int


@dataclass(frozen=True)
class _Event:
    """From time_ns on: the chunk of `source` in force (None: none), in this mode and epoch."""

    time_ns: int
    chunk: ActionChunk | None
    source: str
    mode: int
    epoch: int


class CommandTimeline:
    """The commands of one recording; `missing` counts acknowledged chunks that the recording lacks."""

    def __init__(self, events: list[_Event], missing: int) -> None:
        self._events = events
        self._times = [event.time_ns for event in events]
        self.missing = missing

    def at(self, time: int) -> Command:
        """The command at a time [ns]: a chunk that takes effect just then counts, one that has ended does not."""
        place = bisect_right(self._times, time) - 1
        if place < 0:
            return Command(None, "", -1, -1)
        event = self._events[place]
        if event.chunk is None or time > event.chunk.end_ns:
            return Command(None, "", event.mode, event.epoch)
        return Command(event.chunk.sample(time), event.source, event.mode, event.epoch)


def read_timeline(messages: Iterable[tuple[str, Any]], groups: tuple[ActionGroup, ...], where: str) -> CommandTimeline:
    """Build the timeline from (topic, message) pairs of TIMELINE_TOPICS, in any order; other topics are ignored.

    groups: the contract's; BcError if a chunk that was in force has another layout, or if a message lacks a field. An
    acknowledged chunk that is missing leaves its time without a command, rather than with the command of the chunk
    before.
    """
    try:
        return _timeline(messages, groups, where)
    except AttributeError as error:  # a bag brings its own definitions of our types
        raise BcError(
            f"{where}: a message is not as bc_msgs defines it ({error}): read it with the version that recorded it"
        ) from error


def _timeline(messages: Iterable[tuple[str, Any]], groups: tuple[ActionGroup, ...], where: str) -> CommandTimeline:
    chunks: dict[ChunkKey, Any] = {}
    acks, modes = [], []
    for topic, message in messages:
        if topic in COMMAND_TOPICS:
            chunks[chunk_key(topic, message)] = message
        elif topic == ACK_TOPIC and message.verdict == _IN_FORCE:
            acks.append(message)
        elif topic == MODE_TOPIC:
            modes.append(message)
    missing = 0
    # at one time a change of mode comes first: the chunk that causes it takes effect in the new epoch
    changes: list[tuple[int, int, Any]] = [(stamp_ns(mode), 0, mode) for mode in modes]
    changes += [(time_ns(ack.effective), 1, ack) for ack in acks]
    events: list[_Event] = []
    mode, epoch = -1, -1
    for time, is_ack, message in sorted(changes, key=lambda change: change[:2]):
        if not is_ack:
            mode, epoch = int(message.mode), int(message.epoch)
            events.append(_Event(time, None, "", mode, epoch))
            continue
        found = chunks.get(ack_key(message))
        chunk = None if found is None else chunk_from_message(found)
        if chunk is not None and chunk.groups != groups:
            raise BcError(
                f"{where}: chunk {chunk.sequence} of '{chunk.producer}' commands {_describe(chunk.groups)}, "
                f"the contract {_describe(groups)}: convert it with the contract that it was recorded with"
            )
        missing += chunk is None
        events.append(_Event(time, chunk, message.source if chunk else "", mode, epoch))
    return CommandTimeline(events, missing)


def chunk_key(topic: str, message: Any) -> ChunkKey:
    """What tells a chunk from all others: source, producer_id, sequence."""
    return topic.removeprefix("command/"), int(message.producer_id), int(message.sequence)


def ack_key(ack: Any) -> ChunkKey:
    """The `chunk_key` of the chunk that an acknowledgement is about."""
    return ack.source, int(ack.producer_id), int(ack.sequence)


def chunk_from_message(message: Any) -> ActionChunk | None:
    """An ActionChunk message as the core's chunk; None where no controller takes it: it has no whole rows of finite
    numbers as wide as its groups, a group of no known space, or no time between rows.
    """
    actions = np.asarray(message.actions, dtype=np.float64)
    if message.horizon < 1 or actions.size == 0 or actions.size % message.horizon or not np.isfinite(actions).all():
        return None
    if sum(int(group.width) for group in message.groups) * message.horizon != actions.size or time_ns(message.dt) <= 0:
        return None
    if any(group.space not in _SPACES for group in message.groups):
        return None
    return ActionChunk(
        stamp_ns=stamp_ns(message),
        dt_ns=time_ns(message.dt),
        groups=tuple(
            ActionGroup(g.name, Space(g.space), tuple(g.names), int(g.offset), int(g.width), g.tip, g.frame_id)
            for g in message.groups
        ),
        actions=actions.reshape(int(message.horizon), -1),
        producer=message.producer,
        producer_id=int(message.producer_id),
        sequence=int(message.sequence),
        mode_epoch=int(message.mode_epoch),
        frozen=int(message.frozen),
        release=bool(message.release),
    )


def _describe(groups: tuple[ActionGroup, ...]) -> str:
    return ", ".join(
        f"{group.name} ({group.space.name.lower()}: {', '.join(group.names) or group.tip})" for group in groups
    )
