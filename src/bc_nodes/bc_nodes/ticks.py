"""A timer that calls at the ticks of the grid."""

from collections.abc import Callable

from rclpy.node import Node
from rclpy.timer import Timer

from bc_core.grid import Grid, to_nanoseconds

AFTER = to_nanoseconds(0.0005)  # a little late rather than early: at the call the tick has begun


class TickTimer:
    """Calls `callback(tick)` once in every tick of the node's clock, shortly after it began; never an old one.

    A periodic timer keeps its phase, so it is started by a one-shot that ends at a tick. After a jump of the clock the
    phase is found anew.
    """

    def __init__(self, node: Node, grid: Grid, callback: Callable[[int], None]) -> None:
        self._node, self._grid, self._callback = node, grid, callback
        self._last: int | None = None
        self._timer: Timer | None = None
        self._align()

    def cancel(self) -> None:
        """Stop for good."""
        self._replace(None)

    def _align(self) -> None:
        now = self._node.get_clock().now().nanoseconds
        wait = self._grid.time(self._grid.floor(now - AFTER) + 1) + AFTER - now
        self._replace(self._node.create_timer(wait / 1e9, self._aligned))

    def _aligned(self) -> None:
        self._replace(self._node.create_timer(self._grid.dt, self._call))
        self._call()

    def _call(self) -> None:
        now = self._node.get_clock().now().nanoseconds
        tick = self._grid.floor(now)
        if now - self._grid.time(tick) > self._grid.dt_ns // 2 or (self._last is not None and tick < self._last):
            self._last = None
            self._align()  # woken late by half a tick, or the clock went back
            return
        if tick != self._last:
            self._last = tick
            self._callback(tick)

    def _replace(self, timer: Timer | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._node.destroy_timer(self._timer)
        self._timer = timer
