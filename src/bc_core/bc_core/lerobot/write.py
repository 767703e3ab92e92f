"""Parts put together into one data set. Files of many episodes, rolled over by size; `info.json` comes last."""

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from bc_core.conversion.part import StoredSegment, stored_segments
from bc_core.lerobot import layout, statistics, video
from bc_core.lerobot.cameras import SUFFIX
from bc_core.lerobot.statistics import Histogram, Statistics

_EPISODE_ROWS = 10_000  # per file of meta/episodes
_MEGABYTE = 1_000_000


@dataclass
class _Rolling:
    """Where the next episode goes: on to the next file when the present one is full."""

    limit_mb: float
    chunk: int = 0
    file: int = 0
    used: float = 0.0

    def place(self, megabytes: float) -> tuple[int, int]:
        if self.used and self.used + megabytes > self.limit_mb:
            self.used = 0.0
            self.file += 1
            if self.file == layout.CHUNK_SIZE:
                self.chunk, self.file = self.chunk + 1, 0
        self.used += megabytes
        return self.chunk, self.file


@dataclass
class _Totals:
    """Of all episodes, for stats.json: every number is kept, images as histograms."""

    numbers: dict[str, list[Any]] = field(default_factory=dict)
    histograms: dict[str, list[Histogram]] = field(default_factory=dict)
    samples: dict[str, int] = field(default_factory=dict)

    def statistics(self) -> dict[str, Statistics]:
        found = {key: statistics.of_numbers(np.concatenate(parts)) for key, parts in self.numbers.items()}
        for key, parts in self.histograms.items():
            found[key] = statistics.of_histogram(statistics.merged(parts), self.samples[key])
        return found


def assemble(
    parts: Sequence[Path], out: Path, features: dict[str, dict[str, Any]], fps: int, robot: str, extra: dict[str, Any]
) -> dict[str, int]:
    """Write the data set below `out`; returns how many episodes and frames. extra: for meta/bc_ros.json."""
    for name in ("data", "videos", "meta"):
        shutil.rmtree(out / name, ignore_errors=True)  # of a run that was interrupted while writing
    (out / "meta").mkdir(parents=True)
    cameras = {key: key.removeprefix(layout.IMAGES) for key in features if features[key]["dtype"] == "video"}
    tasks: dict[str, int] = {}
    rows, totals = [], _Totals()
    tables = _Tables(out, features)
    reels: dict[str, list[tuple[tuple[int, int], Path]]] = {key: [] for key in cameras}
    rolling = {key: _Rolling(layout.VIDEO_FILE_MB) for key in cameras}
    seconds: dict[tuple[str, tuple[int, int]], float] = {}
    for episode, segment in enumerate(stored_segments(parts)):
        task = tasks.setdefault(segment.header["task"], len(tasks))
        columns = _columns(segment, episode, tables.rows, task, fps) | _labels(segment, features)
        length = len(segment)
        row = _episode_row(segment, episode, tables.rows, columns, totals)
        row["data/chunk_index"], row["data/file_index"] = tables.write(columns)
        for key, camera in cameras.items():
            path = segment.path(camera).with_name(segment.path(camera).name + SUFFIX)
            place = rolling[key].place(path.stat().st_size / _MEGABYTE)
            reels[key].append((place, path))
            begin = seconds.get((key, place), 0.0)
            seconds[key, place] = end = begin + length / fps
            row |= _video_row(key, place, begin, end)
            row |= _image_statistics(segment, key, camera, totals)
        rows.append(row)
    frames = tables.close()
    for key, reel in reels.items():
        _join_reel(out, key, reel, fps)
        features[key]["info"] = video.describe(
            out / layout.VIDEO_PATH.format(video_key=key, chunk_index=0, file_index=0)
        )
    _write_tasks(out, tasks)
    _write_episodes(out, rows)
    stats = {key: statistics.as_lists(found) for key, found in totals.statistics().items()}
    (out / layout.STATS_PATH).write_text(json.dumps(stats, indent=4))
    (out / "meta" / "bc_ros.json").write_text(json.dumps(extra, indent=1))
    _write_info(out, features, fps, robot, len(rows), frames, len(tasks))
    return {"episodes": len(rows), "frames": frames, "tasks": len(tasks)}


def _columns(segment: StoredSegment, episode: int, first: int, task: int, fps: int) -> dict[str, Any]:
    """Every column of an episode by feature: numbers, then those that every data set has."""
    length = len(segment)
    frame = np.arange(length, dtype=np.int64)
    return {
        layout.STATE: np.concatenate(list(segment.numbers.values()), axis=1),
        layout.ACTION: segment.action,
        layout.INTERVENTION: segment.intervention,
        layout.OUTCOME: np.full(length, segment.outcome, dtype=np.int64),
        layout.WEIGHT: segment.weight,
        layout.DONE: frame == length - 1,
        "timestamp": (frame / fps).astype(np.float32),
        "frame_index": frame,
        "episode_index": np.full(length, episode, dtype=np.int64),
        "index": first + frame,
        "task_index": np.full(length, task, dtype=np.int64),
    }


