"""An episode in Rerun's own file, read back by Rerun."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rerun.chunk import RrdReader

from bc_core.bags import open_episode
from bc_core.errors import BcError
from bc_core.viewing import view

from .conftest import START, TICKS, picture

TICK_NS = 50_000_000


class Saved:
    """What an .rrd file holds: values by entity and component, in order of time."""

    def __init__(self, path: Path) -> None:
        self._batches: dict[str, list[Any]] = {}
        for chunk in RrdReader(path).stream():
            self._batches.setdefault(chunk.entity_path, []).append(chunk.to_record_batch())

    def column(self, entity: str, component: str) -> list[tuple[int, Any]]:
        """(time [ns], value) of every row; time 0 for what has none."""
        rows = []
        for batch in self._batches[entity]:
            if component in batch.schema.names:
                values = batch.column(component).to_pylist()
                times = (
                    batch.column("time").cast("int64").to_pylist()
                    if "time" in batch.schema.names
                    else [0] * len(values)
                )
                rows += [(time, value) for time, value in zip(times, values, strict=True) if value is not None]
        return sorted(rows, key=lambda row: row[0])


def test_the_file_holds_cameras_joints_commands_chunks_acks_and_modes(bags: list[Path], tmp_path: Path) -> None:
    view(open_episode(bags[1]), save=tmp_path / "episode.rrd")
    saved = Saved(tmp_path / "episode.rrd")
    ticks = [(START + k) * TICK_NS for k in range(TICKS)]
    images = saved.column("/cameras/camera", "Image:buffer")
    assert [time for time, _ in images] == ticks
    np.testing.assert_array_equal(np.array(images[5][1][0], dtype=np.uint8).reshape(16, 16, 3), picture(5))
    joints = saved.column("/observations/arm", "Scalars:scalars")
    assert (len(joints), joints[0][0], joints[5][1]) == (116, ticks[0], pytest.approx([0.05] * 7))
    assert saved.column("/observations/arm", "SeriesLines:names")[0][1][0] == "arm.panda_joint1"
    commands = saved.column("/commands/arm", "Scalars:scalars")
    assert [value[0] for _, value in commands[9:12]] == pytest.approx([0.09, 5.0, 5.01])
    texts = [value[0] for _, value in saved.column("/chunks", "TextLog:text")]
    assert texts == ["command/policy 1 of '': 24 rows, 0 frozen", "command/human 2 of '': 14 rows, 0 frozen"]
    acks = saved.column("/acks", "TextLog:text")
    assert [(time, value[0]) for time, value in acks] == [
        (ticks[0], "policy 1 in force at row 0.00"), (ticks[10], "human 2 in force at row 0.00"),
    ]  # fmt: skip
    states = [(time, value[0]) for time, value in saved.column("/mode", "StateChange:state")]
    assert states == [(ticks[0], "policy"), (ticks[10], "human")]
    assert [value[0] for _, value in saved.column("/source", "StateChange:state")][:2] == ["policy", "human"]
    assert "outcome: success" in saved.column("/episode", "TextDocument:text")[0][1][0]


def test_without_rerun_the_remedy_is_named(bags: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rerun", None)
    with pytest.raises(BcError, match=r"bcros view needs package 'rerun-sdk' .*pip install rerun-sdk"):
        view(open_episode(bags[0]))
