"""The chunk overlay: successive chunks over each other around the moment at which a trial's reference jumped most."""

from collections.abc import Sequence
from itertools import zip_longest

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from bc_core.chunks import Array, joint_columns
from bc_core.grid import NANOSECONDS
from bc_core.report.changes import changes
from bc_core.report.recording import InForce
from bc_core.report.style import BAND, FREE, FROZEN, GUIDED, MODE_NAMES, MUTED, RULE, as_svg, plot
from bc_core.report.trials import Trial

_BEFORE_S, _AFTER_S = 1.1, 1.1
# colour and size [pt]: where rows of several chunks meet, the smaller dots lie inside the larger ones
_DOTS = {"free": (FREE, 6.4), "guided": (GUIDED, 4.4), "frozen": (FROZEN, 2.4)}


def overlay_plot(trials: Sequence[Trial]) -> str:
    """One panel per trial, each around the largest raw jump of its chunk changes, for the joint that jumped most."""
    with plot(11, 4.3, 1, len(trials)) as (figure, axes):
        for axis, trial in zip(axes, trials, strict=True):
            _panel(axis, trial)
        handles = [
            Line2D([], [], color=colour, marker="o", markersize=size, linewidth=0.6, label=f"{name} rows")
            for name, (colour, size) in reversed(_DOTS.items())
        ]
        handles += [
            Line2D([], [], color=BAND, linewidth=7, label="reference in force"),
            Line2D([], [], color=MUTED, linewidth=1.2, linestyle=(0, (2, 1.5)), label="measured"),
        ]
        figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), columnspacing=2)
        return as_svg(figure)


def row_classes(item: InForce) -> list[str]:
    """What the policy could do with each row: "frozen" rows repeat the old chunk, "guided" ones are pulled towards it
    (Eq. 5: up to row H - s), "free" ones are new. Without frozen rows there was no prefix: all are free.
    """
    chunk = item.chunk
    guided_until = chunk.horizon - (item.execution_horizon or chunk.horizon) if chunk.frozen else 0
    return [
        "frozen" if row < chunk.frozen else "guided" if row < guided_until else "free" for row in range(chunk.horizon)
    ]


def _panel(axis: Axes, trial: Trial) -> None:
    found = changes(trial.recording, trial.grid)
    later = [change for change in found if not change.first] or found
    if not later:
        axis.set_title(f"{MODE_NAMES[trial.mode]}, seed {trial.seed}: no chunk took effect")
        return
    worst = max(later, key=lambda change: max(change.jump_at_effect, change.jump_at_row_d or 0.0))
    centre = worst.item.effective_ns
    start, end = centre - int(_BEFORE_S * NANOSECONDS), centre + int(_AFTER_S * NANOSECONDS)
    items = trial.recording.in_force
    joint = _joint_that_jumped(items, worst.item)
    for item in items:
        if item.chunk.end_ns >= start and item.chunk.stamp_ns <= end:
            _draw_chunk(axis, item, joint, centre)
            if start <= item.effective_ns <= end:
                axis.axvline((item.effective_ns - centre) / NANOSECONDS, color=RULE, linewidth=1, zorder=0.5)
    times, values = _reference(items, joint, start, end)
    axis.plot((times - centre) / NANOSECONDS, values, color=BAND, linewidth=7, solid_joinstyle="round", zorder=1)
    motion = trial.recording.motion
    columns = joint_columns(worst.item.chunk.groups)
    if motion.time_ns.size:
        measured = motion.position[:, columns.index(joint)]
        axis.plot(
            (motion.time_ns - centre) / NANOSECONDS,
            measured,
            color=MUTED,
            linewidth=1.2,
            linestyle=(0, (2, 1.5)),
            zorder=3,
        )
    name = motion.joint_names[columns.index(joint)] if motion.joint_names else f"column {joint}"
    axis.set_title(f"{MODE_NAMES[trial.mode]}, seed {trial.seed}")
    axis.set(xlim=(-_BEFORE_S, _AFTER_S), xlabel="time from its largest jump [s]; vertical rules: a chunk takes effect")
    axis.set_ylabel(f"{name} [rad]")
    axis.grid(axis="x", visible=False)
    _fit_height(axis)


def _joint_that_jumped(items: Sequence[InForce], item: InForce) -> int:
    """Column of the joint that differs most between a chunk and the one before it, over the rows that both have."""
    columns = joint_columns(item.chunk.groups)
    position = items.index(item)
    old = items[position - 1].chunk if position and items[position - 1].epoch == item.epoch else None
    rows = range(item.chunk.horizon)
    times = [item.chunk.stamp_ns + row * item.chunk.dt_ns for row in rows]
    shared = [row for row in rows if old is not None and item.effective_ns <= times[row] <= old.end_ns]
    if old is None or not shared:
        return columns[int(np.argmax(np.ptp(item.chunk.actions[:, columns], axis=0)))]
    gaps = np.abs(np.stack([item.chunk.actions[row] - old.sample(times[row]) for row in shared]))[:, columns]
    return columns[int(np.argmax(gaps.max(axis=0)))]


def _draw_chunk(axis: Axes, item: InForce, joint: int, centre: int) -> None:
    chunk = item.chunk
    seconds = (chunk.stamp_ns - centre + np.arange(chunk.horizon) * chunk.dt_ns) / NANOSECONDS
    values = chunk.actions[:, joint]
    classes = np.array(row_classes(item))
    axis.plot(seconds, values, color=MUTED, linewidth=0.6, alpha=0.7, zorder=2)
    for layer, (name, (colour, size)) in enumerate(_DOTS.items()):
        rows = classes == name
        axis.plot(
            seconds[rows], values[rows], "o", color=colour, markersize=size, markeredgewidth=0, zorder=2.1 + layer / 10
        )


def _reference(items: Sequence[InForce], joint: int, start: int, end: int) -> tuple[Array, Array]:
    """The reference in force, drawn with its jumps: NaN where there is none; times in ns, as float64."""
    times: list[float] = []
    values: list[float] = []
    for item, successor in zip_longest(items, items[1:]):
        first = max(item.effective_ns, start)
        last = min(item.chunk.end_ns, end, successor.effective_ns if successor else end)
        if last <= first:
            continue
        for time in [*range(first, last, 5_000_000), last]:
            times.append(time)
            values.append(float(item.chunk.sample(time)[joint]))
        if successor is None or last < successor.effective_ns:
            times.append(last)
            values.append(np.nan)
    return np.array(times, dtype=np.float64), np.array(values)


def _fit_height(axis: Axes) -> None:
    """Limit the height to what is drawn inside the window."""
    low, high = axis.get_xlim()
    shown = []
    for line in axis.get_lines():
        x, y = np.asarray(line.get_xdata(), dtype=float), np.asarray(line.get_ydata(), dtype=float)
        if x.size > 2:  # rules have two points, in other coordinates
            inside = (x >= low) & (x <= high) & np.isfinite(y)
            shown.append(y[inside])
    together = np.concatenate(shown) if shown else np.empty(0)
    if together.size:
        margin = 0.06 * max(float(np.ptp(together)), 0.02)
        axis.set_ylim(together.min() - margin, together.max() + margin)
