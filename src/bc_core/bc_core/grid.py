"""The time grid: tick k lies at k * dt since the epoch of the ROS clock.

With the origin fixed at the epoch every process agrees on tick numbers without talking to the others, and a bag needs
no offset. All times are integer nanoseconds: tick arithmetic is exact.
"""

from dataclasses import dataclass

from bc_core.errors import BcError

NANOSECONDS = 1_000_000_000
MOST_TICKS = 1_000_000
"""Of one recording: 14 hours at 20 Hz. One that claims more has a wrong stamp, and would take memory without end."""


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

    def ticks(self, first_ns: int, last_ns: int, where: str) -> range:
        """All ticks of a recording from one time to another, both included. BcError: more than MOST_TICKS."""
        ticks = range(self.ceil(first_ns), self.floor(last_ns) + 1)
        if ticks.stop - ticks.start > MOST_TICKS:
            raise BcError(
                f"{where} lasts from {first_ns / NANOSECONDS:.3f} s to {last_ns / NANOSECONDS:.3f} s, more than "
                f"{MOST_TICKS} ticks of {self.dt:g} s: one of these stamps is wrong, or a clock was set; leave it out, "
                "or cut it in two"
            )
        return ticks