def _labels(segment: StoredSegment, features: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Of an expert that was asked, flat: row by row."""
    if layout.LABEL not in features:
        return {}
    width = features[layout.LABEL]["shape"][0]
    label, rows = segment.labels(width // segment.action.shape[1])
    return {layout.LABEL: label.reshape(len(segment), width), layout.LABEL_ROWS: rows}


class _Tables:
    """data/*.parquet: one row group per episode."""

    def __init__(self, out: Path, features: dict[str, dict[str, Any]]) -> None:
        self._out = out
        self._widths = {key: feature["shape"][0] for key, feature in features.items() if feature["dtype"] != "video"}
        self._rolling = _Rolling(layout.DATA_FILE_MB)
        self._place: tuple[int, int] | None = None
        self._writer: pq.ParquetWriter | None = None
        self.rows = 0

    def write(self, columns: dict[str, Any]) -> tuple[int, int]:
        table = pa.table({key: _array(columns[key], width) for key, width in self._widths.items()})
        place = self._rolling.place(table.nbytes / _MEGABYTE)
        if place != self._place:
            self.close()
            path = self._out / layout.DATA_PATH.format(chunk_index=place[0], file_index=place[1])
            path.parent.mkdir(parents=True, exist_ok=True)
            self._writer = pq.ParquetWriter(path, table.schema, compression="snappy")
            self._place = place
        assert self._writer is not None
        self._writer.write_table(table, row_group_size=len(table))
        self.rows += len(table)
        return place

    def close(self) -> int:
        """End the file; returns the rows of all files."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        return self.rows


def _array(data: Any, width: int) -> pa.Array:
    if data.ndim == 1 or width == 1:
        return pa.array(np.ascontiguousarray(data).reshape(-1))
    return pa.FixedSizeListArray.from_arrays(pa.array(np.ascontiguousarray(data).reshape(-1)), width)


def _episode_row(
    segment: StoredSegment, episode: int, first: int, columns: dict[str, Any], totals: _Totals
) -> dict[str, Any]:
    row: dict[str, Any] = {
        "episode_index": episode, "tasks": [segment.header["task"]], "length": len(segment),
        "dataset_from_index": first, "dataset_to_index": first + len(segment),
        "meta/episodes/chunk_index": 0, "meta/episodes/file_index": episode // _EPISODE_ROWS,
        "bag": segment.header["bag"], "outcome": segment.header["outcome"], "seed": segment.header["seed"],
        "operator": segment.header["operator"], "first_tick": segment.first_tick,
    }  # fmt: skip
    for key, data in columns.items():
        totals.numbers.setdefault(key, []).append(data)
        found = statistics.as_lists(statistics.of_numbers(data))
        row |= {f"stats/{key}/{name}": value for name, value in found.items()}
    return row


def _video_row(key: str, place: tuple[int, int], begin: float, end: float) -> dict[str, Any]:
    return {
        f"videos/{key}/chunk_index": place[0],
        f"videos/{key}/file_index": place[1],
        f"videos/{key}/from_timestamp": begin,
        f"videos/{key}/to_timestamp": end,
    }


def _image_statistics(segment: StoredSegment, key: str, camera: str, totals: _Totals) -> dict[str, Any]:
    counts, samples = np.array(segment.cameras[camera]["histogram"]), segment.cameras[camera]["samples"]
    totals.histograms.setdefault(key, []).append(counts)
    totals.samples[key] = totals.samples.get(key, 0) + samples
    found = statistics.as_lists(statistics.of_histogram(counts, samples))
    return {f"stats/{key}/{name}": value for name, value in found.items()}


def _join_reel(out: Path, key: str, reel: list[tuple[tuple[int, int], Path]], fps: int) -> None:
    for place in dict.fromkeys(place for place, _ in reel):
        path = out / layout.VIDEO_PATH.format(video_key=key, chunk_index=place[0], file_index=place[1])
        path.parent.mkdir(parents=True, exist_ok=True)
        video.join(path, [source for at, source in reel if at == place], fps)


def _write_tasks(out: Path, tasks: dict[str, int]) -> None:
    """A table whose index, as pandas reads it, is the task's text."""
    index = {"name": None, "field_name": "__index_level_0__", "pandas_type": "unicode", "numpy_type": "object",
             "metadata": None}  # fmt: skip
    column = {"name": "task_index", "field_name": "task_index", "pandas_type": "int64", "numpy_type": "int64",
              "metadata": None}  # fmt: skip
    pandas = {"index_columns": ["__index_level_0__"], "column_indexes": [], "columns": [column, index]}
    table = pa.table({"task_index": list(tasks.values()), "__index_level_0__": list(tasks)})
    pq.write_table(table.replace_schema_metadata({"pandas": json.dumps(pandas)}), out / layout.TASKS_PATH)


def _write_episodes(out: Path, rows: list[dict[str, Any]]) -> None:
    for at in range(0, len(rows), _EPISODE_ROWS):
        path = out / layout.EPISODES_PATH.format(chunk_index=0, file_index=at // _EPISODE_ROWS)
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.Table.from_pylist(rows[at : at + _EPISODE_ROWS]), path, compression="snappy")


def _write_info(
    out: Path, features: dict[str, dict[str, Any]], fps: int, robot: str, episodes: int, frames: int, tasks: int
) -> None:
    info = {
        "codebase_version": layout.VERSION, "robot_type": robot, "fps": fps,
        "total_episodes": episodes, "total_frames": frames, "total_tasks": tasks,
        "chunks_size": layout.CHUNK_SIZE, "data_files_size_in_mb": layout.DATA_FILE_MB,
        "video_files_size_in_mb": layout.VIDEO_FILE_MB, "splits": {"train": f"0:{episodes}"},
        "data_path": layout.DATA_PATH,
        "video_path": layout.VIDEO_PATH if any(f["dtype"] == "video" for f in features.values()) else None,
        "features": features,
    }  # fmt: skip
    temporary = out / f"{layout.INFO_PATH}.tmp"
    temporary.write_text(json.dumps(info, indent=4))
    temporary.replace(out / layout.INFO_PATH)
