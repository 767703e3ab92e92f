"""What the scripted conformance suite does not reach: order of checks, clocks that jump, stiffness, many producers."""

import re
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from bc_controllers import Arbiter
from bc_core.chunks import ActionChunk, Space
from bc_msgs.msg import ChunkAck, ControllerState, ControlMode
from bc_msgs.srv import ChangeMode

Array = npt.NDArray[np.float64]
MakeChunk = Callable[..., ActionChunk]
START, PERIOD, DT = 10_000_000_000, 1_000_000, 50_000_000
SECOND = 1_000_000_000
REMEDY = re.compile(r": (.* )?(send|use|count up|follow|mend|ask|see|make|wait)\b")
"""In the text of a refusal, what to do about it."""
RESUME, RESET = ChangeMode.Request.RESUME, ChangeMode.Request.RESET


def loose(chunk: ActionChunk, **changes: object) -> SimpleNamespace:
    """A chunk as a message: horizon and actions may contradict each other."""
    names = ("stamp_ns", "dt_ns", "groups", "producer", "producer_id", "sequence", "mode_epoch", "frozen", "release")
    fields = {name: getattr(chunk, name) for name in names}
    return SimpleNamespace(**{**fields, "horizon": chunk.horizon, "actions": chunk.actions.ravel(), **changes})


def resume(arbiter: Arbiter, now_ns: int = START) -> None:
    arbiter.request(RESUME, "test")
    arbiter.advance(now_ns)
    assert arbiter.mode == ControlMode.POLICY


def test_of_several_faults_the_first_in_the_protocols_order_is_named(
    arbiter: Arbiter, make_chunk: MakeChunk, level: Callable[..., Array]
) -> None:
    """Begin with a chunk that breaks every rule, and mend one fault after the other."""
    resume(arbiter)
    good = make_chunk(level(0.1), START, mode_epoch=2, sequence=5)
    arbiter.submit("policy", good)
    actions = good.actions.ravel().copy()
    actions[3] = np.nan
    faults: dict[str, object] = {
        "horizon": 1000,
        "actions": actions[:-1],
        "groups": good.groups[:1],
        "dt_ns": 0,
        "sequence": 5,
        "mode_epoch": 1,
        "stamp_ns": START - 10 * SECOND,
    }
    mends: list[tuple[str, dict[str, object]]] = [
        ("OVERFLOW", {"horizon": 8}),
        ("SIZE", {"actions": np.full(8 * 7, np.nan)}),
        ("LAYOUT", {"groups": good.groups, "actions": actions}),
        ("TIMING", {"dt_ns": DT}),
        ("NOT_FINITE", {"actions": good.actions.ravel()}),
        ("OLD_SEQUENCE", {"sequence": 6}),
        ("FOREIGN_EPOCH", {"mode_epoch": 2}),
        ("WRONG_SOURCE", {}),
        ("EXPIRED", {"stamp_ns": START + 3 * SECOND}),
        ("CLOCK", {"stamp_ns": START}),
        ("NONE", {}),
    ]
    arbiter.advance(START + PERIOD)
    assert [ack.verdict for ack in arbiter.poll_acks()] == [ChunkAck.IN_FORCE]
    sequence = 6
    for reason, mend in mends:
        # The planner may not command in POLICY: the wrong source until that has been named.
        source = "planner" if reason in ("OVERFLOW", "WRONG_SOURCE") else "policy"
        arbiter.submit(source, loose(good, **faults))
        arbiter.advance(START + PERIOD)
        (ack,) = arbiter.poll_acks()
        assert ack.reason == getattr(ChunkAck, reason), (reason, ack.reason, ack.detail)
        assert REMEDY.search(ack.detail) or reason == "NONE", ack.detail
        faults.update(mend)
        if faults["sequence"] != 5:  # whole chunks count as seen, whatever comes of them
            sequence += 1
            faults["sequence"] = sequence
    status = arbiter.status()
    assert status.chunks_refused == len(mends) - 1
    assert [status.refused_by_reason[getattr(ChunkAck, reason)] for reason, _ in mends[:-1]] == [1] * (len(mends) - 1)


