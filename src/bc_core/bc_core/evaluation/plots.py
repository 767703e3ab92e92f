"""Plots of a policy's page; each returns an SVG data URI."""

from collections.abc import Sequence

import numpy as np

from bc_core.chunks import Array
from bc_core.contract import Contract
from bc_core.evaluation.chunks import RowErrors
from bc_core.policies.chunk_policy import ChunkPolicy
from bc_core.report.style import ALARM, BAND, INK, MODE_COLOURS, MUTED, as_svg, plot
from bc_core.training.curves import Curves
from bc_core.training.data import Frames

_BLUE, _GREEN, _ORANGE = MODE_COLOURS["rtc"], MODE_COLOURS["no_delay"], MODE_COLOURS["naive"]
_SHOWN = 4  # frames and columns of the sample plot
_COLUMNS = 5  # of the grid of normalisation plots


def curve_plot(curves: Curves) -> str:
    """Training and validation loss over steps; scores of roll-outs where there were any."""
    steps = np.arange(1, len(curves.losses) + 1)
    window = max(1, len(steps) // 100)
    with plot(11, 3.2, 1, 1 + bool(curves.scores)) as (figure, axes):
        axes[0].plot(steps, curves.losses, color=BAND, linewidth=0.7)
        kernel = np.ones(window) / window
        axes[0].plot(steps[window - 1 :], np.convolve(curves.losses, kernel, "valid"), color=_BLUE, label="training")
        if curves.validation:
            done, loss = zip(*curves.validation, strict=True)
            axes[0].plot(done, loss, "o-", markersize=3.5, color=_ORANGE, label="held out (averaged weights)")
        if min(curves.losses) > 0.0 and min((loss for _, loss in curves.validation), default=1.0) > 0.0:
            axes[0].set_yscale("log")
        axes[0].set(xlabel="step", ylabel="loss", title="Loss")
        axes[0].legend(loc="upper right")
        if curves.scores:
            done, score = zip(*curves.scores, strict=True)
            axes[1].plot(done, score, "o-", color=_GREEN)
            best = max(range(len(score)), key=lambda index: (score[index], index))
            axes[1].plot(
                [done[best]], [score[best]], "o", markersize=11, markerfacecolor="none", color=INK, label="kept"
            )
            axes[1].set(xlabel="step", ylabel="success in simulation", ylim=(-0.03, 1.05), title="Roll-outs")
            axes[1].legend(loc="lower right")
        return as_svg(figure)


def error_plot(errors: Sequence[RowErrors], dt: float) -> str:
    """Error of every quantity over the rows of a chunk."""
    with plot(11, 3.0, 1, len(errors)) as (figure, axes):
        for axis, error in zip(axes, errors, strict=True):
            seconds = dt * np.arange(len(error.mean))
            scale, unit = (1e3, "m" + error.unit)
            axis.plot(seconds, scale * error.p95, color=MUTED, linewidth=1, label="p95")
            axis.plot(seconds, scale * error.mean, color=_BLUE, label="mean")
            if not np.array_equal(error.best, error.mean, equal_nan=True):
                axis.plot(seconds, scale * error.best, color=_GREEN, linestyle="--", label="nearest sample")
            axis.set(xlabel="ahead [s]", ylabel=f"error [{unit}]", title=error.quantity, ylim=(0, None))
        axes[0].legend(loc="upper left")
        return as_svg(figure)


def action_plot(policy: ChunkPolicy) -> str:
    """Mean and standard deviation of every encoded action column over the rows: what the network's 0 and 1 mean."""
    mean, std = policy.action_normaliser.mean, policy.action_normaliser.std
    names = encoded_names(policy)
    lines = -(-len(names) // _COLUMNS)
    with plot(11, 1.55 * lines, lines, _COLUMNS, sharex=True) as (figure, axes):
        rows = np.arange(len(mean))
        for column, (axis, name) in enumerate(zip(axes, names, strict=False)):
            low, high = mean[:, column] - std[:, column], mean[:, column] + std[:, column]
            axis.fill_between(rows, low, high, color=BAND, linewidth=0)
            axis.plot(rows, mean[:, column], color=_BLUE)
            axis.set_title(name, fontsize=8.5)
            axis.tick_params(labelsize=8)
        for axis in axes[len(names) :]:
            axis.set_visible(False)
        return as_svg(figure)


def feature_plot(policy: ChunkPolicy, frames: Frames) -> str:
    """Where the features of these frames lie, normalised: 1 % to 99 %, and the extremes."""
    values = policy.feature_normaliser.normalise(frames.features)
    low, q01, q99, high = np.quantile(values, (0.0, 0.01, 0.99, 1.0), axis=0)
    index = np.arange(values.shape[1])
    with plot(11, 2.6) as (figure, (axis,)):
        axis.vlines(index, low, high, color=MUTED, linewidth=0.8)
        axis.vlines(index, q01, q99, color=_BLUE, linewidth=4)
        for bound in (-1.0, 1.0):
            axis.axhline(bound, color=INK, linewidth=0.6, linestyle=(0, (4, 3)))
        far = (low < -6.0) | (high > 6.0)
        axis.plot(index[far], np.clip(np.where(-low > high, low, high), -10.0, 10.0)[far], "x", color=ALARM)
        axis.set(xlabel="feature", ylabel="normalised", ylim=(max(-10.5, low.min() - 0.5), min(10.5, high.max() + 0.5)))
        axis.grid(axis="x", visible=False)
        return as_svg(figure)


def sample_plot(policy: ChunkPolicy, frames: Frames, predicted: Array) -> str:
    """Chunks (S, N, H, D) drawn for some frames over what was demonstrated, in the columns that move most."""
    movement = np.abs(np.diff(frames.actions, axis=1)).mean(axis=(0, 1))
    columns = sorted(np.argsort(movement)[::-1][:_SHOWN].tolist())
    chosen = np.linspace(0, len(frames) - 1, min(_SHOWN, len(frames)) + 2).round().astype(int)[1:-1]
    names, seconds = action_names(policy.contract), policy.contract.grid.dt * np.arange(policy.horizon)
    with plot(11, 1.9 * len(columns), len(columns), len(chosen), sharex=True) as (figure, axes):
        for line, column in enumerate(columns):
            for place, index in enumerate(chosen):
                axis = axes[line * len(chosen) + place]
                for sample in predicted[:, index, :, column]:
                    axis.plot(seconds, sample, color=_BLUE, alpha=0.5, linewidth=1)
                demonstrated = np.where(frames.valid[index], frames.actions[index, :, column], np.nan)
                axis.plot(seconds, demonstrated, color=INK, linewidth=2, linestyle=(0, (1, 1)))
                axis.tick_params(labelsize=8)
                if line == 0:
                    axis.set_title(f"frame {index}", fontsize=9)
                if place == 0:
                    axis.set_ylabel(names[column], fontsize=8)
                if line == len(columns) - 1:
                    axis.set_xlabel("ahead [s]")
        return as_svg(figure)


def action_names(contract: Contract) -> list[str]:
    """Of every column of an absolute action."""
    pose = ("x", "y", "z", "qx", "qy", "qz", "qw")
    return [
        name if group.names else f"{group.name} {name}" for group in contract.groups for name in (group.names or pose)
    ]


def encoded_names(policy: ChunkPolicy) -> list[str]:
    """Of every column of an encoded action; a rotation's are six numbers of its matrix."""
    pose = ("x", "y", "z", *(f"R{row}{column}" for column in (1, 2) for row in (1, 2, 3)))
    return [
        name if group.names else f"{group.name} {name}"
        for group in policy.contract.groups
        for name in (group.names or pose)
    ]
