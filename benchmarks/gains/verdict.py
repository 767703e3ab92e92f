"""What the cells say: tables by preset, and what stiffness and damping do to success."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from bc_core.report.statistics import mean_interval, wilson
from benchmarks.claims import CONFIRMED, OPEN, REFUTED, make_claim
from benchmarks.gains.cells import DEMONSTRATE, DRIVE, TRAIN
from benchmarks.gains.world import PRESETS

Row = Mapping[str, Any]
MEASURES = ("joints", "tool", "turn", "smoothness", "force", "seconds")
EFFECTS: dict[str, Mapping[str, float]] = {
    "compliant less stiff": {"CO": 0.5, "CU": 0.5, "SO": -0.5, "SU": -0.5},
    "overdamped less underdamped": {"CO": 0.5, "SO": 0.5, "CU": -0.5, "SU": -0.5},
    "CO less SO": {"CO": 1.0, "SO": -1.0},
    "CO less CU": {"CO": 1.0, "CU": -1.0},
    "CO less SU": {"CO": 1.0, "SU": -1.0},
}
CLAIMS = {
    "Behaviour cloning prefers compliant gains": "compliant less stiff",
    "Behaviour cloning prefers overdamped gains": "overdamped less underdamped",
}
ROUNDING = 1e-9  # repetitions that agree to the digit have an interval of no width


def summary(rows: Sequence[Row]) -> dict[str, Any]:
    """Everything the page shows, of the repetitions that are whole. Effects: on the success of policies under the
    preset of their demonstrations, on that of the expert, and, where policies were driven under all presets, on success
    by the preset of the demonstrations alone and by that of the roll-out alone.
    """
    whole = {n for n in {row["repetition"] for row in rows} if all(_driven(rows, p, p, n) for p in PRESETS)}
    rows = [row for row in rows if row["repetition"] in whole]
    driven = [row for row in rows if row["kind"] == DRIVE]
    crossed = bool(whole) and all(_driven(rows, a, b, n) for a in PRESETS for b in PRESETS for n in whole)
    effects = {
        "policy": _effects(driven, lambda row, preset: row["preset"] == row["driven"] == preset),
        "expert": _effects([row for row in rows if row["kind"] == DEMONSTRATE], lambda row, p: row["preset"] == p),
    }
    same = _in_the_same_scenes(driven) if crossed else []
    if crossed:
        effects["demonstrations"] = _effects(same, lambda row, preset: row["preset"] == preset)
        effects["rollout"] = _effects(same, lambda row, preset: row["driven"] == preset)
    return {
        "repetitions": len(whole),
        "presets": {preset: _preset(rows, preset) for preset in PRESETS},
        "crossed": {a: {b: _success(_driven(same, a, b)) for b in PRESETS} for a in PRESETS} if crossed else None,
        "effects": effects,
        "claims": [_claim(text, effects["policy"].get(name)) for text, name in CLAIMS.items()],
    }


def _preset(rows: Sequence[Row], preset: str) -> dict[str, Any]:
    """expert, policy: success and measures, the latter means over repetitions; loss: held out, of the training."""
    demonstrated = [row for row in rows if row["kind"] == DEMONSTRATE and row["preset"] == preset]
    trained = [row for row in rows if row["kind"] == TRAIN and row["preset"] == preset]
    driven = _driven(rows, preset, preset)
    return {
        "expert": {**_success(demonstrated), **_measures(demonstrated)},
        "policy": {**_success(driven), **_measures(driven), "repetitions": [row["rate"] for row in driven]},
        "loss": _mean([row["validation_loss"] for row in trained]),
        "frames": _mean([row["frames"] for row in trained]),
    }


def _driven(rows: Sequence[Row], preset: str, driven: str, repetition: int | None = None) -> list[Row]:
    """Roll-outs; repetition: None for all."""
    found = [row for row in rows if row["kind"] == DRIVE and row["preset"] == preset and row["driven"] == driven]
    return [row for row in found if repetition in (None, row["repetition"])]


def _in_the_same_scenes(driven: Sequence[Row]) -> list[Row]:
    """Roll-outs cut to the scenes that all of them have: under its own preset a policy is driven in more."""
    count = min(len(row["solved"]) for row in driven)
    cut = [(row, row["solved"][:count]) for row in driven]
    return [{**row, "solved": solved, "rate": solved.count("1") / count} for row, solved in cut]


def _success(rows: Sequence[Row]) -> dict[str, Any]:
    """Pooled over repetitions, Wilson's interval over episodes; None where there are none."""
    solved = "".join(row["solved"] for row in rows)
    if not solved:
        return {"n": 0, "rate": None, "low": None, "high": None}
    rate = wilson(solved.count("1"), len(solved))
    return {"n": len(solved), "rate": rate.rate, "low": rate.low, "high": rate.high}


def _measures(rows: Sequence[Row]) -> dict[str, float | None]:
    return {name: _mean([row[name] for row in rows if row[name] is not None]) for name in MEASURES}


def _mean(values: Sequence[float]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _effects(rows: Sequence[Row], of: Callable[[Row, str], bool]) -> dict[str, dict[str, float]]:
    """By name of EFFECTS: mean over repetitions with the interval over them (Student's t), which holds what other
    demonstrations and another training would change. Fewer than two whole repetitions: none.

    of: whether a row belongs to a preset; its rows of one repetition are averaged.
    """
    rates: dict[int, dict[str, float]] = {}
    for repetition in sorted({row["repetition"] for row in rows}):
        mine = [row for row in rows if row["repetition"] == repetition]
        found = {preset: [row["rate"] for row in mine if of(row, preset)] for preset in PRESETS}
        if all(found.values()):
            rates[repetition] = {preset: float(np.mean(values)) for preset, values in found.items()}
    if len(rates) < 2:
        return {}
    result = {}
    for name, weights in EFFECTS.items():
        each = [sum(weight * rate[preset] for preset, weight in weights.items()) for rate in rates.values()]
        mean, low, high = mean_interval(each)
        result[name] = {"difference": mean, "low": low, "high": high}
    return result


def _claim(text: str, effect: Mapping[str, float] | None) -> dict[str, str]:
    """Open: the interval holds 0, or there are too few repetitions for one."""
    if effect is None:
        return make_claim(text, OPEN, "fewer than two repetitions")
    verdict = CONFIRMED if effect["low"] > ROUNDING else REFUTED if effect["high"] < -ROUNDING else OPEN
    return make_claim(text, verdict, points(effect))


def points(effect: Mapping[str, float]) -> str:
    """A difference of rates in percentage points."""
    low, high = 100 * effect["low"], 100 * effect["high"]
    return f"{100 * effect['difference']:+.0f} points ({low:+.0f} to {high:+.0f})"
