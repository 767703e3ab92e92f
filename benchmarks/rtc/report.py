"""The page with the tables: out/bench/rtc.md, and docs/benchmarks/rtc.md for the runs that are published."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from bc_core.strategies.sampling import SamplerConfig
from benchmarks.rtc.arms import ARMS
from benchmarks.rtc.tasks import TASKS
from benchmarks.rtc.verdict import RARE, estimators, find

KINETIX = {
    "naive": (90.8, 78.1, 75.7, 59.3, 51.2),
    "RTC": (90.9, 88.2, 84.1, 74.8, 62.9),
    "A2C2": (90.3, 89.5, 87.4, 87.4, 86.5),
}
"""Solve rate in % for d = 0 ... 4, 12 tasks (A2C2, arXiv 2509.23224, table 4)."""


def page(document: Mapping[str, Any]) -> str:
    """Markdown."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    cells = document["cells"]
    tasks = list(dict.fromkeys(row["task"] for row in cells))
    return environment.get_template("page.md.jinja").render(
        document=document,
        beta=f"{SamplerConfig().beta:g}",
        kinetix=KINETIX,
        tables=[_by_delay(cells, document, task, 8) for task in tasks],
        differences=[_differences(document, task) for task in document["verdict"]["tasks_that_count"]],
        longer=[_by_delay(cells, document, task, 16) for task in tasks if _any(cells, task, 16)],
        sweeps=[_by_s(cells, task) for task in tasks if _swept(cells, task)],
        jitter=document["jitter"],
        estimators=estimators(document["jitter"]),
        titles={name: arm.title for name, arm in ARMS.items()},
        ticks={name: task.ticks for name, task in TASKS.items()},
        made=_made(document),
        rare=RARE,
    )


def _made(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """By commit, that of most cells first: how many cells, and of which arms."""
    rows = [*document["cells"], *document["jitter"]]
    return [
        {
            "commit": commit,
            "cells": count,
            "arms": Counter(ARMS[row["strategy"]].title for row in rows if row["commit"] == commit),
        }
        for commit, count in Counter(document["commits"]).most_common()
    ]


def _swept(cells: Sequence[Mapping[str, Any]], task: str) -> bool:
    return any(row["task"] == task and row["s"] > max(row["d"], 1) for row in cells)


def _by_delay(
    cells: Sequence[Mapping[str, Any]], document: Mapping[str, Any], task: str, horizon: int
) -> dict[str, Any]:
    chosen = [row for row in cells if row["task"] == task and row["H"] == horizon and row["s"] == max(row["d"], 1)]
    delays = sorted({row["d"] for row in chosen})
    lines = []
    for name in dict.fromkeys(row["strategy"] for row in chosen):
        found = [find(chosen, task, name, d, horizon) for d in delays]
        base, last = found[0], found[-1]
        share = None if base is None or last is None or not base["solved"] else last["solved"] / base["solved"]
        lines.append({
            "title": ARMS[name].title,
            "n": " / ".join(dict.fromkeys(str(row["n"]) for row in found if row is not None)),
            "cells": ["-" if row is None else _rate(row) for row in found],
            "kept": "-" if share is None else f"{share:.0%}",
            "jump": "-" if last is None or last["jump"] is None else f"{last['jump']:.2f}",
            "jerk": "-" if last is None else f"{last['jerk']:.2f}",
            "difference": _difference(document["pairs"], task, name, horizon, delays[-1]),
        })  # fmt: skip
    return {"task": task, "horizon": horizon, "delays": delays, "lines": lines}


def _differences(document: Mapping[str, Any], task: str) -> dict[str, Any]:
    """Less naive switching, by delay, H = 8 and s = max(d, 1)."""
    rows = [pair for pair in document["pairs"] if pair["task"] == task and pair["H"] == 8]
    delays = sorted({pair["d"] for pair in rows})
    lines = []
    for name in dict.fromkeys(pair["strategy"] for pair in rows):
        points = [_difference(rows, task, name, 8, d) for d in delays]
        lines.append({"title": ARMS[name].title, "cells": points})
    return {"task": task, "delays": delays, "lines": lines}


def _by_s(cells: Sequence[Mapping[str, Any]], task: str) -> dict[str, Any]:
    chosen = [row for row in cells if row["task"] == task and row["H"] == 8 and row["d"] == 1]
    steps = sorted({row["s"] for row in chosen})
    swept = [name for name in dict.fromkeys(row["strategy"] for row in chosen)
             if all(find(chosen, task, name, 1, 8, s) for s in steps)]  # fmt: skip
    lines = []
    for name in swept:
        rows = [find(chosen, task, name, 1, 8, s) for s in steps]
        present = [row for row in rows if row is not None]
        counts = " / ".join(dict.fromkeys(str(row["n"]) for row in present))
        lines.append({"title": ARMS[name].title, "n": counts, "cells": [_rate(row) for row in present]})
    return {"task": task, "steps": steps, "lines": lines}


def _rate(row: Mapping[str, Any]) -> str:
    return f"{100 * row['solved']:.1f} ({100 * row['wilson_low']:.1f}-{100 * row['wilson_high']:.1f})"


def _difference(pairs: Sequence[Mapping[str, Any]], task: str, name: str, horizon: int, d: int) -> str:
    for pair in pairs:
        if (pair["task"], pair["strategy"], pair["H"], pair["d"], pair["s"]) == (task, name, horizon, d, max(d, 1)):
            return f"{100 * pair['difference']:+.1f} ({100 * pair['low']:+.1f} to {100 * pair['high']:+.1f})"
    return "-"


def _any(cells: Sequence[Mapping[str, Any]], task: str, horizon: int) -> bool:
    return any(row["task"] == task and row["H"] == horizon for row in cells)
