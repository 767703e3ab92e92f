"""A timer that calls at the ticks of the grid."""

import time
from collections.abc import Callable

from rclpy.node import Node

from bc_core.grid import NANOSECONDS, Grid


class TickTimer:
    """Calls `callback(tick)` once in every tick of the node's clock, as it begins; never an old one.

    half_over: whether a tick is still called when more than half of it has passed. Who pairs a tick with what is seen
    at its beginning should not; who only wants to be called regularly, and acts on the present time, should.

    early_ns: in wall time the timer is set so much before the tick, and the rest is slept through in the executor's
    thread: being woken and handed a timer's call takes an executor as long as a bare message takes to arrive. Meanwhile
    nothing else is heard. In simulated time, which only messages move on, it is not done.

    A periodic timer would keep the phase of its first wake-up, however late that was, for ever. So the timer is set
    anew at every call, to the beginning of the next tick: a late call, or a jump of the clock, moves none after it.
    """

    def __init__(
        self, node: Node, grid: Grid, callback: Callable[[int], None], half_over: bool = False, early_ns: int = 0
    ) -> None:
        self._node, self._grid, self._callback, self._half_over = node, grid, callback, half_over
        self._early_ns = early_ns
        self._last: int | None = None
        self._timer = node.create_timer(self._wait(self._now()) / NANOSECONDS, self._call)

    def cancel(self) -> None:
        """Stop for good."""
        self._timer.cancel()
        self._node.destroy_timer(self._timer)

    def _now(self) -> int:
        return int(self._node.get_clock().now().nanoseconds)

    def _lead(self) -> int:
        return 0 if self._node.get_clock().ros_time_is_active else self._early_ns

    def _wait(self, now: int) -> int:
        """Nanoseconds to the next tick, less the lead, > 0."""
        lead = self._lead()
        return self._grid.time(self._grid.floor(now + lead) + 1) - lead - now

    def _call(self) -> None:
        now = self._now()
        self._timer.timer_period_ns = self._wait(now)
        self._timer.reset()
        tick = self._grid.floor(now + self._lead())
        begin = self._grid.time(tick)
        if begin > now:
            time.sleep((begin - now) / NANOSECONDS)
        late = now - begin > self._grid.dt_ns // 2
        if tick != self._last and (self._half_over or not late):
            self._last = tick
            self._callback(tick)
