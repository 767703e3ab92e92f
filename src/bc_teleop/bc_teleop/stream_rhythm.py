"""How a topic comes in at present: messages and bytes per second over the last seconds. No ROS, no clock."""

from collections import deque

from bc_core.grid import NANOSECONDS

WINDOW_NS = 2 * NANOSECONDS


class Rhythm:
    """Receptions of the last WINDOW_NS. A reception earlier than the one before (the clock was set) begins anew."""

    def __init__(self) -> None:
        self._receptions: deque[tuple[int, int]] = deque()  # time, bytes
        self._bytes = 0
        self._since_ns: int | None = None

    def add(self, received_ns: int, size: int) -> None:
        """Note a message."""
        if self._receptions and received_ns < self._receptions[-1][0]:
            self._receptions.clear()
            self._bytes, self._since_ns = 0, None
        if self._since_ns is None:
            self._since_ns = received_ns
        self._receptions.append((received_ns, size))
        self._bytes += size
        self._forget(received_ns)

    def is_settled(self, now_ns: int) -> bool:
        """Whether the topic is known for a whole window: before, a rate says little."""
        return self._since_ns is not None and now_ns - self._since_ns >= WINDOW_NS

    def rate(self, now_ns: int) -> float:
        """Messages per second; 0 where none came."""
        self._forget(now_ns)
        return len(self._receptions) / self._seconds(now_ns)

    def bytes_per_second(self, now_ns: int) -> float:
        self._forget(now_ns)
        return self._bytes / self._seconds(now_ns)

    def _seconds(self, now_ns: int) -> float:
        """Length of the window, as far as the topic is known [s]; a first message alone makes no high rate."""
        known_ns = WINDOW_NS if self._since_ns is None else min(WINDOW_NS, now_ns - self._since_ns)
        return max(known_ns, WINDOW_NS // 10) / NANOSECONDS

    def _forget(self, now_ns: int) -> None:
        while self._receptions and self._receptions[0][0] <= now_ns - WINDOW_NS:
            self._bytes -= self._receptions.popleft()[1]
