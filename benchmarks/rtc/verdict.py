"""What the cells say: which tasks count, paired differences, how much of d = 0 is kept, and the goals."""

from collections.abc import Mapping, Sequence
from typing import Any

from bc_core.report.statistics import paired_difference
from benchmarks.rtc import jitter
from benchmarks.rtc.cells import BLOCK

SOLVABLE = 0.85  # least solve rate without delay of a task that counts
FRAGILE = 0.70  # largest share of it that naive switching may keep at d = 4
RTC_KEEPS, BEST_KEEPS = 0.75, 0.96
LONGEST = 4
RARE = 0.10  # largest share of chunks that a recommended estimator underestimates: each is a jump on a robot
RTC = ("rtc", "rtc_faded", "rtc_on_path")  # plain, spliced, and as the nodes run it: of these the goals speak

Row = Mapping[str, Any]


def find(rows: Sequence[Row], task: str, strategy: str, d: int, horizon: int = 8, s: int | None = None) -> Row | None:
    for row in rows:
        key = (row["task"], row["strategy"], row["H"], row["d"], row["s"])
        if key == (task, strategy, horizon, d, max(d, 1) if s is None else s):
            return row
    return None


def kept(rows: Sequence[Row], task: str, strategy: str, d: int = LONGEST, horizon: int = 8) -> float | None:
    """Share of its own solve rate at d = 0 that a strategy keeps at d."""
    at, before = find(rows, task, strategy, d, horizon), find(rows, task, strategy, 0, horizon)
    return None if at is None or before is None or before["solved"] == 0.0 else at["solved"] / before["solved"]


def counts(rows: Sequence[Row], task: str) -> bool:
    """The task can be done without delay, and delay hurts."""
    base, share = find(rows, task, "naive", 0), kept(rows, task, "naive")
    return base is not None and share is not None and base["solved"] >= SOLVABLE and share <= FRAGILE


def pairs(rows: Sequence[Row], other: str = "naive") -> list[dict[str, Any]]:
    """Every strategy less `other` in the same cell otherwise, over the episodes that both ran."""
    found = []
    for row in rows:
        against = find(rows, row["task"], other, row["d"], row["H"], row["s"])
        if row["strategy"] == other or against is None:
            continue
        result = paired_difference(*_common(row, against))
        key = {name: row[name] for name in ("task", "strategy", "H", "d", "s")}
        found.append({**key, "difference": result.difference, "low": result.low, "high": result.high})
    return found


def verdict(rows: Sequence[Row]) -> dict[str, Any]:
    """The goals, task by task; None where a task does not count or a cell is missing."""
    tasks = list(dict.fromkeys(row["task"] for row in rows))
    counting = [task for task in tasks if counts(rows, task)]
    differences = pairs(rows)
    strategies = [name for name in dict.fromkeys(row["strategy"] for row in rows) if name != "naive"]
    guided = [name for name in RTC if name in strategies]
    return {
        "tasks_that_count": counting,
        "above_naive": {task: {name: _lowest(differences, task, name) for name in guided} for task in counting},
        "kept": {task: {name: kept(rows, task, name) for name in ["naive", *strategies]} for task in tasks},
        "best": _best(rows, counting, strategies),
    }


def goals(found: Mapping[str, Any]) -> list[tuple[str, bool]]:
    """Each goal in words with its figures, and whether it is reached. Without a task that counts none is."""
    counting = found["tasks_that_count"]
    result = [(f"at least two tasks count: {', '.join(counting) or 'none'}", len(counting) >= 2)]
    for task in counting:
        for name, low in found["above_naive"][task].items():
            if low is not None:
                text = f"{task}: {name} less naive, least lower 95 % bound over d = 1 ... 4 is {low:+.3f}, above 0"
                result.append((text, low > 0.0))
            share = found["kept"][task].get(name)
            if share is not None:
                text = f"{task}: {name} keeps {share:.1%} at d = 4, at least {RTC_KEEPS:.0%}"
                result.append((text, share >= RTC_KEEPS))
    best = found["best"]
    if best is not None:
        shares = ", ".join(f"{task} {share:.1%}" for task, share in best["kept"].items())
        text = f"best strategy ({best['strategy']}) keeps {shares} at d = 4, at least {BEST_KEEPS:.0%}"
        result.append((text, min(best["kept"].values()) >= BEST_KEEPS))
    return result


def estimators(shaken: Sequence[Row]) -> list[dict[str, Any]]:
    """Delay estimators under jitter: their figures' means over tasks, strategies and processes, and the least rate.

    recommended: the one that solves most of those that underestimate rarely.
    """
    found = []
    for name in dict.fromkeys(row["estimator"] for row in shaken):
        rows = [row for row in shaken if row["estimator"] == name]
        figures = ("missed", "starved", "jump", "jump_p99", "jerk", "solved")
        means = {figure: sum(row[figure] for row in rows) / len(rows) for figure in figures}
        found.append({"estimator": name, **means, "least": min(row["solved"] for row in rows)})
    fit = [row for row in found if row["estimator"] != jitter.ORACLE and row["missed"] <= RARE]
    best = max(fit, key=lambda row: row["solved"], default=None)
    return [{**row, "recommended": row is best} for row in found]


def _lowest(differences: Sequence[Row], task: str, strategy: str) -> float | None:
    lows = [
        pair["low"]
        for pair in differences
        if pair["task"] == task
        and pair["strategy"] == strategy
        and pair["H"] == 8
        and 1 <= pair["d"] <= LONGEST
        and pair["s"] == pair["d"]
    ]
    return min(lows) if lows else None


def _best(rows: Sequence[Row], tasks: Sequence[str], strategies: Sequence[str]) -> dict[str, Any] | None:
    """The strategy with the highest solve rate at d = 4 over the tasks that count (the worst of them decides)."""
    scored = []
    for name in strategies:
        cells = [find(rows, task, name, LONGEST) for task in tasks]
        if tasks and all(cell is not None for cell in cells):
            scored.append((min(cell["solved"] for cell in cells if cell is not None), name))
    if not scored:
        return None
    name = max(scored)[1]
    return {"strategy": name, "kept": {task: kept(rows, task, name) for task in tasks}}


def _common(row: Row, other: Row) -> tuple[list[bool], list[bool]]:
    """The first episodes of two cells, which are the same ones: cells.run begins every block with a seed of its own."""
    count = min(len(row["episodes"]), len(other["episodes"]))
    if len(row["episodes"]) != len(other["episodes"]) and count % BLOCK:
        raise ValueError(f"two cells of {row['task']} with {count} and more episodes share no whole blocks of {BLOCK}")
    solved, others = ([episode == "1" for episode in one["episodes"][:count]] for one in (row, other))
    return solved, others
