"""Interventions of a graph, recorded, converted to a LeRobot data set: its column against what the controller said."""

import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from bc_bringup.virtual.operator import DEAD_MAN, RESUME, Operator
from bc_core.contract import Contract
from bc_core.conversion.run import Request
from bc_core.lerobot.convert import to_lerobot
from bc_core.lerobot.video import VideoSettings
from bc_core.workers import Workers
from bc_msgs.msg import ControllerState, ControlMode, EpisodeOutcome
from bc_nodes.convert import to_ns
from takeover_rig import CONFIG, launched

BESIDE_NS = 60_000_000
"""Shorter than any mode in this test: between two states so close that agree, there was no other mode."""

HOLD, POLICY, HUMAN = ControlMode.HOLD, ControlMode.POLICY, ControlMode.HUMAN


def resume(graph: Operator) -> None:
    """Until the policy drives: on a busy machine it may starve before its second chunk, and waits to be resumed."""

    def drives() -> bool:
        return graph.mode == POLICY and graph.states[-1].source == "policy"

    while not drives():
        graph.click(RESUME)
        deadline = time.monotonic() + 2.0
        graph.until(lambda: drives() or time.monotonic() > deadline)  # noqa: B023


def mode_at(time_ns: int, states: dict[int, ControllerState]) -> int | None:
    """By the state of this time, or those beside it where they agree and are not far away. None: it is not known."""
    before = max((stamp for stamp in states if stamp <= time_ns), default=None)
    after = min((stamp for stamp in states if stamp >= time_ns), default=None)
    if before is None or after is None or after - before > BESIDE_NS:
        return None
    return states[before].mode if states[before].mode == states[after].mode else None


def test_labels_of_the_data_set_equal_the_true_interventions_to_the_frame(tmp_path: Path) -> None:
    """The truth: who commanded by controller/state, 100 times a second."""
    with launched(tmp_path, "rollout", "joy") as graph:
        graph.press()
        graph.start_episode(seed=5)
        resume(graph)
        for seconds in (0.5, 0.9):
            graph.spin_for(0.5)
            graph.press(DEAD_MAN, a4=0.4)
            graph.until_mode(HUMAN)
            graph.spin_for(seconds)
            graph.press()
            graph.until_mode(HOLD)
            resume(graph)
        graph.stop_episode(EpisodeOutcome.SUCCESS)
        states = {to_ns(state.header.stamp): state for state in graph.states}
    contract = Contract.load(CONFIG / "contracts" / "panda_conveyor.yaml")
    out = tmp_path / "dataset"
    to_lerobot(Request([tmp_path / "episodes"], workers=Workers(1)), out, VideoSettings("h264", crf=35))
    (file,) = (out / "meta" / "episodes").rglob("*.parquet")
    columns = pq.read_table(out / "data" / "chunk-000" / "file-000.parquet")
    labels = np.array(columns["intervention"].to_pylist())
    compared, wrong = 0, []
    for row in pq.read_table(file).to_pylist():
        for frame in range(row["length"]):
            mode = mode_at(contract.grid.time(row["first_tick"] + frame), states)
            if mode is None:
                continue
            compared += 1
            if labels[row["dataset_from_index"] + frame] != (mode == HUMAN):
                wrong.append((row["first_tick"] + frame, mode))
    assert compared > 0.5 * len(labels)
    assert not wrong
    assert labels.sum() > 20
    assert np.count_nonzero(np.diff(np.flatnonzero(labels)) > 1) >= 1  # two interventions
