"""The page and its pictures."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from bc_core.report.style import MUTED, plot
from benchmarks.dagger import driving
from benchmarks.dagger.lane import Lane
from benchmarks.dagger.learners import ARMS, ASKED, EPISODES, MEMBERS

COLOURS = {"bc": "#d5562b", "batch": "#3c8d5a", "dagger": "#1b62c4", "mixed": "#4aa3df", "gated": "#7d6bb0"}


def write(document: Mapping[str, Any], folder: Path) -> None:
    """dagger.md, dagger_success.svg and dagger_growth.svg."""
    folder.mkdir(parents=True, exist_ok=True)
    _success(document, folder / "dagger_success.svg")
    _growth(document, folder / "dagger_growth.svg")
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    page = environment.get_template("page.md.jinja").render(
        document=document, arms=ARMS, lane=Lane, driving=driving, episodes=EPISODES, members=MEMBERS, asked=ASKED,
        supervisor=driving.Supervisor, seeds=len({run["seed"] for run in document["runs"]}),
    )  # fmt: skip
    (folder / "dagger.md").write_text(page, encoding="utf-8")


def _success(document: Mapping[str, Any], path: Path) -> None:
    with plot(6.6, 3.6) as (figure, (axes,)):
        for name, rounds in document["success"].items():
            rows = [each["rows"] for each in rounds]
            axes.plot(rows, [each["rate"] for each in rounds], marker="o", markersize=3.5, color=COLOURS[name],
                      label=ARMS[name].title, clip_on=False)  # fmt: skip
            low, high = [each["low"] for each in rounds], [each["high"] for each in rounds]
            axes.fill_between(rows, low, high, color=COLOURS[name], alpha=0.12, linewidth=0)
        axes.set(title="Success by what the expert gave", xlabel="expert rows", ylabel="never outside", ylim=(0.0, 1.0))
        figure.legend(loc="outside right upper", fontsize=8)
        figure.savefig(path, format="svg", metadata={"Date": None})


def _growth(document: Mapping[str, Any], path: Path) -> None:
    """Cost by horizon, with the slopes of T and T^2 to compare with."""
    with plot(6.6, 3.8) as (figure, (axes,)):
        longest = 1
        for name, growth in document["growth"].items():
            cost = np.array(growth["cost"])
            ticks = np.arange(1, len(cost) + 1)
            longest = max(longest, len(cost))
            seen = cost > 0.0
            if seen.any():
                axes.loglog(ticks[seen], cost[seen], color=COLOURS[name], label=ARMS[name].title)
            else:
                axes.plot([], [], color=COLOURS[name], label=f"{ARMS[name].title}: none")
        ends = np.array([10.0, longest])
        for power, style in ((1, ":"), (2, "--")):
            label = "grows as T" if power == 1 else "grows as T²"
            axes.loglog(ends, 0.01 * (ends / 10.0) ** power, style, color=MUTED, linewidth=1.0, label=label)
        axes.set(title="Error by horizon, last policies", xlabel="T [ticks]", ylabel="ticks outside until T")
        axes.set(ylim=(1e-3, None))
        figure.legend(loc="outside right upper", fontsize=8)
        figure.savefig(path, format="svg", metadata={"Date": None})
