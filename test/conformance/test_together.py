"""Scheduler and arbiter together in virtual time, with a policy that answers late: what chunking promises."""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from test_arbiter import arbiter_config, chunk

from bc_controllers import Arbiter
from bc_core.chunks import ActionGroup, Space
from bc_core.cycle import Delivery, Request, SchedulerConfig
from bc_core.delay import WindowMax
from bc_core.grid import Grid
from bc_core.scheduler import Scheduler
from bc_core.strategies.registry import STRATEGIES, Strategy
from bc_msgs.msg import ChunkAck, ControlMode
from bc_msgs.srv import ChangeMode

GRID = Grid(50_000_000)
PERIOD_NS = 1_000_000
HORIZON = 16
START_NS = 10_000_000_000
START = np.array([0.1, -0.2, 0.04])
GROUPS = (
    ActionGroup("arm", Space.JOINT_POSITION, ("a", "b"), 0, 2),
    ActionGroup("gripper", Space.GRIPPER, ("g",), 2, 1),
)


@dataclass
class Run:
    """What happened."""

    acks: list[Any] = field(default_factory=list)
    cycles: list[Any] = field(default_factory=list)
    reference: list[Any] = field(default_factory=list)  # (time_ns, row)
    starved_ticks: int = 0
    mode: int = ControlMode.HOLD
    scheduler: Any = None


def wave(tick: int, phase: float) -> Any:
    """Rows of a chunk for a slow sine of its own phase: two chunks never agree unless a prefix makes them."""
    ticks = tick + np.arange(HORIZON)
    sine = 0.2 * np.sin(0.15 * ticks + phase)
    return START + sine[:, None] * np.array([1.0, -1.0, 0.0])


def policy(request: Request, phase: float) -> Any:
    """A policy that keeps the frozen rows exactly and is free after them."""
    rows = wave(request.tick, phase)
    if request.prefix is not None:
        rows[: request.frozen] = request.prefix[: request.frozen]
    return rows


def simulate(
    latencies: Iterator[float],
    strategy: Strategy = STRATEGIES["rtc"],
    seconds: float = 6.0,
    phases: Iterable[float] = (),
    lose: Callable[[int], bool] = lambda sequence: False,
    delay_init: int = 5,
) -> Run:
    """Run both at 1 kHz. latencies: of successive answers [s]; lose: drops the delivery with this sequence."""
    arbiter = Arbiter(arbiter_config(), START[:2], float(START[2]))
    scheduler = Scheduler(SchedulerConfig(strategy, HORIZON, s_min=5), GRID, WindowMax(delay_init, 10), GROUPS)
    run = Run(scheduler=scheduler)
    phase = iter(phases)
    row = arbiter.advance(START_NS)
    arbiter.request(ChangeMode.Request.RESUME, "test")
    pending: list[tuple[int, Request, Any]] = []
    for now in range(START_NS, START_NS + int(seconds * 1e9), PERIOD_NS):
        row = arbiter.advance(now)
        run.reference.append((now, row.copy()))
        for change in arbiter.poll_modes():
            scheduler.on_mode(change.mode == ControlMode.POLICY, change.epoch)
        for ack in arbiter.poll_acks():
            run.acks.append(ack)
            scheduler.on_ack(ack.sequence, ack.verdict == ChunkAck.IN_FORCE, ack.effective_ns, ack.raw_jump, ack.detail)
            if ack.verdict == ChunkAck.IN_FORCE:
                run.cycles.append(scheduler.last)
        if now % GRID.dt_ns == 0:
            request = scheduler.on_tick(GRID.floor(now), row)
            if request is not None:
                pending.append((now + int(next(latencies) * 1e9), request, policy(request, next(phase, 0.0))))
        for item in [item for item in pending if item[0] <= now]:
            pending.remove(item)
            delivery = scheduler.on_answer(item[1].sequence, item[2], 0.0, now)
            if delivery is not None and not lose(delivery.sequence):
                arbiter.submit("policy", message(delivery))
    run.mode, run.starved_ticks = arbiter.mode, scheduler.counters.starved_ticks
    return run


