"""Plots of the report; each takes loaded trials and returns an SVG data URI."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from bc_core.grid import NANOSECONDS
from bc_core.report.changes import Change, changes
from bc_core.report.statistics import quantile
from bc_core.report.style import (
    ALARM,
    INK,
    JOINT_COLOURS,
    MODE_COLOURS,
    MODE_NAMES,
    MUTED,
    RULE,
    as_svg,
    plot,
)
from bc_core.report.trials import Trial

_SMALLEST_JUMP = 1e-6  # [rad]; the logarithmic axis of jumps begins here


def delay_plot(trials: Sequence[Trial]) -> str:
    """Estimated and measured delay of every chunk in order, trial after trial, and how often each delay occurred."""
    series = [changes(trial.recording, trial.grid) for trial in trials]
    flat = [change for found in series for change in found]
    measured = np.array([change.measured for change in flat])
    estimated = np.array([np.nan if change.estimated is None else change.estimated for change in flat])
    under = measured > estimated
    dt_ms = trials[0].grid.dt * 1e3
    with plot(11, 3.3, 1, 2, sharey=True, width_ratios=[5, 1]) as (figure, (time, share)):
        for boundary in np.cumsum([len(found) for found in series])[:-1]:
            time.axvline(boundary - 0.5, color=RULE, linewidth=0.7)
        index = np.arange(len(flat))
        time.step(index, estimated, where="mid", color=MUTED, linewidth=1.1, label="estimated")
        time.plot(index[~under], measured[~under], ".", color=MODE_COLOURS["rtc"], markersize=4, label="measured")
        time.plot(index[under], measured[under], ".", color=ALARM, markersize=6, label="measured above the estimate")
        time.grid(axis="x", visible=False)
        time.set(xlabel="chunk (vertical rules: trials)", ylabel=f"delay [ticks of {dt_ms:g} ms]", xlim=(-1, len(flat)))
        time.legend(loc="upper left", ncols=3, bbox_to_anchor=(0, 1.14), borderaxespad=0)
        levels = np.arange(0, int(np.nanmax([*measured, *estimated, 1])) + 2)
        counts = np.array([(measured == level).sum() for level in levels])
        share.barh(levels, 100 * counts / max(len(flat), 1), height=0.7, color=MODE_COLOURS["rtc"])
        share.grid(axis="y", visible=False)
        share.set(xlabel="share of chunks [%]", ylim=(-0.6, levels[-1] + 0.6))
        share.yaxis.set_major_locator(MaxNLocator(integer=True))
        return as_svg(figure)


def jump_plot(by_mode: Mapping[str, Sequence[Trial]], normal_step: float | None) -> str:
    """Every raw jump of every mode on a logarithmic axis, p99 marked; jumps below the axis stand at its left end."""
    found = {
        mode: [c for trial in trials for c in changes(trial.recording, trial.grid)] for mode, trials in by_mode.items()
    }
    with plot(11, 1.3 + 0.62 * len(found), 1, 2, sharey=True) as (figure, (effect, row_d)):
        _strip(effect, {mode: [c.jump_at_effect for c in items] for mode, items in found.items()}, normal_step)
        _strip(row_d, {mode: _row_d(items) for mode, items in found.items()}, normal_step)
        effect.set_title("at the moment of effect")
        row_d.set_title("at row d, the first that is not frozen")
        effect.set_yticks(range(len(found)), [MODE_NAMES[mode] for mode in found])
        effect.tick_params(axis="y", labelcolor=INK)
        effect.set_ylim(len(found) - 0.45, -0.65)
        return as_svg(figure)


def _row_d(items: Sequence[Change]) -> list[float]:
    return [change.jump_at_row_d for change in items if change.jump_at_row_d is not None]


def _strip(axis: Axes, values: dict[str, list[float]], normal_step: float | None) -> None:
    """One row of jittered points per mode; the jitter is seeded."""
    for row, (mode, jumps) in enumerate(values.items()):
        finite = np.array([jump for jump in jumps if np.isfinite(jump)])
        scatter = np.random.default_rng(row).uniform(-0.23, 0.23, finite.size)
        shown = np.maximum(finite, _SMALLEST_JUMP)
        axis.plot(
            shown, row + scatter, ".", color=MODE_COLOURS[mode], markersize=3, alpha=0.5, rasterized=finite.size > 3000
        )
        p99 = quantile(finite, 0.99)
        if p99 is not None:
            axis.plot([max(p99, _SMALLEST_JUMP)] * 2, [row - 0.36, row + 0.36], color=INK, linewidth=1.6)
    if normal_step is not None:
        axis.axvline(normal_step, color=MUTED, linewidth=1, linestyle=(0, (4, 3)))
        axis.annotate(
            "one-tick step in demonstrations, p99",
            (normal_step, -0.62),
            xytext=(-4, 0),
            textcoords="offset points",
            color=MUTED,
            fontsize=8,
            va="top",
            ha="right",
        )
    axis.set_xscale("log")
    axis.set_xlim(_SMALLEST_JUMP * 0.7, 3)
    axis.grid(axis="y", visible=False)
    axis.set_xlabel("raw jump [rad], norm over joints; bar: p99")


def motion_plot(trials: Sequence[Trial]) -> str:
    """Tracking error and commanded torque of every joint over one trial per column."""
    with plot(11, 4.7, 2, len(trials), sharex="col", sharey="row") as (figure, axes):
        for column, trial in enumerate(trials):
            motion = trial.recording.motion
            seconds = (motion.time_ns - motion.time_ns[0]) / NANOSECONDS if motion.time_ns.size else np.empty(0)
            error, torque = axes[column], axes[len(trials) + column]
            for joint, name in enumerate(motion.joint_names):
                colour = JOINT_COLOURS[joint % len(JOINT_COLOURS)]
                error.plot(seconds, 1e3 * motion.error[:, joint], color=colour, linewidth=0.9, label=name)
                torque.plot(seconds, motion.effort[:, joint], color=colour, linewidth=0.9)
            error.set_title(f"{MODE_NAMES[trial.mode]}, seed {trial.seed}: {'success' if trial.success else 'failure'}")
            torque.set_xlabel("time [s]")
        axes[0].set_ylabel("reference less\nmeasured [mrad]")
        axes[len(trials)].set_ylabel("commanded\ntorque [Nm]")
        names = trials[0].recording.motion.joint_names
        handles = [
            Line2D([], [], color=JOINT_COLOURS[i % len(JOINT_COLOURS)], label=name) for i, name in enumerate(names)
        ]
        if handles:
            figure.legend(
                handles=handles, loc="outside lower center", ncols=len(handles), handlelength=1.2, columnspacing=1.4
            )
        return as_svg(figure)
