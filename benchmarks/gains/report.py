"""The page and its picture."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, Normalize

from bc_core.report.style import INK, MODE_COLOURS, PAPER, RULE, plot
from benchmarks.gains import motion
from benchmarks.gains.verdict import points
from benchmarks.gains.world import PRESETS

GRID = (("CO", "SO"), ("CU", "SU"))  # rows: over-, underdamped; columns: compliant, stiff
BETTER, WORSE = MODE_COLOURS["rtc"], PAPER


def write(document: Mapping[str, Any], folder: Path) -> None:
    """gains.md and gains.svg."""
    folder.mkdir(parents=True, exist_ok=True)
    _picture(document, folder / "gains.svg")
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"share": _share, "points": points, "number": _number}
    page = environment.get_template("page.md.jinja").render(document=document, names=PRESETS, motion=motion)
    (folder / "gains.md").write_text(page, encoding="utf-8")


def _share(found: Mapping[str, Any]) -> str:
    """A success rate in % with its interval."""
    if found["rate"] is None:
        return "-"
    return f"{100 * found['rate']:.0f} ({100 * found['low']:.0f}-{100 * found['high']:.0f})"


def _number(value: float | None, form: str, factor: float = 1.0) -> str:
    return "-" if value is None else form % (factor * value)


def _picture(document: Mapping[str, Any], path: Path) -> None:
    """Four panels, each a preset by square: the deeper the colour the better."""
    presets = document["presets"]
    with plot(8.0, 6.6, rows=2, columns=2) as (figure, axes):
        _success(axes[0], "Policy: success", {name: presets[name]["policy"] for name in PRESETS})
        _success(axes[1], "Expert: success", {name: presets[name]["expert"] for name in PRESETS})
        error = {name: presets[name]["policy"]["tool"] for name in PRESETS}
        _squares(axes[2], "Policy: tool's tracking error, RMS", error, "%.1f mm", 1e3, False)
        jerk = {name: presets[name]["expert"]["smoothness"] for name in PRESETS}
        _squares(axes[3], "Demonstrations: log dimensionless jerk", jerk, "%.1f", 1.0, True)
        figure.savefig(path, format="svg", metadata={"Date": None})


def _success(axes: Axes, title: str, found: Mapping[str, Mapping[str, Any]]) -> None:
    values = {name: each["rate"] for name, each in found.items()}
    notes = {name: _share(each).partition(" ")[2] for name, each in found.items()}
    _squares(axes, title, values, "%.0f %%", 100.0, True, notes, Normalize(0.0, 1.0))


def _squares(
    axes: Axes,
    title: str,
    values: Mapping[str, float | None],
    form: str,
    factor: float,
    more_is_better: bool,
    notes: Mapping[str, str] | None = None,
    scale: Normalize | None = None,
) -> None:
    known = [value for value in values.values() if value is not None]
    scale = scale or Normalize(min(known, default=0.0), max(known, default=1.0))
    colours = LinearSegmentedColormap.from_list("better", [WORSE, BETTER] if more_is_better else [BETTER, WORSE])
    axes.set(title=title, xlim=(0, 2), ylim=(2, 0), xticks=(0.5, 1.5), yticks=(0.5, 1.5))
    axes.set_xticklabels(["compliant", "stiff"])
    axes.set_yticklabels(["overdamped", "underdamped"], rotation=90, va="center")
    axes.grid(False)
    for y, row in enumerate(GRID):
        for x, name in enumerate(row):
            value = values[name]
            depth = 0.0 if value is None else float(scale(value))
            face = colours(0.08 + 0.72 * depth) if more_is_better else colours(0.2 + 0.72 * depth)
            axes.fill_between([x, x + 1], y, y + 1, facecolor=face, edgecolor=RULE)
            deep = depth > 0.55 if more_is_better else depth < 0.45
            colour = PAPER if deep else INK
            axes.text(x + 0.05, y + 0.14, name, color=colour, fontsize=9)
            axes.text(
                x + 0.5, y + 0.5, _number(value, form, factor), color=colour, ha="center", va="center", fontsize=15
            )
            if notes is not None:
                axes.text(x + 0.5, y + 0.74, notes[name], color=colour, ha="center", va="center", fontsize=9)
