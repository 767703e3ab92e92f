"""bcros eval: errors in SI units row by row, on episodes that the policy has not seen."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from bc_core.chunks import ActionGroup, Space
from bc_core.contract import Contract
from bc_core.errors import BcError
from bc_core.evaluation.chunks import row_errors
from bc_core.evaluation.evaluate import evaluate_checkpoint, format_text

from .swing import EPISODE_TICKS, record, settings, train

NewRecording = Callable[[int], Any]
GROUPS = (
    ActionGroup("arm", Space.JOINT_POSITION, ("a", "b"), 0, 2),
    ActionGroup("hand", Space.CARTESIAN_POSE, (), 2, 7, "tip", "base"),
    ActionGroup("grip", Space.GRIPPER, ("g",), 9, 1),
)


def test_errors_are_distances_in_si_units() -> None:
    """Row 0 exact; row 1: 3 and 4 rad at two joints, 5 m away, half a radian turned, 0.02 m too open."""
    turned = Rotation.from_euler("xyz", [0.3, 0.2, 0.1])
    here = np.concatenate([[0.1, 0.2], [1.0, 1.0, 1.0], turned.as_quat(), [0.04]])
    away = here + np.concatenate([[3.0, 4.0], [0.0, 3.0, 4.0], np.zeros(4), [0.02]])
    away[5:9] = -(turned * Rotation.from_rotvec([0.0, 0.5, 0.0])).as_quat()  # the other sign: the same rotation
    actions = np.stack([here, here])[None]
    found = {
        e.quantity: e for e in row_errors(GROUPS, np.stack([here, away])[None, None], actions, np.ones((1, 2), bool))
    }
    expected = {
        "arm": (np.sqrt(12.5), "rad"),
        "hand position": (5.0, "m"),
        "hand rotation": (0.5, "rad"),
        "grip": (0.02, "m"),
    }
    assert {name: error.unit for name, error in found.items()} == {name: unit for name, (_, unit) in expected.items()}
    for name, (value, _) in expected.items():
        np.testing.assert_allclose(found[name].mean, [0.0, value], atol=1e-7)


def test_rows_without_a_target_do_not_count_and_the_nearest_sample_is_told() -> None:
    actions = np.zeros((2, 2, 1))
    valid = np.array([[True, False], [True, False]])
    predicted = np.array([[[1.0], [9.0]], [[3.0], [9.0]]])
    samples = np.stack([predicted, 0.5 * predicted])
    (error,) = row_errors(GROUPS[2:3], np.pad(samples, ((0, 0), (0, 0), (0, 0), (9, 0))),
                          np.pad(actions, ((0, 0), (0, 0), (9, 0))), valid)  # fmt: skip
    assert error.mean[0] == pytest.approx(1.5)
    assert error.best[0] == pytest.approx(1.0)
    assert np.isnan(error.mean[1])
    assert error.to_document()["mean"] == [pytest.approx(1.5), None]


def test_a_checkpoint_is_evaluated_on_what_it_has_not_seen(
    contract: Contract, new_recording: NewRecording, tmp_path: Path
) -> None:
    bags = [record(contract, new_recording(number), 1.0 if number % 2 else -1.0) for number in range(8)]
    train([bags[0].parent], contract, settings(steps=400, validation=0.25, batch=64), tmp_path / "policy")
    found = evaluate_checkpoint(tmp_path / "policy", [bags[0].parent])
    document = found.document
    assert (document["episodes"], document["excluded_as_trained_on"]) == (2, 6)
    assert document["frames"] == 2 * (EPISODE_TICKS - 1)
    arm, gripper = document["errors"]
    assert (arm["quantity"], arm["unit"], gripper["unit"]) == ("arm", "rad", "m")
    assert arm["mean"][0] < 0.01 and gripper["mean"][0] < 0.003
    assert all(best <= mean + 1e-9 for best, mean in zip(arm["best"], arm["mean"], strict=True))
    assert arm["best"][-1] < 0.5 * arm["mean"][-1]  # at the fork it knows both ways, and takes either
    assert document["latency"]["p50"] <= document["latency"]["p95"] <= document["latency"]["longest"]
    assert 'alt="Error over the rows' in found.page and "Loss over steps" not in found.page
    assert "2 episodes" in format_text(document)
    with pytest.raises(BcError, match=r"trained on all 1 episodes.*--all"):
        seen = [bag for bag in bags if _is_seen(tmp_path, bag)]
        evaluate_checkpoint(tmp_path / "policy", seen[:1])
    everything = evaluate_checkpoint(tmp_path / "policy", [bags[0].parent], seen_too=True, frames=40)
    assert (everything.document["episodes"], everything.document["frames"]) == (8, 40)


def _is_seen(folder: Path, bag: Path) -> bool:
    try:
        evaluate_checkpoint(folder / "policy", [bag], frames=1)
    except BcError:
        return True
    return False
