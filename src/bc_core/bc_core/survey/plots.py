"""Plots of a survey; each returns an SVG data URI, or None where there is nothing to draw."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from bc_core.report.style import ALARM, BAND, INK, MODE_COLOURS, MUTED, as_svg, plot
from bc_core.survey.measure import EpisodeMeasure

OUTCOME_COLOURS = {"success": "#3c8d5a", "failure": ALARM, "aborted": "#b5a327", "unlabelled": MUTED}
_COLUMNS = 4  # of the grid of coverage plots
_BINS = 40


def length_plot(episodes: Sequence[EpisodeMeasure]) -> str:
    """How long episodes are, by outcome; and how smooth and how idle."""
    edges = np.histogram_bin_edges([episode.seconds for episode in episodes], bins=min(_BINS, max(5, len(episodes))))
    with plot(11, 3.0, 1, 3) as (figure, (length, smooth, idle)):
        present = [name for name in OUTCOME_COLOURS if any(episode.outcome == name for episode in episodes)]
        length.hist(
            [[episode.seconds for episode in episodes if episode.outcome == name] for name in present],
            bins=edges.tolist(), stacked=True, color=[OUTCOME_COLOURS[name] for name in present], label=present,
        )  # fmt: skip
        length.set(xlabel="length of an episode [s]", ylabel="episodes", title="Length")
        length.legend(loc="upper right")
        jerks = [episode.jerk for episode in episodes if episode.jerk is not None]
        smooth.hist(jerks, bins=_BINS, color=MODE_COLOURS["rtc"])
        smooth.set(xlabel="RMS jerk of the command [rad/s³]", title="Smoothness")
        shares = [100 * episode.idle / max(1, episode.commanded) for episode in episodes]
        idle.hist(shares, bins=np.linspace(0, max(5.0, *shares), _BINS).tolist(), color=MODE_COLOURS["sync"])
        idle.set(xlabel="commanded ticks that stand still [%]", title="Idle stretches")
        for axis in (length, smooth, idle):
            axis.grid(axis="x", visible=False)
        return as_svg(figure)


def stream_plot(episodes: Sequence[EpisodeMeasure]) -> str | None:
    """Rate relative to the contract, longest gap and latency of every topic, one point per episode."""
    topics = list(dict.fromkeys(topic for episode in episodes for topic in episode.streams))
    if not topics:
        return None
    with plot(11, 1.2 + 0.42 * len(topics), 1, 3, sharey=True) as (figure, (rate, gap, latency)):
        for row, topic in enumerate(topics):
            found = [episode.streams[topic] for episode in episodes if topic in episode.streams]
            scatter = row + np.random.default_rng(row).uniform(-0.22, 0.22, len(found))
            style: dict[str, Any] = {
                "marker": ".",
                "markersize": 4,
                "linestyle": "",
                "color": MODE_COLOURS["rtc"],
                "alpha": 0.5,
            }
            rate.plot([100 * stream.rate / stream.nominal_hz for stream in found], scatter, **style)
            gap.plot([1e3 * stream.longest_gap for stream in found], scatter, **style)
            latency.plot([1e3 * stream.latency for stream in found], scatter, **style)
        rate.axvline(100, color=INK, linewidth=1)
        rate.set_yticks(range(len(topics)), topics)
        rate.tick_params(axis="y", labelcolor=INK)
        shown = [100 * s.rate / s.nominal_hz for episode in episodes for s in episode.streams.values()]
        rate.set(xlabel="rate [% of the contract's]", ylim=(len(topics) - 0.5, -0.5))
        rate.set_xlim(min(90, 0.98 * min(shown)), max(105, 1.02 * max(shown)))
        gap.set(xlabel="longest gap [ms]", xlim=(0, None))
        latency.set_xlabel("reception less stamp, p99 [ms]")
        for axis in (rate, gap, latency):
            axis.grid(axis="y", visible=False)
        return as_svg(figure)


def coverage_plot(episodes: Sequence[EpisodeMeasure]) -> str | None:
    """Where every number of the observations was, and where every command: what a policy has and has not seen."""
    episodes = [episode for episode in episodes if episode.states.size]
    if not episodes:
        return None
    columns = episodes[0].columns
    states = np.concatenate([episode.states for episode in episodes if episode.columns == columns])
    rows = -(-len(columns) // _COLUMNS)
    with plot(11, 1.35 * rows, rows, _COLUMNS) as (figure, axes):
        for axis, name, values in zip(axes, columns, states.T, strict=False):
            axis.hist(values, bins=_BINS, color=BAND, linewidth=0)
            low, high = np.quantile(values, (0.01, 0.99))
            axis.axvspan(low, high, color=MODE_COLOURS["rtc"], alpha=0.15, linewidth=0)
            axis.set_title(name, fontsize=8.5)
            axis.set_yticks([])
            axis.tick_params(labelsize=8)
        for axis in axes[len(columns) :]:
            axis.set_visible(False)
        return as_svg(figure)
