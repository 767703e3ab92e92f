"""`bcros convert --from lerobot`: a data set's episodes as bags, which training and inspection take like any other.

The data set must fit a contract: observation.state is as wide as its numeric streams together and in their order (or in
the order of `meta/bc_ros.json`, where this project wrote it), every camera is there, and its rate is the grid's.
Messages are stamped at ticks; actions become chunks that are in force from their first row on, with the
acknowledgements and modes that say so: of a human where `intervention` is true or missing, of a policy elsewhere.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from bc_core.contract import Contract
from bc_core.conversion.segments import Selection, select
from bc_core.dagger.asked import AskedLabels, write_labels
from bc_core.episode_writer import OUTCOMES, EpisodeWriter, recorded_topics
from bc_core.errors import BcError
from bc_core.lerobot import layout, video
from bc_core.lerobot.messages import MessageMaker

_NUMBERS = (layout.STATE, layout.ACTION, layout.OUTCOME, layout.INTERVENTION, layout.LABEL, layout.LABEL_ROWS)
_FIRST_TICK = 1000  # episodes without a tick of their own begin here: time 0 is no time


@dataclass(frozen=True)
class _DataSet:
    root: Path
    info: dict[str, Any]
    episodes: list[dict[str, Any]]
    contract: Contract
    selection: Selection


def from_lerobot(root: Path, out: Path, contract: Contract | None = None) -> dict[str, int]:
    """Write every episode as a bag below `out`; those that are there are not written again. BcError: it does not fit.

    contract: None: the one that the data set carries, where this project wrote it.
    """
    data = _open(root, contract)
    done = 0
    for row in data.episodes:
        path = out / f"episode_{row['episode_index']:06d}"
        if path.exists():
            continue
        _write_episode(data, row, path)
        done += 1
    return {"bags": done, "bags_that_were_there": len(data.episodes) - done}


def _open(root: Path, contract: Contract | None) -> _DataSet:
    try:
        info = json.loads((root / layout.INFO_PATH).read_text())
    except (OSError, ValueError) as error:
        raise BcError(f"{root} is no LeRobot data set ({error}): name a folder that holds meta/info.json") from error
    if info.get("codebase_version") != layout.VERSION:
        raise BcError(
            f"{root} has format {info.get('codebase_version')}, this reads {layout.VERSION}: convert it with LeRobot"
        )
    own = root / "meta" / "bc_ros.json"
    told = json.loads(own.read_text()) if own.exists() else {}
    if contract is None:
        if not told:
            raise BcError(f"{root} carries no contract: give one that fits it (--contract)")
        contract = Contract.from_document(told["contract"], str(own))
    selection = select(contract, tuple(told.get("streams", ())))
    _check_fit(root, info, contract, selection)
    episodes = [row for file in sorted((root / "meta" / "episodes").rglob("*.parquet")) for row in _episode_rows(file)]
    return _DataSet(root, info, episodes, contract, selection)


def _check_fit(root: Path, info: dict[str, Any], contract: Contract, selection: Selection) -> None:
    features, fps = info["features"], layout.frames_per_second(contract)
    if info["fps"] != fps:
        raise BcError(
            f"{root} has {info['fps']} frames per second, contract '{contract.name}' {fps}: use another contract"
        )
    for key in (layout.STATE, layout.ACTION, *(layout.IMAGES + camera for camera in selection.cameras)):
        if key not in features:
            raise BcError(
                f"{root} has no feature '{key}', which contract '{contract.name}' needs: use another contract"
            )
    if features[layout.ACTION]["shape"] != [contract.width]:
        raise BcError(
            f"{root} has actions of shape {features[layout.ACTION]['shape']}, contract '{contract.name}' of width "
            f"{contract.width}: use another contract"
        )
    width = sum(MessageMaker.width(contract.observations[stream]) for stream in selection.numeric)
    if features[layout.STATE]["shape"] != [width]:
        raise BcError(
            f"{root} has states of shape {features[layout.STATE]['shape']}, streams {', '.join(selection.numeric)} of "
            f"contract '{contract.name}' have {width} numbers: use another contract"
        )


def _episode_rows(file: Path) -> list[dict[str, Any]]:
    schema = pq.read_schema(file)
    columns = [name for name in schema.names if not name.startswith("stats/")]
    rows: list[dict[str, Any]] = pq.read_table(file, columns=columns).to_pylist()
    return rows


def _write_episode(data: _DataSet, row: dict[str, Any], path: Path) -> None:
    contract, maker = data.contract, MessageMaker(data.contract, data.selection)
    numbers = _numbers(data, row)
    images = {camera: _images(data, row, camera) for camera in data.selection.cameras}
    first = int(row.get("first_tick") or _FIRST_TICK)
    times = [contract.grid.time(first + index) for index in range(row["length"])]
    outcome = OUTCOMES[int(numbers[layout.OUTCOME][0, 0])] if layout.OUTCOME in numbers else "unlabelled"
    metadata = {"lerobot": str(data.root), "episode_index": row["episode_index"]}
    with EpisodeWriter(
        path, recorded_topics(contract), contract.document, times[0], task=row["tasks"][0], metadata=metadata,
        seed=int(row.get("seed") or 0), operator=str(row.get("operator") or ""), compression="zstd",
    ) as writer:  # fmt: skip
        human = numbers.get(layout.INTERVENTION, np.ones(len(times), dtype=np.bool_)).ravel()
        for topic, time, message in maker.commands(numbers[layout.ACTION], human, times):
            writer.write_message(topic, time, message)
        for index, time in enumerate(times):
            frame = {camera: next(source) for camera, source in images.items()}
            for topic, message in maker.observations(numbers[layout.STATE][index], frame, time):
                writer.write_message(topic, time, message)
            if index % 20 == 0:
                writer.flush(time)
        writer.close(outcome, "converted from LeRobot", times[-1])
    if labels := _labels(data, numbers, first):
        write_labels(path, labels, contract)


def _labels(data: _DataSet, numbers: Mapping[str, Any], first: int) -> AskedLabels | None:
    """What an expert answered that was asked at some of the frames; None: nobody was."""
    rows = numbers.get(layout.LABEL_ROWS, np.zeros(0, dtype=np.int64)).ravel()
    asked = np.flatnonzero(rows)
    if not len(asked):
        return None
    label = numbers[layout.LABEL][asked].astype(np.float64).reshape(len(asked), -1, data.contract.width)
    valid = np.arange(label.shape[1]) < rows[asked, None]
    return AskedLabels(first + asked, label, valid, {"lerobot": str(data.root)})


def _numbers(data: _DataSet, row: dict[str, Any]) -> dict[str, Any]:
    path = data.root / data.info["data_path"].format(
        chunk_index=row["data/chunk_index"], file_index=row["data/file_index"]
    )
    names = [name for name in _NUMBERS if name in data.info["features"]]
    table = pq.read_table(path, columns=[*names, "frame_index"], filters=[("episode_index", "=", row["episode_index"])])
    if len(table) != row["length"]:
        raise BcError(
            f"{path} has {len(table)} frames of episode {row['episode_index']}, {row['length']} are announced"
        )
    table = table.sort_by("frame_index")
    return {name: np.array(table[name].to_pylist()).reshape(len(table), -1) for name in names}


def _images(data: _DataSet, row: dict[str, Any], camera: str) -> Iterator[Any]:
    key = layout.IMAGES + camera
    path = data.root / data.info["video_path"].format(
        video_key=key, chunk_index=row[f"videos/{key}/chunk_index"], file_index=row[f"videos/{key}/file_index"]
    )
    first = round(row[f"videos/{key}/from_timestamp"] * data.info["fps"])
    return video.decode(path, first, row["length"])
