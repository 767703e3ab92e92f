"""The timer of the ticks, on a clock that the test sets: no wall-clock time is waited for."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import rclpy
from rclpy.clock import ClockType
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.experimental import EventsExecutor
from rclpy.node import Node
from rclpy.time import Time

from bc_core.grid import Grid
from bc_nodes import ticks
from bc_nodes.ticks import TickTimer

MS = 1_000_000
GRID = Grid(50 * MS)
START = 1000  # tick


class Rig:
    """A node on a clock of its own, and what its tick timer called."""

    def __init__(self, context: Context, executor: Any) -> None:
        self.node = Node("ticking", context=context)
        self.executor = executor
        executor.add_node(self.node)
        self.clock = self.node.get_clock()
        self.clock._set_ros_time_is_active(True)
        self.called: list[int] = []

    def at(self, tick: int, late: int = 0) -> list[int]:
        """Let it be so many ns after a tick; what was called since the last time."""
        self.clock.set_ros_time_override(Time(nanoseconds=GRID.time(tick) + late, clock_type=ClockType.ROS_TIME))
        for _ in range(5):
            self.executor.spin_once(timeout_sec=0.01)
        called = self.called.copy()
        self.called.clear()
        return called


@pytest.fixture(params=[SingleThreadedExecutor, EventsExecutor])
def rig(request: pytest.FixtureRequest) -> Iterator[Rig]:
    context = Context()
    rclpy.init(context=context)
    make: Callable[..., Any] = request.param
    rig = Rig(context, make(context=context))
    rig.at(START, 10 * MS)
    yield rig
    rig.executor.shutdown()
    rig.node.destroy_node()
    context.try_shutdown()


def test_a_late_call_does_not_delay_the_next_one(rig: Rig) -> None:
    TickTimer(rig.node, GRID, rig.called.append)
    assert rig.at(START, 49 * MS) == []
    assert rig.at(START + 1, 20 * MS) == [START + 1]
    assert rig.at(START + 2, -1) == []
    assert rig.at(START + 2) == [START + 2]
    assert rig.at(START + 2, 30 * MS) == []
    assert rig.at(START + 3) == [START + 3]


def test_a_tick_that_is_half_over_is_left_out(rig: Rig) -> None:
    TickTimer(rig.node, GRID, rig.called.append)
    assert rig.at(START + 1, 26 * MS) == []
    assert rig.at(START + 5, 25 * MS) == [START + 5]  # and the ticks that were slept through are not made up for


def test_who_wants_to_be_called_regularly_is_called_in_a_tick_that_is_half_over(rig: Rig) -> None:
    TickTimer(rig.node, GRID, rig.called.append, half_over=True)
    assert rig.at(START + 1, 26 * MS) == [START + 1]
    assert rig.at(START + 1, 49 * MS) == []  # once
    assert rig.at(START + 5, 49 * MS) == [START + 5]
    assert rig.at(START + 6) == [START + 6]


def test_after_a_jump_of_the_clock_it_calls_at_the_ticks_of_the_new_time(rig: Rig) -> None:
    TickTimer(rig.node, GRID, rig.called.append)
    assert rig.at(START + 1) == [START + 1]
    assert rig.at(START + 5000, 7 * MS) == [START + 5000]
    rig.at(START - 500, 10 * MS)  # back: the timer begins a period that it had been set to, then finds the ticks again
    assert rig.at(START - 499, 10 * MS) == [START - 499]
    assert rig.at(START - 498) == [START - 498]


def test_cancelled_it_is_silent(rig: Rig) -> None:
    timer = TickTimer(rig.node, GRID, rig.called.append)
    assert rig.at(START + 1) == [START + 1]
    timer.cancel()
    assert rig.at(START + 2) == []


def test_in_wall_time_it_is_awake_before_the_tick_and_calls_as_it_begins(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    monkeypatch.setattr(type(rig.clock), "ros_time_is_active", property(lambda _: False))
    monkeypatch.setattr(ticks.time, "sleep", slept.append)
    TickTimer(rig.node, GRID, rig.called.append, early_ns=MS)
    assert rig.at(START + 1, -2 * MS) == []
    assert rig.at(START + 1, -MS // 2) == [START + 1]
    assert slept == [pytest.approx(0.5e-3)]
    assert rig.at(START + 1, 10 * MS) == []
    assert rig.at(START + 2, 3 * MS) == [START + 2]
    assert rig.at(START + 3, -MS) == [START + 3]
    assert len(slept) == 2


def test_in_simulated_time_nothing_is_slept_through(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ticks.time, "sleep", lambda _: pytest.fail("slept"))
    TickTimer(rig.node, GRID, rig.called.append, early_ns=MS)
    assert rig.at(START + 1, -MS // 2) == []
    assert rig.at(START + 1) == [START + 1]
