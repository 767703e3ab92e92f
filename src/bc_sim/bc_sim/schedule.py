"""When each stream is due, on exact arithmetic: rates such as 15 Hz do not divide a millisecond grid."""

from collections.abc import Mapping
from fractions import Fraction

from bc_core.grid import NANOSECONDS


class Schedule:
    """Streams at fixed rates [Hz]; occurrence n of a stream lies at n / rate since the epoch.

    On a clock of steps of `period_ns` a stream is due in the first step at or after its time.
    """

    def __init__(self, rates: Mapping[str, float], period_ns: int = 1_000_000) -> None:
        for name, rate in rates.items():
            if rate <= 0:
                raise ValueError(f"stream '{name}': rate must be positive, got {rate} Hz")
        fractions = {name: Fraction(rate).limit_denominator(1000) / NANOSECONDS for name, rate in rates.items()}
        # occurrences up to time t: t * numerator // denominator, in integers
        self._rates = [(name, rate.numerator, rate.denominator) for name, rate in fractions.items()]
        self._period = period_ns

    def due(self, last_ns: int, now_ns: int) -> list[str]:
        """Streams with an occurrence in (last_ns, now_ns], in the order given; missed ones are not made up for."""
        return [
            name
            for name, numerator, denominator in self._rates
            if now_ns * numerator // denominator > last_ns * numerator // denominator
        ]

    def next(self, last_ns: int) -> int:
        """Time of the first step after last_ns in which a stream is due."""
        earliest = min(
            -(-(last_ns * numerator // denominator + 1) * denominator // numerator)
            for _, numerator, denominator in self._rates
        )
        return -(-earliest // self._period) * self._period
