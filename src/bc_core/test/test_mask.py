"""Weights of the prefix's rows, and the splice they govern."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from bc_core.chunks import ActionGroup, Space
from bc_core.mask import Mask, mask_weights, soft_weights, splice

JOINTS = (ActionGroup("arm", Space.JOINT_POSITION, ("a", "b"), 0, 2),)
POSE = (ActionGroup("hand", Space.CARTESIAN_POSE, (), 0, 7, tip="tcp", frame_id="base"),)


def test_golden_soft_weights() -> None:
    expected = [1.0, 1.0, 0.5706, 0.2871, 0.1145, 0.0258, 0.0, 0.0]
    np.testing.assert_allclose(soft_weights(8, 2, 2), expected, atol=5e-5)


def test_masks() -> None:
    ones = mask_weights(Mask.HARD, 6, 2, 3, 2)
    assert ones.tolist() == [1.0, 1.0, 0.0, 0.0, 0.0, 0.0]
    assert mask_weights(Mask.FREE, 6, 0, 3, 0).tolist() == [0.0] * 6
    np.testing.assert_array_equal(mask_weights(Mask.SOFT, 8, 2, 2, 6), soft_weights(8, 2, 2))


def test_rows_without_a_prefix_are_not_guided() -> None:
    weights = mask_weights(Mask.SOFT, 8, 1, 2, prefix_rows=4)
    assert (weights[:4] > 0).all()
    assert weights[4:].tolist() == [0.0] * 4


@pytest.mark.parametrize(
    ("mask", "frozen", "executed", "rows", "words"),
    [
        (Mask.SOFT, 6, 4, 8, "6 frozen rows exceed horizon 8 - execution horizon 4"),
        (Mask.SOFT, 3, 2, 2, "prefix"),
        (Mask.HARD, 3, 2, 2, "prefix"),
    ],
)
def test_a_splice_that_would_be_unguided_is_refused(
    mask: Mask, frozen: int, executed: int, rows: int, words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        mask_weights(mask, 8, frozen, executed, rows)


def test_the_splice_repeats_frozen_rows_to_the_bit_and_leaves_rows_without_weight() -> None:
    rng = np.random.default_rng(0)
    sampled, prefix = rng.normal(size=(8, 2)), rng.normal(size=(6, 2))
    weights = mask_weights(Mask.SOFT, 8, 2, 2, len(prefix))
    spliced = splice(sampled, prefix, weights, JOINTS)
    np.testing.assert_array_equal(spliced[:2], prefix[:2])
    np.testing.assert_array_equal(spliced[6:], sampled[6:])
    for row in range(2, 6):
        np.testing.assert_allclose(spliced[row] - sampled[row], weights[row] * (prefix[row] - sampled[row]))


def test_the_splice_shrinks_the_step_at_row_d_by_its_weight() -> None:
    prefix, sampled = np.zeros((6, 2)), np.full((8, 2), 0.1)
    weights = mask_weights(Mask.SOFT, 8, 2, 2, len(prefix))
    steps = np.diff(splice(sampled, prefix, weights, JOINTS)[:, 0])
    assert np.abs(steps).max() < 0.5 * 0.1
    hard = splice(sampled, prefix, mask_weights(Mask.HARD, 8, 2, 2, len(prefix)), JOINTS)
    assert np.abs(np.diff(hard[:, 0])).max() == pytest.approx(0.1)


def test_poses_are_spliced_on_so3() -> None:
    angles = np.linspace(0.0, 1.0, 6)
    prefix = np.zeros((6, 7))
    prefix[:, 3:] = Rotation.from_rotvec(angles[:, None] * [0.0, 0.0, 1.0]).as_quat()
    sampled = np.zeros((8, 7))
    sampled[:, 3:] = -Rotation.from_rotvec(np.tile([0.0, 0.0, 2.0], (8, 1))).as_quat()  # the other hemisphere
    weights = mask_weights(Mask.SOFT, 8, 1, 2, len(prefix))
    yaw = Rotation.from_quat(splice(sampled, prefix, weights, POSE)[:, 3:]).as_rotvec()[:, 2]
    np.testing.assert_allclose(yaw[:6], weights[:6] * angles + (1 - weights[:6]) * 2.0)
