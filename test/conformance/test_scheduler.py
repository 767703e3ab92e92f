"""The Python scheduler keeps docs/protocol.md: scripted ticks, answers, acknowledgements and mode changes."""

from typing import Any

import numpy as np
import pytest

from bc_core.chunks import ActionGroup, Space
from bc_core.cycle import SchedulerConfig
from bc_core.delay import WindowMax
from bc_core.grid import Grid
from bc_core.mask import Mask
from bc_core.scheduler import Scheduler
from bc_core.strategies.registry import STRATEGIES
from scenarios import load, refuse_unknown

DT_NS = 50_000_000
WIDTH = 3
GROUPS = (ActionGroup("arm", Space.JOINT_POSITION, ("a", "b", "c"), 0, WIDTH),)


class Driver:
    """Runs one scenario's steps on a scheduler."""

    def __init__(self) -> None:
        config = SchedulerConfig(STRATEGIES["rtc"], horizon=8, s_min=2, answer_timeout=10, ack_timeout=4)
        self.scheduler = Scheduler(config, Grid(DT_NS), WindowMax(initial=2, window=3), GROUPS)
        self.tick = 0
        self.request: Any = None  # the last one made
        self.delivery: Any = None
        self.made: Any = None  # what the last step made

    def step(self, step: dict[str, Any]) -> None:
        refuse_unknown(
            step,
            {"mode", "epoch", "tick", "reference", "answer", "ack", "in_force", "fail", "at_tick", "cycles", "expect"},
        )
        self.made = None
        if "mode" in step:
            self.scheduler.on_mode(step["mode"] == "POLICY", step["epoch"])
        if "tick" in step:
            self.on_tick(step["tick"], step.get("reference", 0.0))
        if "answer" in step:
            self.on_answer(step["answer"])
        if "ack" in step:
            self.on_ack(step["ack"])
        if step.get("in_force"):
            self.scheduler.on_in_force(self.delivery.sequence)
        if "fail" in step:
            self.scheduler.on_failure(self.request.sequence, step["fail"], step["at_tick"])
        for delay in step.get("cycles", []):
            self.cycle(delay)
        if "expect" in step:
            self.check(step["expect"])

    def on_tick(self, tick: int, reference: float = 0.0) -> None:
        self.tick = tick
        self.made = self.scheduler.on_tick(tick, np.full(WIDTH, reference))
        self.request = self.made or self.request

    def on_answer(self, answer: dict[str, Any]) -> None:
        refuse_unknown(answer, {"sequence", "value", "at"})
        rows = answer["value"] + np.tile(np.arange(8.0)[:, None], (1, WIDTH))
        sequence = answer.get("sequence", self.request.sequence)
        self.made = self.scheduler.on_answer(sequence, rows, 0.01, round(answer["at"] * 1e9))
        self.delivery = self.made or self.delivery

    def on_ack(self, ack: dict[str, Any]) -> None:
        refuse_unknown(ack, {"sequence", "effective", "raw_jump", "refused"})
        self.scheduler.on_ack(
            ack.get("sequence", self.delivery.sequence),
            "refused" not in ack,
            round(ack.get("effective", 0.0) * 1e9),
            ack.get("raw_jump", 0.0),
            ack.get("refused", ""),
        )

    def cycle(self, delay: int) -> None:
        """Request, answer and acknowledge once, with a delay."""
        before = self.request
        while self.request is before:
            self.on_tick(self.tick + 1)
        effective = (self.request.tick + delay) * DT_NS / 1e9
        self.on_answer({"value": 0.0, "at": effective - 0.01})
        self.on_ack({"effective": effective - 0.001})
        self.tick += delay

    def check(self, expect: dict[str, Any]) -> None:
        scheduler = self.scheduler
        counters = {"timeouts", "refused", "dropped", "starved", "infeasible", "clock_jumps"}
        refuse_unknown(expect, {"request", "delivery", "state", "delay", "estimate"} | counters)
        for key in counters & set(expect):
            assert getattr(scheduler.counters, {"starved": "starved_ticks"}.get(key, key)) == expect[key], key
        if "state" in expect:
            assert scheduler.state.value == expect["state"]
        if "delay" in expect:
            assert scheduler.last is not None
            assert scheduler.last.delay_measured == expect["delay"]
        if "estimate" in expect:
            assert scheduler.estimator.estimate == expect["estimate"]
        if "request" in expect:
            self.check_made(expect["request"])
        if "delivery" in expect:
            self.check_made(expect["delivery"])

    def check_made(self, want: dict[str, Any] | None) -> None:
        if want is None:
            assert self.made is None
            return
        assert self.made is not None, f"expected {want}"
        for key, value in want.items():
            if key == "mask":
                assert self.made.mask is Mask[value]
            elif key == "prefix_rows":
                assert self.made.prefix.shape == (value, WIDTH)
            elif key == "prefix_first":
                assert self.made.prefix[0] == pytest.approx(np.full(WIDTH, value), abs=1e-3)
            elif key == "values":
                for row, number in value.items():
                    assert self.made.actions[row] == pytest.approx(np.full(WIDTH, number), abs=1e-3), row
            elif key == "rows":
                assert self.made.actions.shape[0] == value
            else:
                assert getattr(self.made, key) == value, key


@pytest.mark.parametrize("steps", load("scheduler"))
def test_scheduler(steps: list[dict[str, Any]]) -> None:
    driver = Driver()
    for step in steps:
        driver.step(step)


def test_the_first_request_waits_until_a_history_lies_within_the_epoch() -> None:
    config = SchedulerConfig(STRATEGIES["rtc"], horizon=8, s_min=2, n_obs_steps=3)
    scheduler = Scheduler(config, Grid(DT_NS), WindowMax(initial=2, window=3), GROUPS)
    for epoch in (2, 4):
        scheduler.on_mode(True, epoch)
        asked = [scheduler.on_tick(tick, np.zeros(WIDTH)) for tick in range(100 * epoch, 100 * epoch + 4)]
        assert [request is not None for request in asked] == [False, False, True, False]
        scheduler.on_mode(False, epoch + 1)
