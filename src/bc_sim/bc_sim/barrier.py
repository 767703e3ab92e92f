"""Lock step: whom the simulation still waits for at a tick (docs/protocol.md, "Simulated time")."""

from collections.abc import Iterable


class TickBarrier:
    """Opens at a tick once every participant has said TickDone for it and its announced chunk has arrived.

    A participant is known by the name that its chunks carry as `producer`.
    """

    def __init__(self, participants: Iterable[str]) -> None:
        self._done: dict[str, tuple[int, int] | None] = dict.fromkeys(participants)
        self._arrived: dict[str, int] = {}

    @property
    def unheard(self) -> list[str]:
        """Participants that have never said anything."""
        return [name for name, done in self._done.items() if done is None]

    def tick_done(self, participant: str, time_ns: int, sequence: int) -> bool:
        """A TickDone: time of its tick, last chunk sent before it (0: none). False: not a participant."""
        if participant not in self._done:
            return False
        self._done[participant] = (time_ns, sequence)
        return True

    def chunk_arrived(self, producer: str, sequence: int) -> None:
        self._arrived[producer] = sequence

    def waiting_for(self, time_ns: int) -> list[str]:
        """What is missing at the tick of a time, in words; empty: go on."""
        missing = []
        for name, done in self._done.items():
            if done is None:
                missing.append(f"{name} (not heard of yet)")
            elif done[0] < time_ns:
                missing.append(name)
            elif self._arrived.get(name, 0) < done[1]:
                missing.append(f"chunk {done[1]} of {name}")
        return missing