def test_a_refused_chunk_changes_nothing(arbiter: Arbiter, make_chunk: MakeChunk, level: Callable[..., Array]) -> None:
    resume(arbiter)
    good = make_chunk(level(0.1) + np.linspace(0, 0.02, 8)[:, None], START, mode_epoch=2)
    arbiter.submit("policy", good)
    arbiter.advance(START)
    arbiter.advance(START + DT)
    rows = level(1.0)
    rows[2, 3] = np.inf
    arbiter.submit("policy", make_chunk(rows, START, mode_epoch=2))
    np.testing.assert_allclose(arbiter.advance(START + 2 * DT), good.sample(START + 2 * DT), atol=1e-12)


def test_a_lease_ends_by_the_steady_clock_when_ros_time_jumps(
    arbiter: Arbiter, make_chunk: MakeChunk, level: Callable[..., Array]
) -> None:
    """The last row comes 350 ms after the chunk, silence lasts 250 ms more: 600 ms, whatever ROS time says."""
    arbiter.submit("human", make_chunk(level(0.1), START, mode_epoch=1))
    arbiter.update(START, START)
    assert arbiter.mode == ControlMode.HUMAN
    jumped = START - 3600 * SECOND
    for elapsed in range(PERIOD, 600 * PERIOD, PERIOD):
        arbiter.update(jumped + elapsed, START + elapsed)
        assert arbiter.mode == ControlMode.HUMAN
    arbiter.update(jumped + 600 * PERIOD, START + 600 * PERIOD)
    assert arbiter.mode == ControlMode.HOLD


def test_ros_time_that_jumps_moves_the_reference_no_faster_than_its_limit(
    arbiter: Arbiter, make_chunk: MakeChunk
) -> None:
    resume(arbiter)
    rows = np.hstack([0.1 + 0.03 * np.arange(20)[:, None] * np.ones((1, 7)), np.full((20, 1), 0.04)])
    arbiter.submit("policy", make_chunk(rows, START, mode_epoch=2))
    for elapsed in range(0, 500 * PERIOD, PERIOD):
        reference = arbiter.update(START + elapsed, START + elapsed)
    for elapsed in range(500 * PERIOD, 600 * PERIOD, PERIOD):
        moved = arbiter.update(START + elapsed - 400 * PERIOD, START + elapsed)
        assert np.abs(moved[:7] - reference[:7]).max() <= 2.3e-3 + 1e-12
        reference = moved


def test_stiffness_is_lowered_when_nobody_commands_and_comes_back_gradually(
    arbiter: Arbiter, make_chunk: MakeChunk, level: Callable[..., Array]
) -> None:
    resume(arbiter)
    arbiter.advance(START + round(1.99e9))
    assert (arbiter.ladder, arbiter.stiffness_scale) == (ControllerState.HOLDING, 1.0)
    arbiter.advance(START + 4 * SECOND)
    assert arbiter.ladder == ControllerState.COMPLIANT
    assert arbiter.stiffness_scale == pytest.approx(0.3)
    arbiter.submit("policy", make_chunk(level(0.1, 40), START + 4 * SECOND, mode_epoch=2))
    scales = []
    for i in range(1000):
        arbiter.advance(START + 4 * SECOND + i * PERIOD)
        scales.append(arbiter.stiffness_scale)
    assert arbiter.ladder == ControllerState.FOLLOWING
    assert np.diff(scales).max() <= 1e-3 + 1e-12 and scales[-1] == 1.0


def test_hold_stays_stiff_but_not_after_a_fault(arbiter: Arbiter) -> None:
    arbiter.advance(START + 5 * SECOND)
    assert (arbiter.ladder, arbiter.stiffness_scale) == (ControllerState.HOLDING, 1.0)
    arbiter.fault("fault: test")
    arbiter.advance(START + 8 * SECOND)
    assert (arbiter.mode, arbiter.ladder) == (ControlMode.STOPPED, ControllerState.COMPLIANT)
    arbiter.request(RESET, "test")
    arbiter.advance(START + 9 * SECOND)
    assert (arbiter.mode, arbiter.ladder) == (ControlMode.HOLD, ControllerState.COMPLIANT)


