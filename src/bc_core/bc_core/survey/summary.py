"""All episodes together: what a data set holds, and which episodes stand out, with the reason."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bc_core.bags import find_episodes
from bc_core.contract import Contract
from bc_core.errors import BcError
from bc_core.survey.measure import EpisodeMeasure, measure
from bc_core.workers import Workers

_OUTLIER = 5.0  # robust standard deviations from the median
_SLOW = 0.9  # of the rate by the contract
_FROZEN = 2.0  # [s] of the very same picture: no camera has so little noise
_LEAST_EPISODES = 8  # below so many nothing stands out of them
_HERE = Workers()


@dataclass(frozen=True)
class Survey:
    """A data set. flags: per episode's path, what is remarkable about it; only episodes with something are in it."""

    roots: tuple[str, ...]
    episodes: tuple[EpisodeMeasure, ...]
    flags: dict[str, list[str]]

    @property
    def readable(self) -> list[EpisodeMeasure]:
        return [episode for episode in self.episodes if not episode.error]


def survey_bags(
    roots: Sequence[Path],
    contract: Contract | None = None,
    workers: Workers = _HERE,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Survey:
    """Measure all bags below `roots`, several at once. BcError: there are none."""
    paths = [path for root in roots for path in find_episodes(root)]
    if not paths:
        raise BcError(f"no bag in {', '.join(map(str, roots))}: name a folder that holds recorded episodes")
    measured: dict[int, EpisodeMeasure] = {}
    for number, episode in workers.results(measure, [(path, contract) for path in paths], least=4):
        measured[number] = episode
        on_progress(len(measured), len(paths))
    episodes = [measured[number] for number in range(len(paths))]
    return Survey(tuple(map(str, roots)), tuple(episodes), _flags(episodes))


def totals(survey: Survey) -> dict[str, Any]:
    """Figures of the whole data set, in plain data (JSON)."""
    episodes = survey.readable
    seconds = [episode.seconds for episode in episodes]
    ticks, commanded = sum(e.ticks for e in episodes), sum(e.commanded for e in episodes)
    return {
        "episodes": len(survey.episodes),
        "unreadable": len(survey.episodes) - len(episodes),
        "outcomes": dict(Counter(episode.outcome for episode in episodes)),
        "tasks": dict(Counter(episode.task for episode in episodes)),
        "operators": dict(Counter(episode.operator for episode in episodes)),
        "hours": sum(seconds) / 3600,
        "seconds_median": float(np.median(seconds)) if seconds else 0.0,
        "seconds_min": min(seconds, default=0.0),
        "seconds_max": max(seconds, default=0.0),
        "ticks": ticks,
        "frames": sum(episode.frames for episode in episodes),
        "commanded": commanded,
        "human_share": sum(episode.human for episode in episodes) / max(1, commanded),
        "idle_share": sum(episode.idle for episode in episodes) / max(1, commanded),
        "refused": dict(sum((Counter(episode.refused) for episode in episodes), Counter[str]())),
        "limited": dict(sum((Counter(episode.limited) for episode in episodes), Counter[str]())),
        "lost_messages": sum(episode.lost for episode in episodes),
        "damaged": sum(bool(episode.damage) for episode in episodes),
        "streams": {topic: _stream_totals(episodes, topic) for topic in _topics(episodes)},
        "flagged": {Path(path).name: reasons for path, reasons in survey.flags.items()},
    }


def format_totals(found: dict[str, Any]) -> str:
    """The totals as lines for a terminal."""
    outcomes = ", ".join(f"{count} {name}" for name, count in found["outcomes"].items()) or "none"
    lines = [
        f"{found['episodes']} episodes ({outcomes}), {found['hours'] * 60:.1f} min, {found['unreadable']} unreadable",
        f"  length     {found['seconds_min']:.1f} to {found['seconds_max']:.1f} s, "
        f"median {found['seconds_median']:.1f} s",
        f"  ticks      {found['ticks']}, frames {found['frames']}, commanded {found['commanded']} "
        f"({found['human_share']:.0%} by a human, {found['idle_share']:.1%} idle)",
        f"  lost       {found['lost_messages']} messages; {found['damaged']} bags damaged",
    ]
    for topic, stream in found["streams"].items():
        lines.append(
            f"  {topic:<24} {stream['rate_min']:.1f} to {stream['rate_max']:.1f} Hz "
            f"(contract {stream['nominal_hz']:g}), longest gap {stream['longest_gap']:.3f} s, "
            f"jitter {stream['jitter'] * 1e3:.1f} ms, latency {stream['latency'] * 1e3:.1f} ms, "
            f"age at ticks {stream['age'] * 1e3:.1f} ms, repeated {stream['repeated']}, frozen {stream['frozen']:.2f} s"
        )
    if found["limited"]:
        counts = ", ".join(f"{name.replace('_', ' ')} {count}" for name, count in found["limited"].items())
        lines.append(f"  held back by the controller: {counts}")
    for name, reasons in list(found["flagged"].items())[:20]:
        lines.append(f"  look at {name}: {'; '.join(reasons)}")
    if len(found["flagged"]) > 20:
        lines.append(f"  and at {len(found['flagged']) - 20} more")
    return "\n".join(lines)


def _topics(episodes: Sequence[EpisodeMeasure]) -> list[str]:
    return list(dict.fromkeys(topic for episode in episodes for topic in episode.streams))


def _stream_totals(episodes: Sequence[EpisodeMeasure], topic: str) -> dict[str, float]:
    found = [episode.streams[topic] for episode in episodes if topic in episode.streams]
    return {
        "nominal_hz": found[0].nominal_hz,
        "messages": sum(stream.count for stream in found),
        "rate_min": min(stream.rate for stream in found),
        "rate_max": max(stream.rate for stream in found),
        "jitter": max(stream.jitter for stream in found),
        "longest_gap": max(stream.longest_gap for stream in found),
        "latency": max(stream.latency for stream in found),
        "age": max(stream.age for stream in found),
        "backward": sum(stream.backward for stream in found),
        "repeated": sum(stream.repeated for stream in found),
        "frozen": max(stream.frozen for stream in found),
    }


def _flags(episodes: Sequence[EpisodeMeasure]) -> dict[str, list[str]]:
    flags: dict[str, list[str]] = {}
    for episode in episodes:
        reasons = [f"unreadable: {episode.error}"] if episode.error else _own_faults(episode)
        if reasons:
            flags[episode.path] = reasons
    readable = [episode for episode in episodes if not episode.error]
    for name, unit, value in (
        ("length", "s", lambda e: e.seconds),
        ("jerk", "rad/s^3", lambda e: e.jerk),
    ):
        for episode, reason in _outliers(readable, name, unit, value):
            flags.setdefault(episode.path, []).append(reason)
    for episode, reason in _duplicates(readable):
        flags.setdefault(episode.path, []).append(reason)
    return flags


def _own_faults(episode: EpisodeMeasure) -> list[str]:
    reasons = list(episode.notes)
    if episode.damage:
        reasons.append(episode.damage)
    if episode.lost:
        reasons.append(f"{episode.lost} messages lost")
    if not episode.commanded:
        reasons.append("nobody commanded")
    reasons += [f"{count} ticks without '{stream}'" for stream, count in episode.refused.items() if count > 1]
    for topic, stream in episode.streams.items():
        if stream.count > 1 and stream.rate < _SLOW * stream.nominal_hz:
            reasons.append(f"'{topic}' came at {stream.rate:.1f} Hz, the contract says {stream.nominal_hz:g} Hz")
        if stream.longest_gap > stream.gap_limit:
            reasons.append(f"'{topic}' was silent for {stream.longest_gap:.2f} s")
        if stream.camera and stream.frozen > _FROZEN:
            reasons.append(f"'{topic}' showed the same picture for {stream.frozen:.1f} s")
        if stream.backward:
            reasons.append(f"stamps of '{topic}' went backwards {stream.backward} times")
    return reasons


def _outliers(
    episodes: Sequence[EpisodeMeasure], name: str, unit: str, value: Callable[[EpisodeMeasure], float | None]
) -> list[tuple[EpisodeMeasure, str]]:
    """Episodes far from the median, measured by the median absolute deviation (1.4826 MAD: a normal's sigma)."""
    known = [(episode, found) for episode in episodes if (found := value(episode)) is not None]
    if len(known) < _LEAST_EPISODES:
        return []
    values = np.array([found for _, found in known])
    median = float(np.median(values))
    sigma = max(1.4826 * float(np.median(np.abs(values - median))), 1e-3 * abs(median), 1e-9)
    return [
        (episode, f"{name} {found:.3g} {unit} is far from the median {median:.3g} {unit}")
        for episode, found in known
        if abs(found - median) > _OUTLIER * sigma
    ]


def _duplicates(episodes: Sequence[EpisodeMeasure]) -> list[tuple[EpisodeMeasure, str]]:
    """Episodes whose commands equal an earlier one's to the bit: the same recording twice."""
    seen: dict[bytes, str] = {}
    found = []
    for episode in episodes:
        if not episode.commands.size:
            continue
        key = episode.commands.tobytes()
        if key in seen:
            found.append((episode, f"the same commands as {seen[key]}"))
        seen.setdefault(key, episode.name)
    return found
