"""Chunks that the controller acknowledged and that never came to the recorder. No ROS.

A publisher that the recorder has not found yet sends to others only, and leaves no gap in the numbers that come later
(bc_teleop.sequence_audit). Of chunks the controller tells: it acknowledges each that it received.
"""

from collections import Counter
from typing import Any

from bc_core.commands import ACK_TOPIC, COMMAND_TOPICS, TIMELINE_TYPES
from bc_core.grid import NANOSECONDS
from bc_core.message_types import UNDECODABLE, installed_types

PATIENCE_NS = NANOSECONDS  # a chunk that was dropped on the way is sent again, after its acknowledgement
KEPT = 1024  # chunks remembered; acknowledgements follow theirs within a chunk's length

Key = tuple[str, int, int]  # topic, producer_id, sequence


class ChunkAudit:
    """Pairs acknowledgements with chunks, in whichever order they come."""

    def __init__(self) -> None:
        self._came: dict[Key, None] = {}
        self._awaited: dict[Key, int] = {}  # since when

    def begin(self) -> None:
        """Count from here on."""
        self._awaited.clear()

    def look(self, topic: str, received_ns: int, data: bytes) -> None:
        """Take note of a serialized message; of other topics than commands and acknowledgements nothing is noted."""
        if topic != ACK_TOPIC and topic not in COMMAND_TOPICS:
            return
        try:
            message: Any = installed_types().deserialize_cdr(data, TIMELINE_TYPES[topic])
        except UNDECODABLE:
            return  # it is recorded as it came, and whoever reads the bag is told
        if topic != ACK_TOPIC:
            key = (topic, int(message.producer_id), int(message.sequence))
            self._came[key] = None
            self._awaited.pop(key, None)
            if len(self._came) > KEPT:
                del self._came[next(iter(self._came))]
            return
        key = (f"command/{message.source}", int(message.producer_id), int(message.sequence))
        if key not in self._came:
            self._awaited.setdefault(key, received_ns)

    def never_came(self, now_ns: int) -> Counter[str]:
        """Per topic, chunks whose acknowledgement is PATIENCE_NS old; each is told once."""
        overdue = [key for key, since_ns in self._awaited.items() if now_ns - since_ns > PATIENCE_NS]
        for key in overdue:
            del self._awaited[key]
            self._came[key] = None  # a further verdict on it is no further loss
        return Counter(topic for topic, _, _ in overdue)
