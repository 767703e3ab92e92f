"""What the runs say: success by expert rows, less behaviour cloning's, and how errors grow with the horizon."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bc_core.chunks import Array
from bc_core.report.statistics import mean_interval, wilson
from benchmarks.dagger.learners import ARMS

Run = Mapping[str, Any]
BASE = "bc"
RARE = 0.2  # mean cost per tick up to which errors are still growing, and not simply there


def summary(runs: Sequence[Run]) -> dict[str, Any]:
    """Tables by arm and round, growth of the last policies' errors, and the goals."""
    arms = [name for name in ARMS if any(run["arm"] == name for run in runs)]
    success = {name: _success(_of(runs, name)) for name in arms}
    above = {name: _differences(_of(runs, name), _of(runs, BASE)) for name in arms if name != BASE}
    growth = {name: _growth(_of(runs, name)) for name in arms}
    return {"success": success, "above_bc": above, "growth": growth, "goals": _goals(above)}


def rates(run: Run) -> list[float]:
    """Success rate after every round."""
    return [episodes.count("1") / len(episodes) for episodes in run["episodes"]]


def exponent(cost: Array) -> float | None:
    """p of cost ~ T ** p, by least squares in the logarithms, where the cost is above nil and the error still rare.

    cost: (T,) mean ticks outside up to tick 1 ... T. None where there are fewer than 20 such ticks.
    """
    ticks = np.arange(1, len(cost) + 1)
    used = (cost > 0.02) & (cost / ticks < RARE)
    if used.sum() < 20:
        return None
    return float(np.polyfit(np.log(ticks[used]), np.log(cost[used]), 1)[0])


def _of(runs: Sequence[Run], name: str) -> list[Run]:
    return [run for run in runs if run["arm"] == name]


def _success(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """By round: mean rows spent and success over seeds; interval over seeds (t), or Wilson's with one."""
    found = []
    for number in range(len(runs[0]["rows"])):
        shares = [rates(run)[number] for run in runs]
        if len(shares) > 1:
            rate, low, high = mean_interval(shares)
        else:
            episodes = runs[0]["episodes"][number]
            one = wilson(episodes.count("1"), len(episodes))
            rate, low, high = one.rate, one.low, one.high
        rows = float(np.mean([run["rows"][number] for run in runs]))
        found.append({"rows": rows, "rate": rate, "low": max(low, 0.0), "high": min(high, 1.0)})
    return found


def _differences(runs: Sequence[Run], base: Sequence[Run]) -> list[dict[str, float]]:
    """By round: success less that of behaviour cloning at the same budget, paired by seed."""
    others = {run["seed"]: rates(run) for run in base}
    pairs = [(rates(run), others[run["seed"]]) for run in runs if run["seed"] in others]
    if len(pairs) < 2:
        return []
    found = []
    for number in range(len(pairs[0][0])):
        mean, low, high = mean_interval([a[number] - b[number] for a, b in pairs])
        found.append({"difference": mean, "low": low, "high": high})
    return found


def _growth(runs: Sequence[Run]) -> dict[str, Any]:
    """cost: (T,) mean over seeds. exponent: of its growth."""
    cost = np.mean([run["cost"] for run in runs], axis=0)
    return {"cost": cost.tolist(), "exponent": exponent(cost)}


def _goals(above: Mapping[str, Sequence[Mapping[str, float]]]) -> list[tuple[str, bool]]:
    """Each in words with its figures, and whether it is reached."""
    result = []
    for name in ("dagger", "batch"):
        if not above.get(name):
            continue
        last = above[name][-1]
        text = (
            f"{ARMS[name].title}: success less behaviour cloning's at the whole budget is "
            f"{100 * last['difference']:+.1f} points ({100 * last['low']:+.1f} to {100 * last['high']:+.1f}), above 0"
        )
        result.append((text, last["low"] > 0.0))
    return result
