"""Delays, jumps, starvation and steps, on hand-made recordings and against the scheduler's own account."""

from math import isnan
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from bc_core.chunks import ActionGroup, Space
from bc_core.commands import read_timeline
from bc_core.grid import Grid
from bc_core.report.changes import changes, reference_steps, starved_ticks
from bc_core.report.overlay import row_classes
from bc_core.report.recording import Recording, read_recording
from bc_core.report.trials import Rollouts

TICK = 50_000_000
GRID = Grid(TICK)
GROUPS = (
    ActionGroup("arm", Space.JOINT_POSITION, ("a", "b"), 0, 2),
    ActionGroup("gripper", Space.GRIPPER, ("g",), 2, 1),
)
HOLD, POLICY = 0, 1


def at(ticks: float) -> SimpleNamespace:
    seconds, nanoseconds = divmod(round(ticks * TICK), 1_000_000_000)
    return SimpleNamespace(sec=seconds, nanosec=nanoseconds)


def chunk(sequence: int, tick: float, rows: Any, frozen: int = 0) -> tuple[str, Any]:
    values = np.asarray(rows, dtype=float)
    groups = [
        SimpleNamespace(
            name=g.name, space=int(g.space), names=list(g.names), offset=g.offset, width=g.width, tip="", frame_id=""
        )
        for g in GROUPS
    ]
    fields = {"producer": "p", "producer_id": 1, "sequence": sequence, "mode_epoch": 2, "release": False}
    return "command/policy", SimpleNamespace(
        header=SimpleNamespace(stamp=at(tick)),
        dt=at(1),
        horizon=len(values),
        actions=values.ravel(),
        groups=groups,
        frozen=frozen,
        **fields,
    )


def ack(sequence: int, tick: float, jump: float = 0.0, verdict: int = 1, epoch: int = 2) -> tuple[str, Any]:
    return "controller/ack", SimpleNamespace(
        header=SimpleNamespace(stamp=at(tick)),
        source="policy",
        producer_id=1,
        sequence=sequence,
        verdict=verdict,
        reason=0 if verdict == 1 else 7,
        mode_epoch=epoch,
        effective=at(tick),
        raw_jump=jump,
    )


def mode(tick: float, value: int, epoch: int, reason: str = "") -> tuple[str, Any]:
    return "controller/mode", SimpleNamespace(
        header=SimpleNamespace(stamp=at(tick)), mode=value, epoch=epoch, reason=reason
    )


def end(tick: float) -> tuple[str, Any]:
    """Something of the controller that marks the end of the recording."""
    return ack(999, tick, verdict=2)


def record(*messages: tuple[str, Any]) -> Recording:
    return read_recording(messages, GROUPS, "test")


def ramp(rows: int, start: float = 0.0, step: float = 0.1) -> list[list[float]]:
    return [[start + step * row, 0.0, 0.04] for row in range(rows)]


def test_delay_counts_from_the_observation_to_the_first_tick_of_effect() -> None:
    recording = record(mode(100, POLICY, 2), chunk(1, 101, ramp(20), frozen=5), ack(1, 104.2))
    (change,) = changes(recording, GRID)
    assert (change.measured, change.estimated, change.first) == (4, 4, True)


def test_jump_at_row_d_compares_rows_of_the_same_time() -> None:
    """Both joints count, the gripper does not; row 5 is the first that is not frozen."""
    old = [[0.1 * row, 0.0, 0.0] for row in range(20)]
    new = [[0.1 * (row + 6), 0.0, 0.0] if row < 5 else [0.1 * (row + 6) + 0.3, 0.4, 0.02] for row in range(20)]
    recording = record(
        mode(100, POLICY, 2), chunk(1, 101, old), ack(1, 101), chunk(2, 107, new, frozen=5), ack(2, 110.5, jump=0.01)
    )
    _, change = changes(recording, GRID)
    assert change.jump_at_effect == 0.01
    assert change.jump_at_row_d == pytest.approx(0.5)


def test_jump_at_row_d_of_an_underestimated_delay_is_taken_where_the_chunk_begins_to_act() -> None:
    new = [[float(row), 0.0, 0.0] for row in range(20)]
    recording = record(chunk(1, 101, np.zeros((40, 3))), ack(1, 101), chunk(2, 107, new, frozen=3), ack(2, 113.5))
    assert changes(recording, GRID)[1].jump_at_row_d == 7.0