def message(delivery: Delivery) -> Any:
    """The delivery as the controller gets it."""
    return chunk(
        {
            "source": "policy",
            "stamp": GRID.time(delivery.tick) / 1e9,
            "rows": delivery.actions,
            "epoch": delivery.epoch,
            "sequence": delivery.sequence,
            "alter": {"frozen": delivery.frozen},
        }
    )


def jitter(seed: int, low: float, high: float) -> Iterator[float]:
    rng = np.random.default_rng(seed)
    while True:
        yield float(rng.uniform(low, high))


def random_phases(seed: int) -> Iterator[float]:
    rng = np.random.default_rng(seed)
    while True:
        yield float(rng.uniform(-math.pi, math.pi))


@pytest.mark.parametrize("seed", range(5))
def test_the_reference_does_not_move_at_a_change_while_the_delay_is_not_underestimated(seed: int) -> None:
    run = simulate(jitter(seed, 0.15, 0.249), phases=random_phases(seed))
    assert len(run.cycles) > 15
    assert all(cycle.delay_measured <= cycle.delay_estimated for cycle in run.cycles)
    assert max(ack.raw_jump for ack in run.acks) < 1e-9
    # the test can fail: the same chunks without a prefix jump
    naive = simulate(jitter(seed, 0.15, 0.249), STRATEGIES["naive"], phases=random_phases(seed))
    assert np.median([ack.raw_jump for ack in naive.acks[1:]]) > 0.05


@pytest.mark.parametrize("latency", [0.001, 0.049, 0.051, 0.1, 0.23])
def test_delay_is_counted_to_the_first_tick_of_the_new_chunk(latency: float) -> None:
    run = simulate(iter(lambda: latency, None))
    expected = math.ceil((latency + 0.001) / GRID.dt)  # it arrives in the control period after it was sent
    assert {cycle.delay_measured for cycle in run.cycles} == {expected}


def test_rows_are_executed_at_their_own_time() -> None:
    run = simulate(jitter(1, 0.15, 0.2))
    expected = {tick: wave(tick, 0.0)[0] for tick in range(200, 330)}
    for now, row in run.reference:
        if now % GRID.dt_ns == 0 and now > 11_500_000_000:  # well after the way from the start into the wave
            np.testing.assert_allclose(row, expected[GRID.floor(now)], atol=1e-6)


def test_a_spike_beyond_the_estimate_jumps_once_and_raises_the_estimate() -> None:
    delays = iter([0.09] * 6 + [0.4] + [0.09] * 100)
    run = simulate(delays, phases=random_phases(0), delay_init=2)
    under = [cycle for cycle in run.cycles if cycle.delay_measured > cycle.delay_estimated]
    assert len(under) == 1
    assert under[0].raw_jump_at_effect > 1e-3
    assert run.starved_ticks == 0


def test_a_lost_chunk_is_asked_for_again_and_the_motion_goes_on() -> None:
    lost: list[int] = []

    def lose(sequence: int) -> bool:
        if not lost and sequence > 8:
            lost.append(sequence)
        return sequence in lost

    run = simulate(iter(lambda: 0.05, None), lose=lose, delay_init=2)
    assert lost
    assert run.scheduler.counters.timeouts == 1
    assert run.mode == ControlMode.POLICY
    assert run.starved_ticks == 0


def test_a_policy_that_falls_silent_starves_audibly_and_the_robot_holds() -> None:
    run = simulate(iter([0.05] * 4 + [99.0] * 50), delay_init=2)
    assert run.mode == ControlMode.HOLD
    assert run.starved_ticks > 0
    still = np.array([row for now, row in run.reference[-500:]])
    assert np.ptp(still, axis=0).max() == 0.0


def test_synchronous_execution_stands_while_it_thinks_and_is_not_starved() -> None:
    run = simulate(iter(lambda: 0.2, None), STRATEGIES["sync"])
    assert run.mode == ControlMode.POLICY
    assert run.starved_ticks == 0
    assert len(run.cycles) == pytest.approx(6.0 / (0.25 + 0.25), abs=2)
