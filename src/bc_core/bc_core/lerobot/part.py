"""One bag converted, in a folder of its own: what a worker makes, and what survives an interruption."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bc_core.bags import open_episode
from bc_core.contract import Contract
from bc_core.dataset import read_episode
from bc_core.episode_writer import OUTCOMES
from bc_core.lerobot import statistics, video
from bc_core.lerobot.layout import Selection, frames_per_second
from bc_core.lerobot.segments import Choice, Segment, segments, state_names

PART_FILE = "part.json"
_MOST_SAMPLES, _SAMPLE_POWER = 100, 0.75  # images for statistics: all of a short segment, n ** 0.75 of a long one


@dataclass(frozen=True)
class Job:
    """Convert one bag. document: of the contract. encoding: of the videos."""

    bag: Path
    document: dict[str, Any]
    selection: Selection
    choice: Choice
    encoding: video.VideoSettings

    def fingerprint(self) -> str:
        """Changes with the bag's files and with every setting: a part of another fingerprint is not used again."""
        files = sorted(path for path in self.bag.iterdir() if path.is_file())
        state = [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files]
        settings = [self.document, asdict(self.selection), asdict(self.choice), asdict(self.encoding)]
        return hashlib.sha256(json.dumps([str(self.bag), state, settings]).encode()).hexdigest()[:16]


def convert_bag(job: Job, folder: Path) -> None:
    """Make the part of a bag; `part.json` comes last, so that a folder with it is whole. BcError as read_episode."""
    episode = open_episode(job.bag)
    outcome = str(episode.info.get("outcome", "unlabelled"))
    header = {
        "bag": str(job.bag),
        "task": str(episode.info.get("task") or "unspecified"),
        "outcome": outcome,
        "seed": episode.info.get("seed", 0),
        "operator": episode.info.get("operator", ""),
        "lost_messages": episode.lost_total,
    }
    if job.choice.outcomes and outcome not in job.choice.outcomes:
        write_part(folder, header, [], [], 1, job.encoding)
        return
    contract = Contract.from_document(job.document, "the data set's")
    ticks = read_episode(job.bag, contract, job.selection.streams, 1, episode)
    header |= {"refused_ticks": dict(ticks.refused), "missing_chunks": ticks.missing_chunks}
    names = state_names(ticks, contract, job.selection) if ticks.values else []
    found = list(segments(ticks, contract, job.selection, job.choice))
    write_part(folder, header, names, found, frames_per_second(contract), job.encoding)


def write_part(
    folder: Path,
    header: dict[str, Any],
    names: list[str],
    found: Sequence[Segment],
    fps: int,
    encoding: video.VideoSettings,
) -> None:
    """header: what is said of the bag; its "outcome" labels every frame. names: of the columns of the state."""
    folder.mkdir(parents=True, exist_ok=True)
    arrays: dict[str, Any] = {}
    described = []
    for number, segment in enumerate(found):
        arrays |= {f"state{number}": segment.state, f"action{number}": segment.action}
        arrays[f"intervention{number}"] = segment.intervention
        described.append(
            {
                "frames": len(segment),
                "first_tick": segment.first_tick,
                "cameras": {camera: _write_camera(folder, number, segment, camera, fps, encoding, arrays)
                            for camera in segment.images},
            }
        )  # fmt: skip
    np.savez(folder / "numbers.npz", **arrays)
    temporary = folder / f"{PART_FILE}.tmp"
    temporary.write_text(json.dumps({**header, "state_names": names, "segments": described}))
    temporary.replace(folder / PART_FILE)


def outcome_number(header: dict[str, Any]) -> int:
    """The constant of bc_msgs/EpisodeOutcome."""
    return OUTCOMES.index(header["outcome"])


def _write_camera(
    folder: Path,
    number: int,
    segment: Segment,
    camera: str,
    fps: int,
    encoding: video.VideoSettings,
    arrays: dict[str, Any],
) -> dict[str, Any]:
    images = segment.images[camera]
    name = f"{camera}-{number}.mp4"
    video.encode(folder / name, images, fps, encoding)
    samples = len(images) if len(images) <= _MOST_SAMPLES else max(_MOST_SAMPLES, int(len(images) ** _SAMPLE_POWER))
    chosen = np.linspace(0, len(images) - 1, samples).round().astype(int)
    arrays[f"histogram_{camera}{number}"] = statistics.merged(statistics.histogram(images[index]) for index in chosen)
    return {"video": name, "samples": samples}
