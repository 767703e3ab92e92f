"""Messages and core data say the same thing in both directions."""

from typing import Any

import numpy as np
import pytest

from bc_core.chunks import ActionChunk, ActionGroup, Space
from bc_core.mask import Mask
from bc_core.modes import Mode
from bc_core.playback import OVERTAKEN
from bc_msgs.msg import ActionChunk as ActionChunkMsg
from bc_msgs.msg import ActionGroup as ActionGroupMsg
from bc_msgs.msg import ChunkAck, ChunkRequest, ControlMode
from bc_nodes.convert import chunk_from_msg, chunk_to_msg, to_ns, to_stamp

GROUPS = (
    ActionGroup("arm", Space.JOINT_POSITION, ("a", "b"), 0, 2),
    ActionGroup("tool", Space.CARTESIAN_POSE, (), 2, 7, "tip", "base"),
    ActionGroup("gripper", Space.GRIPPER, ("g",), 9, 1),
)


def test_chunk_survives_the_round_trip() -> None:
    actions = np.random.default_rng(0).normal(size=(5, 10))
    chunk = ActionChunk(1_234_567_890_123_456_789, 50_000_000, GROUPS, actions, "policy", 2**62, 7, 3, 2, True)
    back = chunk_from_msg(chunk_to_msg(chunk))
    np.testing.assert_array_equal(back.actions, actions)
    for name in chunk.__dataclass_fields__.keys() - {"actions"}:
        assert getattr(back, name) == getattr(chunk, name), name


@pytest.mark.parametrize(
    ("mirror", "message"),
    [(Mode, ControlMode), (Space, ActionGroupMsg), (Mask, ChunkRequest)],
    ids=lambda x: x.__name__,
)
def test_the_core_counts_as_the_messages_do(mirror: Any, message: Any) -> None:
    assert {member.name: member.value for member in mirror} == {
        name: getattr(message, name) for name in mirror.__members__
    }


def test_refusals_that_a_change_of_mode_explains_are_those_of_the_messages() -> None:
    assert OVERTAKEN == (ChunkAck.FOREIGN_EPOCH, ChunkAck.WRONG_SOURCE, ChunkAck.SUPERSEDED)


@pytest.mark.parametrize("time_ns", [0, 1, 999_999_999, 1_000_000_000, 1_763_000_000_123_456_789])
def test_stamps_keep_every_nanosecond(time_ns: int) -> None:
    assert to_ns(to_stamp(time_ns)) == time_ns


def test_a_chunk_of_the_wrong_size_is_refused_with_its_numbers() -> None:
    msg = ActionChunkMsg(horizon=3, producer="p", sequence=4, actions=[0.0] * 10)
    with pytest.raises(ValueError, match="chunk 4 of 'p': 10 values do not make 3 rows"):
        chunk_from_msg(msg)
