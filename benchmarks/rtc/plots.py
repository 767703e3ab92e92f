"""The pictures of the benchmark, as SVG beside rtc.json."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bc_core.report.style import plot
from benchmarks.rtc.arms import ARMS
from benchmarks.rtc.report import KINETIX

COLOURS = {
    "naive": "#d5562b",
    "ensemble": "#b5a327",
    "rtc": "#1b62c4",
    "rtc_faded": "#4aa3df",
    "rtc_on_path": "#17a2a2",
    "rtc_paper": "#1c2430",
    "rtc_hard": "#12325e",
    "conditioned": "#3c8d5a",
    "foresight": "#7d6bb0",
    "rtc_foresight": "#b3367d",
    "corrected": "#66707d",
    "sync": "#c0b8b0",
    "bid": "#e0a04a",
}


WIDE = 3  # panels in a row


def write(document: Mapping[str, Any], folder: Path) -> list[Path]:
    """rtc_delay.svg: solve rate over delay, by task, with Kinetix beside; rtc_s.svg, rtc_h16.svg: where run."""
    tight = [row for row in document["cells"] if row["H"] == 8 and row["s"] == max(row["d"], 1)]
    written = [_over(tight, folder / "rtc_delay.svg", "d", beside=True)]
    at_one = [row for row in document["cells"] if row["H"] == 8 and row["d"] == 1]
    wide = {(row["task"], row["strategy"]) for row in at_one if row["s"] > 1}
    if wide:
        swept = [row for row in at_one if (row["task"], row["strategy"]) in wide]
        written.append(_over(swept, folder / "rtc_s.svg", "s"))
    if any(row["H"] == 16 for row in document["cells"]):
        longer = [row for row in document["cells"] if row["H"] == 16]
        written.append(_over(longer, folder / "rtc_h16.svg", "d"))
    return written


def _over(cells: Sequence[Mapping[str, Any]], path: Path, axis: str, beside: bool = False) -> Path:
    rows = [row for row in cells if row["strategy"] in COLOURS]
    tasks = list(dict.fromkeys(row["task"] for row in rows))
    panels = len(tasks) + beside
    columns = min(panels, WIDE)
    lines = math.ceil(panels / columns)
    with plot(3.1 * columns + 2.6, 3.3 * lines, lines, columns, sharey=True) as (figure, axes):
        for panel in axes[panels:]:
            panel.remove()
        for panel, task in zip(axes, tasks, strict=False):
            for name, colour in COLOURS.items():
                line = sorted((row[axis], row["solved"], row["wilson_low"], row["wilson_high"])
                              for row in rows if row["task"] == task and row["strategy"] == name)  # fmt: skip
                if not line:
                    continue
                x, y, low, high = (list(column) for column in zip(*line, strict=True))
                style = "--" if name == "rtc_paper" else "-"
                panel.plot(x, y, style, marker="o", markersize=3.5, color=colour, label=ARMS[name].title)
                panel.fill_between(x, low, high, color=colour, alpha=0.12, linewidth=0)
            panel.set(title=task, xlabel=f"{axis} [ticks]", ylim=(-0.02, 1.02))
        if beside:
            for name, strategy in (("naive", "naive"), ("RTC", "rtc"), ("A2C2", "corrected")):
                shares = [value / 100.0 for value in KINETIX[name]]
                axes[panels - 1].plot(range(5), shares, marker="o", markersize=3.5, color=COLOURS[strategy], label=name)
            axes[panels - 1].set(title="Kinetix, published", xlabel="d [ticks]")
            axes[panels - 1].legend(fontsize=7.5, loc="lower left")
        for panel in axes[::columns]:
            panel.set_ylabel("solved")
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside right upper", fontsize=8)
        figure.savefig(path, format="svg", metadata={"Date": None})
    return path
