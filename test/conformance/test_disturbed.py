"""Scheduler and arbiter together under arbitrary delays, losses, duplicates, reorderings and mode changes."""

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_arbiter import arbiter_config
from test_together import GRID, GROUPS, HORIZON, PERIOD_NS, START, START_NS, message, policy

from bc_controllers import Arbiter
from bc_core.cycle import Request, SchedulerConfig
from bc_core.delay import WindowMax
from bc_core.scheduler import Scheduler
from bc_core.strategies.registry import STRATEGIES
from bc_msgs.msg import ChunkAck, ControlMode
from bc_msgs.srv import ChangeMode

DISTURBED_S = 5.0
RECOVERY_S = 3.0  # longest back-off (1 s), an answer time-out (1 s) and a chunk
CHAINED = ("rtc", "rtc_hard", "conditioned", "bid", "ensemble", "naive")
CHANGES = (ChangeMode.Request.HOLD, ChangeMode.Request.RESUME, ChangeMode.Request.STOP, ChangeMode.Request.RESET)

answers = st.fixed_dictionaries(
    {
        "latency": st.floats(0.001, 1.3),
        "lost": st.sampled_from([False] * 4 + [True]),  # the answer never comes
        "twice": st.sampled_from([False] * 4 + [True]),
        "chunk_lost": st.sampled_from([False] * 6 + [True]),
        "chunk_twice": st.sampled_from([False] * 6 + [True]),
        "chunk_late": st.sampled_from([0.0] * 6 + [0.02, 0.4]),  # on its way to the controller: overtaken by later ones
        "ack_lost": st.sampled_from([False] * 6 + [True]),
    }
)
changes = st.lists(st.tuples(st.floats(0.2, DISTURBED_S), st.sampled_from(CHANGES)), max_size=6)
kills = st.lists(st.tuples(st.floats(0.2, DISTURBED_S - 1.0), st.floats(0.05, 1.0)), max_size=2)


@dataclass
class Loop:
    """One run at 1 kHz; everything that happens is drawn beforehand.

    changes: time [s] and request of an operator. kills: when the policy process is killed [s], and for how long it is
    gone: what it was asked before, or while it is gone, is never answered.
    """

    fates: list[dict[str, Any]]
    changes: list[tuple[float, int]]
    strategy: str = "rtc"
    kills: list[tuple[float, float]] = field(default_factory=list)
    arbiter: Any = None
    scheduler: Any = None
    sent: dict[int, Any] = field(default_factory=dict)  # sequence -> delivery
    unheard: set[int] = field(default_factory=set)  # sequences whose acknowledgement is lost
    in_force: list[tuple[int, Any]] = field(default_factory=list)  # effective_ns, delivery
    acks: list[Any] = field(default_factory=list)
    modes: list[Any] = field(default_factory=list)
    reference: list[Any] = field(default_factory=list)  # (time_ns, row)
    starved_periods: int = 0  # as the controller counts them
    unreported: int = 0  # ticks without a row that neither scheduler nor controller counted
    events: list[tuple[int, int, Any]] = field(default_factory=list)  # time, order, action
    order: int = 0

    def __post_init__(self) -> None:
        self.arbiter = Arbiter(arbiter_config(), START[:2], float(START[2]))
        config = SchedulerConfig(STRATEGIES[self.strategy], HORIZON, s_min=5)
        self.scheduler = Scheduler(config, GRID, WindowMax(4, 5), GROUPS)
        self.phases = np.random.default_rng(len(self.fates))

    def later(self, time: float, action: Any) -> None:
        self.order += 1
        self.events.append((round(time), self.order, action))

    def run(self) -> None:
        self.arbiter.advance(START_NS)
        self.arbiter.request(ChangeMode.Request.RESUME, "test")
        for time, change in self.changes:
            self.later(START_NS + 1e9 * time, lambda now, change=change: self.arbiter.request(change, "test"))
        for moment, change in (
            (0.0, ChangeMode.Request.RESET),
            *((m, ChangeMode.Request.RESUME) for m in (0.1, 0.8, 1.4)),
        ):
            end = START_NS + 1e9 * (DISTURBED_S + moment)  # an operator who resumes until it runs
            self.later(end, lambda now, change=change: self.arbiter.request(change, "test"))
        for now in range(START_NS, START_NS + int((DISTURBED_S + RECOVERY_S) * 1e9), PERIOD_NS):
            row = self.arbiter.advance(now)
            self.reference.append((now, row.copy()))
            for change in self.arbiter.poll_modes():
                self.modes.append(change)
                self.scheduler.on_mode(change.mode == ControlMode.POLICY, change.epoch)
            for ack in self.arbiter.poll_acks():
                self.on_ack(ack)
            if now % GRID.dt_ns == 0:
                self.on_tick(now, row)
            due = sorted(event for event in self.events if event[0] <= now)
            self.events = [event for event in self.events if event[0] > now]
            for _, _, action in due:
                action(now)

    def following(self) -> Any:
        """The delivery that the robot follows, or followed to its end; None: none in this epoch."""
        current = self.in_force[-1][1] if self.in_force else None
        return current if current is not None and current.epoch == self.scheduler.epoch else None

    def on_tick(self, now: int, row: Any) -> None:
        tick, counters, current = GRID.floor(now), self.scheduler.counters, self.following()
        before, mode = counters.starved_ticks, self.arbiter.mode
        periods, self.starved_periods = self.starved_periods, self.arbiter.status().starved_periods
        ended = current is not None and tick > current.tick + HORIZON - 1
        if current is not None and not ended:
            assert self.arbiter.row == tick - current.tick  # every row at its own time
            self.scheduler.on_in_force(current.sequence)  # the controller's state says so, too
        request = self.scheduler.on_tick(tick, row)
        told = counters.starved_ticks > before or self.starved_periods > periods
        if mode == ControlMode.POLICY and ended and not told:
            self.unreported += 1
        if request is not None:
            if request.prefix is not None:
                held = current is None or ended
                rows = np.tile(row, (request.frozen, 1)) if held else current.actions[tick - current.tick :]
                np.testing.assert_array_equal(request.prefix, rows)  # what the robot follows, to the bit
            self.ask(now, request)

    def ask(self, now: int, request: Request) -> None:
        fate = {"latency": 0.1} if now > START_NS + DISTURBED_S * 1e9 or not self.fates else self.fates.pop(0)
        if fate.get("lost"):
            return
        actions = policy(request, float(self.phases.uniform(-3, 3)))
        for _ in range(2 if fate.get("twice") else 1):
            self.later(now + 1e9 * fate["latency"], lambda at: self.answer(at, now, request, actions, fate))

    def killed(self, asked: int, now: int) -> bool:
        """The policy process was gone when it was asked, or died before it could answer."""
        spans = [(START_NS + 1e9 * time, START_NS + 1e9 * (time + gone)) for time, gone in self.kills]
        return any(begin <= now and asked < end for begin, end in spans)

    def answer(self, now: int, asked: int, request: Request, actions: Any, fate: dict[str, Any]) -> None:
        if self.killed(asked, now):
            return
        delivery = self.scheduler.on_answer(request.sequence, actions, 0.0, now)
        if delivery is None:
            return
        assert delivery.tick == request.tick  # a chunk is never moved in time
        self.sent[delivery.sequence] = delivery
        if fate.get("ack_lost"):
            self.unheard.add(delivery.sequence)
        for _ in range(0 if fate.get("chunk_lost") else 2 if fate.get("chunk_twice") else 1):
            self.later(
                now + 1e9 * fate.get("chunk_late", 0.0), lambda at: self.arbiter.submit("policy", message(delivery))
            )

    def on_ack(self, ack: Any) -> None:
        self.acks.append(ack)
        in_force = ack.verdict == ChunkAck.IN_FORCE
        if in_force:
            self.in_force.append((ack.effective_ns, self.sent[ack.sequence]))
        if ack.sequence not in self.unheard:
            self.scheduler.on_ack(ack.sequence, in_force, ack.effective_ns, ack.raw_jump, ack.detail)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(fates=st.lists(answers, max_size=40), changes=changes, kills=kills, strategy=st.sampled_from(CHAINED))
