"""The time grid: tick k lies at k * dt since the epoch of the ROS clock.

With the origin fixed at the epoch every process agrees on tick numbers without talking to the others, and a bag needs
no offset. All times are integer nanoseconds: tick arithmetic is exact.
"""

from dataclasses import dataclass

NANOSECONDS = 1_000_000_000


def to_nanoseconds(seconds: float) -> int:
    """Seconds to integer nanoseconds, rounded to the nearest."""
    return round(seconds * NANOSECONDS)


@dataclass(frozen=True)
class Grid:
    """Ticks at k * dt_ns, k = 0, 1, ...

    dt_ns: period in nanoseconds, > 0 (ValueError otherwise).
    """

    dt_ns: int

    def __post_init__(self) -> None:
        if self.dt_ns <= 0:
            raise ValueError(f"grid period must be positive, got {self.dt_ns} ns")

    @property
    def dt(self) -> float:
        """Period in seconds."""
        return self.dt_ns / NANOSECONDS

    def time(self, tick: int) -> int:
        """Time of a tick in nanoseconds."""
        return tick * self.dt_ns

    def floor(self, time_ns: int) -> int:
        """The last tick at or before a time."""
        return time_ns // self.dt_ns

    def ceil(self, time_ns: int) -> int:
        """The first tick at or after a time."""
        return -(-time_ns // self.dt_ns)
