"""Roll-out trials and demonstrations of a run, loaded from their directories.

root/episodes/episode_*/            demonstrations
root/checkpoint/                    policy, with the summary of its training
root/rollout/<mode>/episode_*/      one bag per trial
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np

from bc_core.bags import Episode, find_episodes, open_episode
from bc_core.chunks import Array
from bc_core.commands import TIMELINE_TOPICS, read_timeline
from bc_core.contract import Contract
from bc_core.errors import BcError
from bc_core.grid import Grid
from bc_core.report.changes import reference_steps
from bc_core.report.recording import TOPICS, Recording, read_recording

MODES = ("no_delay", "rtc", "naive", "sync")
T = TypeVar("T")


class Track(Protocol):
    """Goes through a sequence and shows how far it is, as rich.progress.track does."""

    def __call__(self, sequence: Sequence[T], description: str, /) -> Iterable[T]: ...


def untracked(sequence: Sequence[T], description: str) -> Iterable[T]:
    """Track that shows nothing."""
    return sequence


@dataclass(frozen=True)
class Trial:
    """One roll-out that ended in success or failure (running out of time is a failure)."""

    mode: str
    seed: int
    success: bool
    reason: str
    path: Path
    contract: Contract
    seconds: float
    lost: int
    truncated: bool
    recording: Recording

    @property
    def grid(self) -> Grid:
        return self.contract.grid


@dataclass(frozen=True)
class Rollouts:
    """Trials by mode, at most one per seed, in order of seed; left_out says which bags were not counted, and why."""

    trials: dict[str, tuple[Trial, ...]]
    left_out: tuple[str, ...]

    def paired_seeds(self) -> tuple[int, ...]:
        """Seeds that every mode with trials has run."""
        seeds = [{trial.seed for trial in trials} for trials in self.trials.values() if trials]
        return tuple(sorted(set.intersection(*seeds))) if seeds else ()

    def by_seed(self, mode: str) -> dict[int, Trial]:
        return {trial.seed: trial for trial in self.trials[mode]}


@dataclass(frozen=True)
class Demonstrations:
    """The recorded demonstrations. steps: one-tick steps of the reference in force [rad], all bags together."""

    episodes: int
    successful: int
    steps: Array


def load_rollouts(root: Path, track: Track = untracked) -> Rollouts:
    """Read every trial below root/rollout. BcError: there is none."""
    left_out: list[str] = []
    trials = {}
    for mode in MODES:
        directory = root / "rollout" / mode
        paths = find_episodes(directory) if directory.is_dir() else []
        loaded: dict[int, Trial] = {}
        for path in track(paths, f"reading {mode} trials"):
            episode = open_episode(path)
            fault = _fault(episode, mode)
            if fault is None and episode.info["seed"] in loaded:
                fault = f"seed {episode.info['seed']} was run before; its first trial counts"
            if fault is None:
                loaded[episode.info["seed"]] = _trial(episode, mode)
            else:
                left_out.append(f"{mode}/{path.name}: {fault}")
        trials[mode] = tuple(loaded[seed] for seed in sorted(loaded))
    if not any(trials.values()):
        detail = f" ({'; '.join(left_out[:3])})" if left_out else ""
        raise BcError(f"no finished trial below {root / 'rollout'}{detail}: roll out first, see bcros rollout --help")
    return Rollouts(trials, tuple(left_out))


def load_demonstrations(root: Path, track: Track = untracked) -> Demonstrations:
    """Read the commands of every demonstration below root/episodes."""
    directory = root / "episodes"
    paths = find_episodes(directory) if directory.is_dir() else []
    steps: list[Array] = [np.empty(0)]
    successful = 0
    for path in track(paths, "reading demonstrations"):
        episode = open_episode(path)
        successful += episode.info.get("outcome") == "success"
        if "contract" in episode.info:
            contract = _contract(episode)
            timeline = read_timeline(_pairs(episode, TIMELINE_TOPICS), contract.groups, str(path))
            steps.append(reference_steps(timeline, contract.groups, contract.grid, (episode.start_ns, episode.end_ns)))
    return Demonstrations(len(paths), successful, np.concatenate(steps))


def _fault(episode: Episode, mode: str) -> str | None:
    """Why a bag is no trial; None if it is one."""
    info = episode.info
    if info.get("outcome") not in ("success", "failure"):
        return f"outcome '{info.get('outcome', 'missing')}' ({info.get('reason') or 'no reason given'})"
    if "seed" not in info or "contract" not in info:
        return "episode.json lacks the seed or the contract"
    said = info.get("mode", (info.get("metadata") or {}).get("mode", mode))
    return f"its episode.json says mode '{said}'" if said != mode else None


def _trial(episode: Episode, mode: str) -> Trial:
    info = episode.info
    contract = _contract(episode)
    return Trial(
        mode=mode,
        seed=int(info["seed"]),
        success=info["outcome"] == "success",
        reason=str(info.get("reason", "")),
        path=episode.path,
        contract=contract,
        seconds=episode.seconds,
        lost=episode.lost_total,
        truncated=episode.truncated,
        recording=read_recording(_pairs(episode, TOPICS), contract.groups, str(episode.path)),
    )


def _contract(episode: Episode) -> Contract:
    return Contract.from_document(episode.info["contract"], f"{episode.path}/episode.json")


def _pairs(episode: Episode, topics: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    return ((message.topic, message.msg) for message in episode.messages(topics))
