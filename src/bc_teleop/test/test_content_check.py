"""What the recorder finds out of messages that it stores undecoded."""

from typing import Any

import numpy as np
import pytest

from bc_core.contract import Contract
from bc_core.message_types import blank_message, installed_types
from bc_teleop.content_check import ContentCheck

MS = 1_000_000
TOPICS = ("joint_states", "camera/image_raw")
JOINTS = [*(f"panda_joint{number}" for number in range(1, 8)), "panda_gripper"]


@pytest.fixture
def check(contract: Contract) -> ContentCheck:
    return ContentCheck(contract)


def packed(type_name: str, **fields: Any) -> bytes:
    message = blank_message(type_name)
    for name, value in fields.items():
        setattr(message, name, value)
    return bytes(installed_types().serialize_cdr(message, type_name))


def joints(names: list[str], value: float = 0.1) -> bytes:
    return packed("sensor_msgs/msg/JointState", name=names, position=np.full(len(names), value))


def image(size: int) -> bytes:
    pixels = np.zeros(3 * size * size, dtype=np.uint8)
    return packed("sensor_msgs/msg/Image", height=size, width=size, step=3 * size, encoding="rgb8", data=pixels)


def test_what_the_contract_says_is_no_fault(check: ContentCheck) -> None:
    check.look("joint_states", 0, joints(list(reversed(JOINTS))))  # the order is the publisher's affair
    check.look("camera/image_raw", 0, image(96))
    check.look("controller/mode", 0, b"not observed")
    assert check.faults(TOPICS) == []


def test_an_image_that_changes_its_size_is_seen_at_once_and_forgiven_when_it_is_right_again(
    check: ContentCheck,
) -> None:
    check.look("camera/image_raw", 0, image(96))
    check.look("camera/image_raw", 1, image(48))
    (fault,) = check.faults(TOPICS)
    assert "'camera': camera/image_raw sends 48x48 pixels, the contract says 96x96: set the camera" in fault
    check.look("camera/image_raw", 2, image(96))
    assert check.faults(TOPICS) == []


def test_joints_are_looked_at_once_a_second_and_more_often_while_they_are_wrong(check: ContentCheck) -> None:
    check.look("joint_states", 0, joints(JOINTS))
    check.look("joint_states", 999 * MS, joints(JOINTS[:3]))
    assert check.faults(TOPICS) == []
    check.look("joint_states", 1000 * MS, joints(JOINTS[:3]))
    (fault,) = check.faults(TOPICS)
    assert "joint_states has no position of panda_joint4" in fault
    check.look("joint_states", 1200 * MS, joints(JOINTS))
    assert check.faults(TOPICS) == []


def test_a_clock_that_was_set_back_does_not_end_the_looking(check: ContentCheck) -> None:
    check.look("joint_states", 9000 * MS, joints(JOINTS))
    check.look("joint_states", 10 * MS, joints(JOINTS, np.nan))
    assert "not finite" in check.faults(TOPICS)[0]


def test_bytes_that_are_no_message_are_named(check: ContentCheck) -> None:
    check.look("joint_states", 0, b"\x00\x01\x00\x00 broken")
    (fault,) = check.faults(TOPICS)
    assert fault.startswith("a message on 'joint_states' is no sensor_msgs/msg/JointState")
