"""Chunks begin where the committed rows end."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from bc_core.chunks import ActionGroup, Space
from bc_core.splice import splice

JOINTS = (ActionGroup("arm", Space.JOINT_POSITION, ("a", "b"), 0, 2),)
POSE = (ActionGroup("hand", Space.CARTESIAN_POSE, (), 0, 7, tip="tcp", frame_id="base"),)


@pytest.mark.parametrize("rows", [2, 6])
def test_frozen_rows_are_repeated_to_the_bit_and_the_offset_fades(rows: int) -> None:
    rng = np.random.default_rng(0)
    sampled, prefix = rng.normal(size=(8, 2)), rng.normal(size=(rows, 2))
    spliced = splice(sampled, prefix, 2, 3, JOINTS)
    np.testing.assert_array_equal(spliced[:2], prefix[:2])
    np.testing.assert_array_equal(spliced[5:], sampled[5:])
    offset = prefix[1] - sampled[1]
    fade = np.array([0.75, 0.5, 0.25, 0.0, 0.0, 0.0])
    np.testing.assert_allclose(spliced[2:] - sampled[2:], fade[:, None] * offset)


def test_the_sampled_motion_begins_where_the_prefix_ends() -> None:
    ramp = 0.01 * np.arange(12.0)[:, None] * np.ones(2)
    held = np.zeros((4, 2))  # the robot stands; the policy thinks it is 0.3 rad elsewhere, and under way
    steps = np.diff(splice(0.3 + ramp, held, 4, 4, JOINTS)[:, 0])
    hard = np.diff(np.concatenate([held, (0.3 + ramp)[4:]])[:, 0])
    assert np.abs(steps).max() == pytest.approx(0.01 + 0.33 / 5)
    assert np.abs(hard).max() > 0.3
    np.testing.assert_array_equal(splice(ramp, ramp[:6], 4, 4, JOINTS), ramp)  # nothing to mend, nothing changed


def test_what_a_chunk_hands_on_is_no_offset() -> None:
    """Of s = 1 row half the offset is executed, and the next prefix is the sample already: errors do not add up."""
    sampled, value = np.ones((8, 2)), np.zeros(2)
    for _ in range(6):
        value = splice(sampled, value[None], 1, 1, JOINTS)[1]
    np.testing.assert_allclose(value, 1.0 - 0.5**6)


def test_without_frozen_rows_nothing_changes() -> None:
    sampled = np.random.default_rng(1).normal(size=(5, 2))
    np.testing.assert_array_equal(splice(sampled, np.zeros((3, 2)), 0, 2, JOINTS), sampled)


def test_an_execution_horizon_that_leaves_no_row_to_fade_leaves_the_step() -> None:
    sampled = np.ones((5, 2))
    spliced = splice(sampled, np.zeros((3, 2)), 3, 4, JOINTS)
    np.testing.assert_array_equal(spliced, [[0, 0]] * 3 + [[1, 1]] * 2)


def test_rotations_fade_on_so3() -> None:
    prefix, sampled = np.zeros((3, 7)), np.zeros((8, 7))
    prefix[:, 3:] = Rotation.from_rotvec([0.0, 0.0, 1.0]).as_quat()
    sampled[:, 3:] = -Rotation.from_rotvec([0.0, 0.0, 2.0]).as_quat()  # the other hemisphere
    spliced = splice(sampled, prefix, 3, 2, POSE)
    np.testing.assert_allclose(np.linalg.norm(spliced[:, 3:], axis=1), 1.0)
    yaw = Rotation.from_quat(spliced[:, 3:]).as_rotvec()[:, 2]
    np.testing.assert_allclose(yaw[3:], [4 / 3, 5 / 3, 2.0, 2.0, 2.0])
    assert (np.einsum("ij,ij->i", spliced[4:, 3:], spliced[3:-1, 3:]) > 0).all()
