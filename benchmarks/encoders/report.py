"""The page and its picture."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from bc_core.report.style import JOINT_COLOURS, MODE_COLOURS, MUTED, plot
from benchmarks.encoders.arms import ARMS, HISTORY, OF_LEVEL
from benchmarks.encoders.pictures import draw_looks
from benchmarks.encoders.plan import LOOKS
from benchmarks.encoders.verdict import Row, find

COLOURS = dict(zip(ARMS, (*MODE_COLOURS.values(), *JOINT_COLOURS), strict=False))


def write(document: Mapping[str, Any], folder: Path) -> None:
    """encoders.md, encoders.svg and encoders_looks.png."""
    folder.mkdir(parents=True, exist_ok=True)
    draw_looks(folder / "encoders_looks.png")
    _plot(document, folder / "encoders.svg")
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    rows, sizes, shown = document["cells"], document["budget"]["episodes"], OF_LEVEL[document["level"]]
    page = environment.get_template("page.md.jinja").render(
        document=document,
        arms={arm: ARMS[arm] for arm in shown},
        commits=sorted({row["commit"] for row in rows}),
        history=HISTORY,
        looks=LOOKS,
        sizes=sizes,
        table=[
            {"arm": arm, "cells": [_cell(find(rows, arm, n)) for n in sizes], "took": _took(rows, arm, max(sizes))}
            for arm in shown
        ],
        robust=[{"arm": arm, "cells": [_cell(find(rows, arm, max(sizes), look)) for look in LOOKS]} for arm in shown],
    )
    (folder / "encoders.md").write_text(page, encoding="utf-8")


def _cell(row: Row | None) -> str:
    if row is None:
        return "-"
    return f"{100 * row['rate']:.0f} ({100 * row['wilson_low']:.0f}-{100 * row['wilson_high']:.0f})"


def _took(rows: list[Row], arm: str, episodes: int) -> str:
    row = find(rows, arm, episodes)
    if row is None:
        return "- | -"
    seconds = row["train_cpu_seconds"]
    return f"{'interrupted' if seconds is None else f'{seconds:.0f} s'} | {row['parameters'] / 1e3:.0f} k"


def _plot(document: Mapping[str, Any], path: Path) -> None:
    """Success over demonstrations, and in changed looks."""
    rows, sizes = document["cells"], document["budget"]["episodes"]
    with plot(10.5, 3.6, 1, 2) as (figure, (by_size, by_look)):
        for arm, colour in COLOURS.items():
            found = [row for n in sizes if (row := find(rows, arm, n)) is not None]
            if not found:
                continue
            size, low, high = ([row[key] for row in found] for key in ("episodes", "wilson_low", "wilson_high"))
            by_size.plot(size, [row["rate"] for row in found], marker="o", color=colour, label=ARMS[arm].title)
            by_size.fill_between(size, low, high, color=colour, alpha=0.12, linewidth=0)
        by_size.set_xscale("log")
        by_size.set_xticks(sizes, [str(n) for n in sizes])
        by_size.minorticks_off()
        by_size.set(title="as demonstrated", xlabel="demonstrations", ylabel="success", ylim=(-0.03, 1.03))
        names = [arm for arm in ARMS if find(rows, arm, max(sizes)) is not None]
        for place, arm in enumerate(names):
            for index, look in enumerate(LOOKS):
                row = find(rows, arm, max(sizes), look)
                if row is None:
                    continue
                x = index + 0.18 * (place - (len(names) - 1) / 2)
                by_look.plot([x, x], [row["wilson_low"], row["wilson_high"]], color=MUTED, linewidth=1.2)
                by_look.plot([x], [row["rate"]], "o", color=COLOURS[arm], markersize=6)
        by_look.set_xticks(range(len(LOOKS)), list(LOOKS))
        by_look.set(title=f"{max(sizes)} demonstrations, by look", ylim=(-0.03, 1.03), xlim=(-0.5, len(LOOKS) - 0.5))
        by_look.grid(axis="x", visible=False)
        figure.legend(*by_size.get_legend_handles_labels(), loc="outside right upper", fontsize=8)
        figure.savefig(path, format="svg", metadata={"Date": None})
