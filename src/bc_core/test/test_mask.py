"""Weights of the prefix's rows."""

import numpy as np
import pytest

from bc_core.mask import Mask, mask_weights, soft_weights


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
