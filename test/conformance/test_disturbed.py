"""Scheduler and arbiter together under arbitrary delays, losses, duplicates, reorderings and mode changes."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
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


@dataclass
class Loop:
    """One run at 1 kHz; everything that happens is drawn beforehand."""

    fates: list[dict[str, Any]]
    changes: list[tuple[float, int]]
    strategy: str = "rtc"
    arbiter: Any = None
    scheduler: Any = None
    sent: dict[int, tuple[int, int]] = field(default_factory=dict)  # sequence -> tick, epoch
    in_force: list[tuple[int, int, int]] = field(default_factory=list)  # effective_ns, tick, epoch
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
            for change in self.arbiter.poll_modes():
                self.scheduler.on_mode(change.mode == ControlMode.POLICY, change.epoch)
            for ack in self.arbiter.poll_acks():
                self.on_ack(ack)
            if now % GRID.dt_ns == 0:
                self.on_tick(now, row)
            due = sorted(event for event in self.events if event[0] <= now)
            self.events = [event for event in self.events if event[0] > now]
            for _, _, action in due:
                action(now)

    def on_tick(self, now: int, row: Any) -> None:
        tick, counters = GRID.floor(now), self.scheduler.counters
        before, mode = counters.starved_ticks, self.arbiter.mode
        periods, self.starved_periods = self.starved_periods, self.arbiter.status().starved_periods
        epoch = self.in_force[-1][2] if self.in_force else None
        ended = epoch is not None and tick > self.in_force[-1][1] + HORIZON - 1
        request = self.scheduler.on_tick(tick, row)
        told = counters.starved_ticks > before or self.starved_periods > periods
        if mode == ControlMode.POLICY and ended and epoch == self.scheduler.epoch and not told:
            self.unreported += 1
        if request is not None:
            self.ask(now, request)

    def ask(self, now: int, request: Request) -> None:
        fate = {"latency": 0.1} if now > START_NS + DISTURBED_S * 1e9 or not self.fates else self.fates.pop(0)
        if fate.get("lost"):
            return
        actions = policy(request, float(self.phases.uniform(-3, 3)))
        for _ in range(2 if fate.get("twice") else 1):
            self.later(now + 1e9 * fate["latency"], lambda at: self.answer(at, request, actions, fate))

    def answer(self, now: int, request: Request, actions: Any, fate: dict[str, Any]) -> None:
        delivery = self.scheduler.on_answer(request.sequence, actions, 0.0, now)
        if delivery is None:
            return
        assert delivery.tick == request.tick  # a chunk is never moved in time
        self.sent[delivery.sequence] = delivery.tick, delivery.epoch
        if fate.get("ack_lost"):
            self.sent[delivery.sequence] = delivery.tick, -delivery.epoch

        def send(_: int) -> None:
            self.arbiter.submit("policy", message(delivery))

        for _ in range(0 if fate.get("chunk_lost") else 2 if fate.get("chunk_twice") else 1):
            self.later(
                now + 1e9 * fate.get("chunk_late", 0.0), lambda at: self.arbiter.submit("policy", message(delivery))
            )

    def on_ack(self, ack: Any) -> None:
        tick, epoch = self.sent[ack.sequence]
        in_force = ack.verdict == ChunkAck.IN_FORCE
        if in_force:
            self.in_force.append((ack.effective_ns, tick, abs(epoch)))
        if epoch > 0:
            self.scheduler.on_ack(ack.sequence, in_force, ack.effective_ns, ack.raw_jump, ack.detail)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(fates=st.lists(answers, max_size=40), changes=changes, strategy=st.sampled_from(CHAINED))
def test_whatever_happens_to_messages(
    fates: list[dict[str, Any]], changes: list[tuple[float, int]], strategy: str
) -> None:
    loop = Loop(list(fates), changes, strategy)
    loop.run()
    # never a row older than the one in force, and none from another epoch
    for (_, old_tick, old_epoch), (_, tick, epoch) in zip(loop.in_force, loop.in_force[1:], strict=False):
        assert (epoch, tick) > (old_epoch, old_tick)
    # a tick without a row is always counted
    assert loop.unreported == 0
    # no deadlock: once the disturbance is over, chunks come into force again and follow each other
    late = [tick for effective, tick, _ in loop.in_force if effective > START_NS + (DISTURBED_S + 2.2) * 1e9]
    assert loop.arbiter.mode == ControlMode.POLICY
    assert len(late) >= 2
