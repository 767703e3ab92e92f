"""A leader arm takes hold only where the robot is, and says which joint is in the way."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from bc_teleop.command import Observation, Pose
from bc_teleop.devices.joy import JoyConfig, JoyDevice
from bc_teleop.devices.leader import GripperRange, LeaderConfig, LeaderDevice

MS = 1_000_000
NAMES = ("shoulder", "elbow", "wrist")
CONFIG = LeaderConfig(
    joints=("a", "b", "c"), signs=(1.0, -1.0, 1.0), offsets=(0.0, 0.5, 0.0), gripper="g",
    gripper_range=GripperRange(0.2, 1.2), tolerance=0.1, slip=0.5, timeout=0.2,
)  # fmt: skip


class Hand:
    """A leader and its pedal, at times of the test."""

    def __init__(self) -> None:
        self.pedal = JoyDevice(JoyConfig(dead_man=0, timeout=10.0))
        self.device = LeaderDevice(CONFIG, NAMES, self.pedal)
        self.reference = np.array([0.3, -0.2, 0.1])
        self.time_ms = 1000

    def read(self, *joints: float, gripper: float = 0.7) -> None:
        """The leader at the robot's joints, as its own sensors read them."""
        raw = (np.array(joints) - CONFIG.offsets) / CONFIG.signs
        self.device.receive({**dict(zip("abc", raw, strict=True)), "g": gripper}, self.time_ms * MS)

    def press(self, dead_man: int):
        self.time_ms += 20
        self.pedal.receive([], [dead_man], self.time_ms * MS)
        pose = Pose(np.zeros(3), Rotation.identity())
        return self.device.command(Observation(self.time_ms * MS, pose, 0.08, joints=self.reference))


def test_a_leader_away_from_the_robot_is_guided_and_does_not_take_hold() -> None:
    hand = Hand()
    hand.read(0.3, 0.3, 0.35)
    guided = hand.press(0)
    assert "elbow by -0.50 rad, wrist by -0.25 rad" in guided.told and "shoulder" not in guided.told
    refused = hand.press(1)
    assert not refused.enabled and "elbow by -0.50" in refused.refused
    hand.read(0.3, -0.2, 0.1)  # brought there with the dead-man down: it has to be pressed anew
    assert not hand.press(1).enabled
    assert "aligned" in hand.press(0).told
    taken = hand.press(1)
    assert taken.enabled and taken.posture is not None
    np.testing.assert_allclose(taken.posture, [0.3, -0.2, 0.1])
    assert taken.gripper == pytest.approx(0.04)  # half open


def test_once_it_holds_the_tolerance_does_not_matter_but_slipping_does() -> None:
    hand = Hand()
    hand.read(0.3, -0.2, 0.1)
    hand.press(0)
    assert hand.press(1).enabled
    hand.read(0.7, -0.2, 0.1)
    assert hand.press(1).enabled
    hand.read(0.9, -0.2, 0.1)
    lost = hand.press(1)
    assert not lost.enabled and "shoulder" in lost.refused and "let the dead-man go" in lost.refused
    hand.read(0.3, -0.2, 0.1)
    assert not hand.press(1).enabled  # back, but never without a new press
    hand.press(0)
    assert hand.press(1).enabled


def test_a_silent_leader_lets_go() -> None:
    hand = Hand()
    hand.read(0.3, -0.2, 0.1)
    hand.press(0)
    assert hand.press(1).enabled
    for _ in range(10):
        last = hand.press(1)
    assert not last.enabled and "no reading of the leader" in last.refused


@pytest.mark.parametrize("readings", [{"a": 0.3, "b": 0.7}, {"a": 0.3, "b": float("nan"), "c": 0.1}])
def test_a_reading_that_is_not_whole_is_none(readings: dict[str, float]) -> None:
    hand = Hand()
    hand.device.receive(readings, hand.time_ms * MS)
    hand.press(0)
    assert "no reading" in hand.press(1).refused


def test_without_a_reference_of_the_robot_it_does_not_take_hold() -> None:
    hand = Hand()
    hand.read(0.3, -0.2, 0.1)
    hand.pedal.receive([], [1], hand.time_ms * MS)
    seen = Observation(hand.time_ms * MS, Pose(np.zeros(3), Rotation.identity()), 0.08)
    assert "no reference" in hand.device.command(replace(seen, joints=None)).refused