def test_whatever_happens_to_messages(
    fates: list[dict[str, Any]], changes: list[tuple[float, int]], kills: list[tuple[float, float]], strategy: str
) -> None:
    loop = Loop(list(fates), changes, strategy, kills)
    loop.run()
    # never a row older than the one in force, and none from another epoch
    for (_, old), (_, new) in pairwise(loop.in_force):
        assert (new.epoch, new.tick) > (old.epoch, old.tick)
    # a tick without a row is always counted
    assert loop.unreported == 0
    # no deadlock: once the disturbance is over, chunks come into force again and follow each other
    late = [effective for effective, _ in loop.in_force if effective > START_NS + (DISTURBED_S + 2.2) * 1e9]
    assert loop.arbiter.mode == ControlMode.POLICY
    assert len(late) >= 2


@pytest.mark.parametrize("resumed", [2.2, 3.0])
def test_a_policy_process_that_is_killed_and_started_again(resumed: float) -> None:
    """Gone from 1 s to 2.5 s; the operator resumes before it is back, or after. It begins where the robot stands."""
    loop = Loop([], [(resumed, ChangeMode.Request.RESUME)], kills=[(1.0, 1.5)])
    loop.run()
    drove, held, back = loop.modes[1:4]  # after the HOLD of the start
    assert [drove.mode, held.mode, back.mode] == [ControlMode.POLICY, ControlMode.HOLD, ControlMode.POLICY]
    assert held.reason == "starved"
    assert 1.0 < (held.stamp_ns - START_NS) / 1e9 < 1.0 + HORIZON * GRID.dt + 0.3 + 0.05
    assert loop.scheduler.counters.starved_ticks > 0
    assert loop.unreported == 0
    first = next(ack for ack in loop.acks if ack.mode_epoch == back.epoch)
    assert first.verdict == ChunkAck.IN_FORCE
    assert first.raw_jump < 1e-9
    stood = np.array([row for now, row in loop.reference if held.stamp_ns + 200_000_000 < now < first.effective_ns])
    assert len(stood) > 100
    assert np.ptp(stood, axis=0).max() == 0.0
    assert loop.scheduler.counters.timeouts == (1 if resumed < 2.5 else 0)
    driven = [effective for effective, delivery in loop.in_force if delivery.epoch == back.epoch]
    assert len(driven) > 3