def test_no_jump_at_row_d_without_an_old_row() -> None:
    ended = record(chunk(1, 101, ramp(5)), ack(1, 101), chunk(2, 107, ramp(20)), ack(2, 110))
    other_epoch = record(chunk(1, 101, ramp(40)), ack(1, 101), chunk(2, 107, ramp(20)), ack(2, 110, epoch=4))
    assert [change.jump_at_row_d for change in changes(ended, GRID)] == [None, None]
    assert [change.first for change in changes(other_epoch, GRID)] == [True, True]


def test_starved_ticks_begin_after_the_last_row_and_end_with_the_next_chunk() -> None:
    """The chunk of tick 101 has its last row at tick 104; the next takes effect between 107 and 108."""
    recording = record(
        mode(100, POLICY, 2), chunk(1, 101, ramp(4)), ack(1, 101), chunk(2, 106, ramp(9)), ack(2, 107.5), end(110)
    )
    assert starved_ticks(recording, GRID) == 3


def test_ticks_before_the_first_chunk_or_outside_policy_are_not_starved() -> None:
    messages = (mode(100, POLICY, 2), chunk(1, 105, ramp(4)), ack(1, 105))
    assert starved_ticks(record(*messages, mode(110, HOLD, 3, "starved"), end(130)), GRID) == 1
    assert starved_ticks(record(*messages, mode(110, HOLD, 3), mode(120, POLICY, 4), end(130)), GRID) == 1


def test_refused_chunks_neither_act_nor_disappear() -> None:
    recording = record(chunk(1, 101, ramp(4)), ack(1, 101, verdict=2))
    assert changes(recording, GRID) == []
    assert recording.refused == {"expired": 1}


def test_steps_of_the_reference_include_the_changes_of_chunk() -> None:
    messages = [
        mode(100, POLICY, 2),
        chunk(1, 101, ramp(10)),
        ack(1, 101),
        chunk(2, 104, ramp(4, start=1.0)),
        ack(2, 104),
    ]
    steps = reference_steps(read_timeline(messages, GROUPS, "test"), GROUPS, GRID, (100 * TICK, 120 * TICK))
    assert steps == pytest.approx([0.1, 0.1, 0.8, 0.1, 0.1, 0.1])


def test_steps_do_not_cross_a_change_of_mode() -> None:
    messages = [mode(100, POLICY, 2), chunk(1, 101, ramp(4)), ack(1, 101), mode(103, POLICY, 3), ack(2, 103)]
    messages.append(chunk(2, 103, ramp(3, start=9.0)))
    steps = reference_steps(read_timeline(messages, GROUPS, "test"), GROUPS, GRID, (100 * TICK, 120 * TICK))
    assert steps == pytest.approx([0.1, 0.1, 0.1])


def test_rows_are_frozen_then_guided_then_free() -> None:
    status = SimpleNamespace(header=SimpleNamespace(stamp=at(104.3)), execution_horizon=3, residual_at_row_d=0.0)
    recording = record(chunk(1, 101, ramp(8), frozen=2), ack(1, 104.2), ("scheduler/status", status))
    (item,) = recording.in_force
    assert row_classes(item) == ["frozen"] * 2 + ["guided"] * 3 + ["free"] * 3
    (naive,) = record(chunk(1, 101, ramp(3)), ack(1, 102), ("scheduler/status", status)).in_force
    assert row_classes(naive) == ["free"] * 3


@pytest.mark.parametrize("name", ["rtc", "naive", "no_delay"])
def test_bags_say_what_the_scheduler_measured(run: Any, rollouts: Rollouts, name: str) -> None:
    """Two independent accounts of every chunk: the scheduler's own while it ran, and the report's from the bag."""
    for trial, played in zip(rollouts.trials[name], run.trials[name], strict=True):
        found = changes(trial.recording, trial.grid)
        assert len(found) == len(played.cycles) > 5
        for change, cycle in zip(found, played.cycles, strict=True):
            assert change.measured == cycle.delay_measured
            assert change.estimated == (cycle.delay_estimated if name != "naive" else None)
            assert change.jump_at_effect == cycle.raw_jump_at_effect
            expected = None if isnan(cycle.raw_jump_at_row_d) else pytest.approx(cycle.raw_jump_at_row_d, abs=1e-12)
            assert change.jump_at_row_d == expected
