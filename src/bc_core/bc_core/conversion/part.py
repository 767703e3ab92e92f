"""One bag converted, in a folder of its own: what a worker makes, and what survives an interruption."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np
import numpy.typing as npt

from bc_core.bags import open_episode
from bc_core.contract import Contract
from bc_core.conversion.segments import Choice, Segment, Selection, segments, state_names
from bc_core.dataset import read_episode
from bc_core.episode_writer import OUTCOMES

PART_FILE = "part.json"
_STREAM = "stream:"


class CameraFormat(Protocol):
    """How a format stores images; a frozen dataclass of its settings, of which every worker gets a copy."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    def store(self, path: Path, images: npt.NDArray[np.uint8]) -> dict[str, Any]:
        """Store a segment's RGB images (T, height, width, 3) at a path; returns what to know of them (JSON)."""
        ...


@dataclass(frozen=True)
class Job:
    """Convert one bag. document: of the contract."""

    bag: Path
    document: dict[str, Any]
    selection: Selection
    choice: Choice
    cameras: CameraFormat

    def fingerprint(self) -> str:
        """Changes with the bag's files and with every setting: a part of another fingerprint is not used again."""
        files = sorted(path for path in self.bag.iterdir() if path.is_file())
        state = [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files]
        settings = [self.document, asdict(self.selection), asdict(self.choice)]
        cameras = [type(self.cameras).__name__, asdict(self.cameras)]
        return hashlib.sha256(json.dumps([str(self.bag), state, settings, cameras]).encode()).hexdigest()[:16]


def convert_bag(job: Job, folder: Path) -> None:
    """Make the part of a bag; `part.json` comes last, so that a folder with it is whole. BcError as read_episode."""
    episode = open_episode(job.bag)
    contract = Contract.from_document(job.document, "the data set's")
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
        write_part(folder, header, [], [], job.cameras)
        return
    ticks = read_episode(job.bag, contract, job.selection.streams, 1, episode)
    header |= {"refused_ticks": dict(ticks.refused), "missing_chunks": ticks.missing_chunks}
    if ticks.labels is not None:
        header |= {"label_horizon": ticks.labels.rows.shape[1], "labels": dict(ticks.labels.provenance)}
    names = state_names(ticks, contract, job.selection) if ticks.values else []
    write_part(folder, header, names, list(segments(ticks, contract, job.selection, job.choice)), job.cameras)


def write_part(
    folder: Path, header: dict[str, Any], names: list[str], found: Sequence[Segment], cameras: CameraFormat
) -> None:
    """header: what is said of the bag; its "outcome" labels every frame. names: of the columns of the state."""
    folder.mkdir(parents=True, exist_ok=True)
    described = [_store(folder, number, segment, cameras) for number, segment in enumerate(found)]
    temporary = folder / f"{PART_FILE}.tmp"
    temporary.write_text(json.dumps({**header, "state_names": names, "segments": described}))
    temporary.replace(folder / PART_FILE)


def _store(folder: Path, number: int, segment: Segment, cameras: CameraFormat) -> dict[str, Any]:
    arrays: dict[str, Any] = {_STREAM + stream: values for stream, values in segment.numbers.items()}
    arrays |= {"action": segment.action, "intervention": segment.intervention, "weight": segment.weight}
    if segment.label is not None:
        arrays |= {"label": segment.label, "label_rows": segment.label_rows}
    np.savez(folder / f"{number}.npz", **arrays)
    stored = {camera: cameras.store(folder / f"{camera}-{number}", images) for camera, images in segment.images.items()}
    return {"frames": len(segment), "first_tick": segment.first_tick, "cameras": stored}


@dataclass(frozen=True)
class StoredSegment:
    """One episode of the data set to be: a segment of a part. number: of it in its part.

    header: of the bag. cameras: what the format said of each. first_tick, numbers, action, intervention, weight, label,
    label_rows: as in Segment.
    """

    header: dict[str, Any]
    folder: Path
    number: int
    first_tick: int
    cameras: dict[str, dict[str, Any]]
    numbers: dict[str, npt.NDArray[np.float32]]
    action: npt.NDArray[np.float32]
    intervention: npt.NDArray[np.bool_]
    weight: npt.NDArray[np.float32]
    label: npt.NDArray[np.float32] | None = None
    label_rows: npt.NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.action)

    def labels(self, horizon: int) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
        """label (T, horizon, D) and label_rows (T,), as a data set has them: all of one length, zero without labels."""
        count, width = self.action.shape
        label = np.zeros((count, horizon, width), dtype=np.float32)
        if self.label is None or self.label_rows is None:
            return label, np.zeros(count, dtype=np.int64)
        label[:, : self.label.shape[1]] = self.label
        return label, self.label_rows

    @property
    def outcome(self) -> int:
        """The constant of bc_msgs/EpisodeOutcome."""
        return OUTCOMES.index(self.header["outcome"])

    def path(self, camera: str) -> Path:
        """Where its images were stored."""
        return self.folder / f"{camera}-{self.number}"


def read_part(folder: Path) -> dict[str, Any]:
    """The account of a part: of its bag, `state_names`, and `segments`."""
    header: dict[str, Any] = json.loads((folder / PART_FILE).read_text())
    return header


def stored_segments(parts: Sequence[Path]) -> Iterator[StoredSegment]:
    """All segments of all parts, in order."""
    for folder in parts:
        header = read_part(folder)
        for number, described in enumerate(header["segments"]):
            with np.load(folder / f"{number}.npz") as file:
                arrays = dict(file)
            numbers = {key.removeprefix(_STREAM): arrays.pop(key) for key in list(arrays) if key.startswith(_STREAM)}
            yield StoredSegment(
                header, folder, number, described["first_tick"], described["cameras"], numbers, **arrays
            )
