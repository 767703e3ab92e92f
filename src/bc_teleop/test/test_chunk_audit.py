"""Chunks that the controller received and the recorder did not."""

import pytest
from rclpy.serialization import serialize_message

from bc_msgs.msg import ActionChunk, ChunkAck
from bc_teleop.chunk_audit import KEPT, PATIENCE_NS, ChunkAudit

TOPIC = "command/human"


def chunk(sequence: int) -> tuple[str, int, bytes]:
    return TOPIC, sequence, serialize_message(ActionChunk(producer_id=7, sequence=sequence))


def ack(sequence: int, verdict: int = ChunkAck.IN_FORCE, producer_id: int = 7) -> tuple[str, int, bytes]:
    message = ChunkAck(source="human", producer_id=producer_id, sequence=sequence, verdict=verdict)
    return "controller/ack", sequence, serialize_message(message)


def told(audit: ChunkAudit, since: int) -> dict[str, int]:
    return dict(audit.never_came(since + PATIENCE_NS + 1))


@pytest.mark.parametrize("in_order", [True, False])
def test_a_chunk_that_came_is_not_lost_whichever_came_first(in_order: bool) -> None:
    audit = ChunkAudit()
    for arrival in (chunk(1), ack(1)) if in_order else (ack(1), chunk(1)):
        audit.look(*arrival)
    assert told(audit, 1) == {}


def test_what_never_came_is_told_once_after_its_time_whatever_its_verdicts() -> None:
    audit = ChunkAudit()
    for arrival in (ack(1), ack(2, ChunkAck.REFUSED), chunk(3), ack(3), ack(3, producer_id=8)):
        audit.look(*arrival)
    assert dict(audit.never_came(PATIENCE_NS)) == {}
    assert told(audit, 3) == {TOPIC: 3}
    audit.look(*ack(1, ChunkAck.REFUSED))
    assert told(audit, 4) == {}


def test_an_account_that_begins_anew_forgets_what_is_awaited_and_knows_what_came() -> None:
    audit = ChunkAudit()
    for arrival in (chunk(1), ack(2)):
        audit.look(*arrival)
    audit.begin()
    audit.look(*ack(1))
    assert told(audit, 2) == {}


def test_other_topics_and_what_cannot_be_read_are_not_its_business() -> None:
    audit = ChunkAudit()
    audit.look("joint_states", 1, b"\0\1")
    audit.look("controller/ack", 1, b"\0\1\0\0")
    assert told(audit, 1) == {}


def test_it_remembers_a_bounded_number_of_chunks() -> None:
    audit = ChunkAudit()
    for sequence in range(KEPT + 1):
        audit.look(*chunk(sequence))
    audit.look(*ack(KEPT))
    audit.look(*ack(0))
    assert told(audit, KEPT) == {TOPIC: 1}
