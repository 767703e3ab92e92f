"""The page and its pictures."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from bc_core.report.style import MODE_COLOURS, MUTED, plot
from benchmarks.lerobot.page import kept
from benchmarks.policies.cells import CHUNKS, LENGTHS, SHARES
from benchmarks.policies.fork import Fork
from benchmarks.policies.heads import ARMS
from benchmarks.policies.learning import HELD_OUT
from benchmarks.policies.tasks import TASKS, JudgedPushT
from benchmarks.policies.verdict import find, rate

COMPARED = ("fork", "conveyor", "pusht", "peg")
COLOURS = {"l2": "#d5562b", "l1": "#e0a04a", "mixture": "#7d6bb0", "act": "#3c8d5a", "diffusion": "#4aa3df",
           "flow": "#1b62c4"}  # fmt: skip


def write(document: Mapping[str, Any], folder: Path) -> None:
    """policies.md, policies_success.svg, and policies_claims.svg where its cells are there."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = document["cells"]
    _success(rows, folder / "policies_success.svg")
    claims = bool(find(rows, "catch", "flow", horizon=LENGTHS[0])) and bool(find(rows, "fork_left", "l2"))
    if claims:
        _claims(rows, folder / "policies_claims.svg")
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    page = environment.get_template("page.md.jinja").render(
        document=document, lines=[_line(document, arm) for arm in ARMS], chunks=CHUNKS, tasks=TASKS, fork=Fork,
        pusht=JudgedPushT, best=_best(rows), pictured=claims, long=_long(rows), held_out=HELD_OUT,
        compiled=_compiled(document["latency"]),
        steps={task: sorted({row["steps"] for row in rows if row["task"] == task and row["patience"] == 1.0})
               for task in COMPARED},
        seeds=len({row["seed"] for row in rows if row["task"] in COMPARED}), lerobot=kept(),
    )  # fmt: skip
    (folder / "policies.md").write_text(page, encoding="utf-8")


def _line(document: Mapping[str, Any], arm: str) -> dict[str, Any]:
    """A row of the table of heads; what was not run is a dash."""
    rows = document["cells"]
    found = {task: find(rows, task, arm) for task in COMPARED}
    latency = (document["latency"] or {"seconds": {}})["seconds"].get(arm)
    sizes = [row["parameters"] for row in found["pusht"] or found["conveyor"] or found["fork"]]
    times = [row["train_cpu_seconds"] / row["steps"] for each in found.values() for row in each]
    return {
        "title": ARMS[arm].title,
        "success": {task: _rate(each) for task, each in found.items()},
        "overlap": _mean([row["overlap"] for row in found["pusht"]], "{:.2f}"),
        "training": _mean([1e3 * value for value in times], "{:.1f}"),
        "parameters": f"{sizes[0] / 1e3:.0f} k" if sizes else "-",
        "latency": "-" if latency is None else f"{1e3 * latency:.1f}",
    }


def _compiled(latency: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """Of every head that was compiled: its share of the uncompiled one's time, and what the first chunk took [s]."""
    if latency is None:
        return []
    plain = latency["seconds"]
    return [
        {"title": ARMS[arm].title, "ratio": found["seconds"] / plain[arm], **found}
        for arm, found in latency["compiled"].items()
    ]


def _rate(found: Sequence[Mapping[str, Any]]) -> str:
    """Pooled over training seeds; the interval is over episodes."""
    if not found:
        return "-"
    low, high = (sum(row[key] for row in found) / len(found) for key in ("wilson_low", "wilson_high"))
    return f"{100 * (rate(found) or 0.0):.0f} ({100 * low:.0f}-{100 * high:.0f})"


def _mean(values: Sequence[float], form: str) -> str:
    return form.format(sum(values) / len(values)) if values else "-"


def _best(rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Of each task: the head that does best, with its figure."""
    found = {}
    for task in COMPARED:
        shares = {arm: share for arm in ARMS if (share := rate(find(rows, task, arm))) is not None}
        if shares:
            arm = max(shares, key=lambda name: shares[name])
            found[task] = f"{ARMS[arm].title}, {100 * shares[arm]:.0f} %"
    return found


def _long(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Policies for Push-T that were trained for longer than the others."""
    long = [row for row in rows if row["patience"] > 1.0 and row["task"] == "pusht"]
    return [{**row, "title": ARMS[row["arm"]].title} for row in long]


def _success(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    names = [arm for arm in ARMS if any(find(rows, task, arm) for task in COMPARED)]
    with plot(10.5, 1.2 + 0.3 * len(names), 1, len(COMPARED), sharey=True) as (figure, axes):
        for axis, task in zip(axes, COMPARED, strict=True):
            for height, arm in enumerate(names):
                found = find(rows, task, arm)
                if not found:
                    continue
                share = rate(found) or 0.0
                low, high = (sum(row[key] for row in found) / len(found) for key in ("wilson_low", "wilson_high"))
                axis.plot([low, high], [height, height], color=MUTED, linewidth=1.4)
                axis.plot([share], [height], "o", color=MODE_COLOURS["rtc"], markersize=6)
            axis.set(title=task, xlabel="success", xlim=(-0.03, 1.03))
            axis.grid(axis="y", visible=False)
        axes[0].set_yticks(range(len(names)), [ARMS[arm].title for arm in names])
        axes[0].set_ylim(len(names) - 0.5, -0.5)
        figure.savefig(path, format="svg", metadata={"Date": None})


def _claims(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Success over the length of chunks, and over the share of bad demonstrations."""
    with plot(10.5, 3.3, 1, 2) as (figure, (lengths, bad)):
        for task, colour in (("catch", COLOURS["flow"]), ("fork", COLOURS["mixture"])):
            found = [row for length in LENGTHS for row in find(rows, task, "flow", horizon=length)]
            if found:
                _band(lengths, [row["horizon"] for row in found], found, colour, task)
        lengths.legend(fontsize=8)
        lengths.set_xscale("log", base=2)
        lengths.set_xticks(LENGTHS, [str(length) for length in LENGTHS])
        lengths.set(
            title="flow matching, by length of chunks",
            xlabel="rows, all executed",
            ylabel="success",
            ylim=(-0.03, 1.03),
        )
        for arm, colour in COLOURS.items():
            found = [row for share in SHARES for row in find(rows, "fork_left", arm, careless=share)]
            if found:
                _band(bad, [row["careless"] for row in found], found, colour, ARMS[arm].title)
        bad.set(title="fork with one way, by bad demonstrations", xlabel="share of them", ylim=(-0.03, 1.03))
        bad.legend(fontsize=8)
        figure.savefig(path, format="svg", metadata={"Date": None})


def _band(axis: Any, x: list[float], rows: Sequence[Mapping[str, Any]], colour: str, label: str) -> None:
    axis.plot(x, [row["solved"] for row in rows], marker="o", markersize=4, color=colour, label=label)
    low, high = [row["wilson_low"] for row in rows], [row["wilson_high"] for row in rows]
    axis.fill_between(x, low, high, color=colour, alpha=0.12, linewidth=0)
