"""Paths, limits and feature descriptions of the format."""

from typing import Any

from bc_core.contract import Contract
from bc_core.conversion.segments import Selection
from bc_core.errors import BcError
from bc_core.grid import NANOSECONDS

VERSION = "v3.0"
CHUNK_SIZE, DATA_FILE_MB, VIDEO_FILE_MB = 1000, 100, 200
DATA_PATH = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
VIDEO_PATH = "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"
EPISODES_PATH = "meta/episodes/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
INFO_PATH, STATS_PATH, TASKS_PATH = "meta/info.json", "meta/stats.json", "meta/tasks.parquet"
STATE, ACTION, IMAGES = "observation.state", "action", "observation.images."
INTERVENTION, OUTCOME, WEIGHT, DONE = "intervention", "outcome", "weight", "next.done"
LABEL, LABEL_ROWS = "label", "label_rows"
DEFAULTS = {
    "timestamp": "float32", "frame_index": "int64", "episode_index": "int64", "index": "int64", "task_index": "int64",
}  # fmt: skip
"""Columns that every data set has besides its own features."""


def frames_per_second(contract: Contract) -> int:
    """BcError: the grid has no whole number of ticks per second, which the format demands."""
    if NANOSECONDS % contract.grid.dt_ns:
        raise BcError(
            f"contract '{contract.name}' has dt = {contract.grid.dt:g} s: LeRobot's format wants a whole number of "
            "frames per second"
        )
    return NANOSECONDS // contract.grid.dt_ns


def features(
    contract: Contract, selection: Selection, state_names: list[str], label_horizon: int = 0
) -> dict[str, dict[str, Any]]:
    """The `features` of info.json. state_names: one per column of observation.state. label_horizon: rows of a label of
    an expert that was asked; 0: there are none.
    """
    action_names = [name for group in contract.groups for name in _group_names(group.name, group.names, group.width)]
    found: dict[str, dict[str, Any]] = {
        STATE: {"dtype": "float32", "shape": [len(state_names)], "names": state_names},
        ACTION: {"dtype": "float32", "shape": [contract.width], "names": action_names},
        INTERVENTION: {"dtype": "bool", "shape": [1], "names": None},
        OUTCOME: {"dtype": "int64", "shape": [1], "names": None},
        WEIGHT: {"dtype": "float32", "shape": [1], "names": None},
        DONE: {"dtype": "bool", "shape": [1], "names": None},
    }
    if label_horizon:
        found[LABEL] = {"dtype": "float32", "shape": [label_horizon * contract.width], "names": None}
        found[LABEL_ROWS] = {"dtype": "int64", "shape": [1], "names": None}
    for camera in selection.cameras:
        height, width, _ = contract.observations[camera].shape
        found[IMAGES + camera] = {
            "dtype": "video",
            "shape": [height, width, 3],
            "names": ["height", "width", "channels"],
        }
    found |= {name: {"dtype": dtype, "shape": [1], "names": None} for name, dtype in DEFAULTS.items()}
    return found


def _group_names(group: str, names: tuple[str, ...], width: int) -> list[str]:
    return list(names) or [f"{group}.{axis}" for axis in ("x", "y", "z", "qx", "qy", "qz", "qw")[:width]]
