"""`bcros convert --to zarr`: bags to one ReplayBuffer, several bags at once; interrupted, it goes on where it was."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bc_core.contract import Contract
from bc_core.conversion.part import StoredSegment, stored_segments
from bc_core.conversion.run import Parts, Request, find_bags, forget_parts, make_parts
from bc_core.errors import BcError
from bc_core.replay_buffer import storage
from bc_core.replay_buffer.cameras import Frames, link_frames

_RESERVED = ("action", "intervention", "outcome", "weight", "timestamp", "label", "label_rows")


def to_zarr(request: Request, out: Path, cameras: Frames | None = None) -> dict[str, int]:
    """Convert what is asked for; returns counts. BcError: as find_bags, make_parts; a data set is there already."""
    storage.zarr()
    if (out / ".zgroup").exists():
        raise BcError(f"{out} holds a data set already: name another folder, or delete it first")
    bags, contract = find_bags(request)
    parts = make_parts(bags, contract, request, cameras or Frames(), out)
    if taken := set(_RESERVED).intersection(parts.selection.streams):
        raise BcError(f"stream '{min(taken)}' of contract '{contract.name}' has the name of a label: rename it there")
    counts = _assemble(parts, out)
    forget_parts(out)
    return counts | parts.counts()


def _assemble(parts: Parts, out: Path) -> dict[str, int]:
    """Put the parts together; the group's own file comes last, so that what has one is whole."""
    for name in ("data", "meta"):
        shutil.rmtree(out / name, ignore_errors=True)  # of a run that was interrupted while writing
        storage.write_group(out / name)
    found = list(stored_segments(parts.folders))
    lengths = [len(segment) for segment in found]
    ends = np.cumsum(lengths)
    for name, values in _columns(found, parts).items():
        storage.write_array(out / "data" / name, values)
    for camera in parts.selection.cameras:
        shape = (int(ends[-1]), *found[0].cameras[camera]["shape"][1:])
        storage.create_array(out / "data" / camera, shape, np.uint8, frames_per_chunk=1)
        for segment, end in zip(found, ends, strict=True):
            link_frames(segment.path(camera), out / "data" / camera, int(end) - len(segment))
    storage.write_array(out / "meta" / "episode_ends", ends.astype(np.int64))
    for name, values in _episodes(found, parts.contract).items():
        storage.write_array(out / "meta" / name, values)
    storage.write_group(out, {"bc_ros": {**parts.account(), "state_names": parts.state_names}})
    return {"episodes": len(found), "frames": int(ends[-1])}


def _columns(found: Sequence[StoredSegment], parts: Parts) -> dict[str, Any]:
    """What has a number, or some, at every frame, over all episodes."""
    dt = parts.contract.grid.dt
    columns = {
        stream: np.concatenate([segment.numbers[stream] for segment in found]) for stream in parts.selection.numeric
    }
    if horizon := parts.label_horizon:
        labels, rows = zip(*(segment.labels(horizon) for segment in found), strict=True)
        columns |= {"label": np.concatenate(labels), "label_rows": np.concatenate(rows)}
    return columns | {
        "action": np.concatenate([segment.action for segment in found]),
        "intervention": np.concatenate([segment.intervention for segment in found]),
        "outcome": np.concatenate([np.full(len(segment), segment.outcome, dtype=np.int64) for segment in found]),
        "weight": np.concatenate([segment.weight for segment in found]),
        "timestamp": np.concatenate([dt * np.arange(len(segment)) for segment in found]),
    }


def _episodes(found: Sequence[StoredSegment], contract: Contract) -> dict[str, Any]:
    """One number for each episode; texts are in the group's attributes."""
    return {
        "episode_outcome": np.array([segment.outcome for segment in found], dtype=np.int64),
        "episode_seed": np.array([segment.header["seed"] for segment in found], dtype=np.int64),
        "episode_start": np.array([contract.grid.time(segment.first_tick) for segment in found], dtype=np.int64),
    }
