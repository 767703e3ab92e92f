"""The gains study: what it measures is what it says, and its claims can fail."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))  # benchmarks are run from the checkout, not installed

from bc_core.bags import find_episodes, open_episode
from benchmarks.gains import verdict
from benchmarks.gains.cells import DEMONSTRATE, DRIVE, TRAIN, Budget, row, stages
from benchmarks.gains.motion import RATE, smoothness
from benchmarks.gains.world import PRESETS, Episode, demonstrate

BUDGET = Budget("conveyor_fast", "flow", repetitions=2, demonstrations=3, steps=1, trials=5, crossed=2)


def minimum_jerk(seconds: float, distance: float) -> Any:
    """Path of Flash and Hogan (1985) along x, (T, 3)."""
    share = np.arange(round(seconds * RATE) + 1) / (seconds * RATE)
    return np.outer(distance * share**3 * (10 - 15 * share + 6 * share**2), [1.0, 0.0, 0.0])


def test_smoothness_has_no_dimension_and_falls_with_tremor() -> None:
    """Minimum jerk has duration^3 / top speed^2 times the integral of 720 d^2 / T^5 = 720 / 1.875^2."""
    smooth = minimum_jerk(2.0, 0.3)
    assert smoothness(smooth, RATE) == pytest.approx(-np.log(720.0 / 1.875**2), abs=0.05)
    assert smoothness(minimum_jerk(4.0, 0.1), RATE) == pytest.approx(smoothness(smooth, RATE), abs=0.05)
    tremor = 0.002 * np.sin(2 * np.pi * 5.0 * np.arange(len(smooth)) / RATE)
    assert smoothness(smooth + tremor[:, None], RATE) < smoothness(smooth, RATE) - 1.0


def test_a_compliant_arm_is_further_from_its_reference_than_a_stiff_one(tmp_path: Path) -> None:
    found = {name: demonstrate(name, "conveyor_fast", [10_000, 10_001], 1, tmp_path / name) for name in ("CO", "SO")}
    bags = find_episodes(tmp_path / "SO")
    assert len(bags) == len(found["SO"]) and open_episode(bags[0]).info["metadata"] == {"preset": "SO"}
    compliant, stiff = (next(e.motion for e in found[name] if e.solved) for name in ("CO", "SO"))
    assert compliant is not None and stiff is not None
    assert 2.0 < compliant.tool / stiff.tool < 10.0
    assert 0.001 < stiff.tool < 0.01
    assert 2.5 < stiff.seconds < 5.0
    assert 0.5 < stiff.force < 200.0  # the weight of the cube at least
    with pytest.raises(ValueError, match="solved 0 of 0 scenes of conveyor_fast, 2 were wanted"):
        demonstrate("SO", "conveyor_fast", [], 2, tmp_path / "few")


def test_every_policy_has_its_demonstrations_first_and_sees_the_same_scenes() -> None:
    order = [cell for stage in stages(BUDGET) for cell in stage]
    assert len(order) == len(set(order)) == 2 * (4 + 4 + 16)
    for preset in PRESETS:
        kinds = [cell.kind for cell in order if cell.preset == preset and cell.repetition == 1][:3]
        assert kinds == [DEMONSTRATE, TRAIN, DRIVE]


def rows(rates: dict[str, str], crossed: bool = False) -> list[dict[str, Any]]:
    """Rows of two repetitions in which policies solve what `rates` say, e.g. {"CO": "11"}; the expert all."""
    made: list[dict[str, Any]] = []
    for cell in (cell for stage in stages(BUDGET) for cell in stage):
        if cell.driven not in ("", cell.preset) and not crossed:
            continue
        base = {"kind": cell.kind, "preset": cell.preset, "repetition": cell.repetition, "driven": cell.driven}
        if cell.kind == TRAIN:
            made.append({**base, "validation_loss": 0.1, "frames": 10})
            continue
        solved = "111" if cell.kind == DEMONSTRATE else rates[cell.preset]
        made.append({**base, **row([Episode(i, each == "1", 3.0, None) for i, each in enumerate(solved)])})
    return made


def test_the_claims_follow_the_rates_either_way() -> None:
    good, bad = "11111", "10000"
    said = {claim["claim"].split()[-2]: claim["verdict"] for claim in verdict.summary(
        rows({"CO": good, "CU": good, "SO": bad, "SU": bad}))["claims"]}  # fmt: skip
    assert said == {"compliant": verdict.CONFIRMED, "overdamped": verdict.OPEN}
    said = {claim["claim"].split()[-2]: claim["verdict"] for claim in verdict.summary(
        rows({"CO": bad, "CU": good, "SO": bad, "SU": good}))["claims"]}  # fmt: skip
    assert said == {"compliant": verdict.OPEN, "overdamped": verdict.REFUTED}


def test_a_table_says_what_the_episodes_say() -> None:
    found = verdict.summary(rows({"CO": "11111", "SO": "11110", "CU": "10000", "SU": "00000"}, crossed=True))
    policy = {preset: found["presets"][preset]["policy"] for preset in PRESETS}
    assert [policy[preset]["rate"] for preset in PRESETS] == [1.0, 0.8, 0.2, 0.0]
    assert policy["CO"]["n"] == 10 and 0.7 < policy["CO"]["low"] < 0.75
    assert found["effects"]["policy"]["CO less SO"]["difference"] == pytest.approx(0.2)
    assert found["effects"]["demonstrations"]["overdamped less underdamped"]["difference"] == pytest.approx(0.8)
    assert found["effects"]["rollout"]["compliant less stiff"]["difference"] == pytest.approx(0.0)
    assert found["crossed"]["CO"]["SU"]["rate"] == 1.0


def test_presets_are_crossed_in_the_scenes_that_all_were_driven_in() -> None:
    """Failures in the later scenes, in which a policy was driven under its own preset alone, do not count there."""
    every = rows(dict.fromkeys(PRESETS, "11111"), crossed=True)
    for each in every:
        if each["kind"] == DRIVE and each["driven"] != each["preset"]:
            each.update(row([Episode(i, True, 3.0, None) for i in range(2)]))
        elif each["kind"] == DRIVE:
            each.update(row([Episode(i, i < 2, 3.0, None) for i in range(5)]))
    found = verdict.summary(every)
    assert found["presets"]["CO"]["policy"]["rate"] == 0.4
    assert {found["crossed"][a][b]["rate"] for a in PRESETS for b in PRESETS} == {1.0}


def test_a_repetition_that_is_not_whole_is_left_out() -> None:
    every = rows(dict.fromkeys(PRESETS, "11111"))
    short = [each for each in every if (each["kind"], each["preset"], each["repetition"]) != (DRIVE, "SU", 1)]
    found = verdict.summary(short)
    assert found["presets"]["CO"]["policy"]["n"] == 5 and found["repetitions"] == 1
    assert found["claims"][0]["verdict"] == verdict.OPEN