def test_sequences_of_many_producers_are_kept_apart(
    arbiter: Arbiter, make_chunk: MakeChunk, level: Callable[..., Array]
) -> None:
    resume(arbiter)
    for producer in range(12):
        arbiter.submit("policy", make_chunk(level(0.1), START, mode_epoch=2, producer_id=producer, sequence=3))
        arbiter.advance(START + PERIOD)
    for producer in range(12):
        arbiter.submit("policy", make_chunk(level(0.1), START, mode_epoch=2, producer_id=producer, sequence=3))
        arbiter.advance(START + PERIOD)
    assert [ack.reason for ack in arbiter.poll_acks()] == [ChunkAck.NONE] * 12 + [ChunkAck.OLD_SEQUENCE] * 12


LONG = "a_name_that_somebody_generated_" * 12
"""Longer than the text of a fault may be."""


@pytest.mark.parametrize(
    ("group", "said"),
    [
        ({"name": LONG}, "group 0: name is 'a_name_that_somebody_g..', the robot's 'arm'"),
        ({"space": Space.GRIPPER}, "group 0: space is "),
        ({"offset": 1}, "group 0: columns 1 + "),
        ({"tip": LONG, "frame_id": LONG}, "group 0: commands 'a_name_that_somebody_g..' in 'a_name_that_somebody_g..'"),
        ({"names": (LONG,) * 7}, "group 0: column 0 is 'a_name_that_somebody_g..', the robot's "),
        ({"names": ()}, "group 0: 0 names, the robot has "),
    ],
)
def test_a_foreign_layout_is_named_with_what_to_do_however_long_its_names(
    arbiter: Arbiter, make_chunk: MakeChunk, level: Callable[..., Array], group: dict[str, Any], said: str
) -> None:
    resume(arbiter)
    good = make_chunk(level(0.1), START, mode_epoch=2)
    first = good.groups[0]
    fields = {name: getattr(first, name) for name in ("name", "space", "names", "offset", "width", "tip", "frame_id")}
    arbiter.submit("policy", loose(good, groups=(SimpleNamespace(**{**fields, **group}), *good.groups[1:])))
    arbiter.advance(START + PERIOD)
    (ack,) = arbiter.poll_acks()
    assert ack.reason == ChunkAck.LAYOUT and said in ack.detail and REMEDY.search(ack.detail), ack.detail


@pytest.mark.parametrize(
    ("change", "said"), [({"frozen": 9}, "frozen is 9: .* send 0 to 8$"), ({"dt_ns": 7}, "dt is 7 ns: send rows that")]
)
def test_counts_and_times_out_of_range_are_named_with_what_to_do(
    arbiter: Arbiter, make_chunk: MakeChunk, level: Callable[..., Array], change: dict[str, int], said: str
) -> None:
    resume(arbiter)
    arbiter.submit("policy", loose(make_chunk(level(0.1), START, mode_epoch=2), **change))
    arbiter.advance(START + PERIOD)
    (ack,) = arbiter.poll_acks()
    assert re.search(said, ack.detail), ack.detail


def test_chunks_nobody_takes_are_refused_not_lost(
    arbiter: Arbiter, make_chunk: MakeChunk, level: Callable[..., Array]
) -> None:
    """The loop stands still: the mailbox fills up, and every chunk is answered all the same."""
    resume(arbiter)
    for _ in range(20):
        arbiter.submit("policy", make_chunk(level(0.1), START, mode_epoch=2))
    refused = arbiter.poll_acks()
    assert len(refused) > 0 and {ack.reason for ack in refused} == {ChunkAck.OVERFLOW}
    assert "mailbox is full" in refused[0].detail
    arbiter.advance(START + PERIOD)
    answered = [ack.sequence for ack in refused + arbiter.poll_acks()]
    assert sorted(answered) == list(range(1, 21))
    assert arbiter.status().refused_by_reason[ChunkAck.OVERFLOW] == len(refused)


def test_unknown_sources_and_requests_are_told_apart_from_refusals(
    arbiter: Arbiter, make_chunk: MakeChunk, level: Callable[..., Array]
) -> None:
    with pytest.raises(ValueError, match="source 'robot' is unknown: use policy, human or planner"):
        arbiter.submit("robot", make_chunk(level(0.1), START))
    tickets = [arbiter.request(9, "test"), arbiter.request(RESET, "test")]
    arbiter.advance(START)
    results = arbiter.poll_results()
    assert [result.ticket for result in results] == tickets
    assert "request 9 is unknown" in results[0].message
    assert "RESET is refused in HOLD" in results[1].message
