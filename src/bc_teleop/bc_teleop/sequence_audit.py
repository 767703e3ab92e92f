"""Messages that never arrived, found by the numbers that publishers give them.

The middleware's own "message lost" event does not tell: with Fast DDS a reader's queue that overflows drops the oldest
message without a word. Every publisher counts what it publishes, and that number comes with each message, though
without the publisher's identity.
"""

from collections.abc import Callable

KEPT = 16  # publishers remembered of a topic, those that have ended among them


class SequenceAudit:
    """One topic's publishers, each known by the number that it gives its next message, least recently heard first.

    With one publisher the count is exact. With several, a message whose number nobody was to send next belongs to the
    publisher with the closest lower one: exact as long as their numbers stay apart by more than what is lost.

    A number below all of them is a publisher's that began: another one, or one anew. Which, nobody can tell, for the
    graph tells of a new publisher later than its first message comes; so no one is forgotten for it.
    """

    def __init__(self) -> None:
        self._next: list[int] = []

    def missing_before(self, sequence: int, count_publishers: Callable[[], int]) -> int:
        """Take note of a message; returns how many of its publisher's messages before it never came.

        count_publishers: present number on the topic; asked only when the number is unexpected.
        """
        lost = 0
        if sequence in self._next:
            self._next.remove(sequence)
        elif len(self._next) >= max(1, count_publishers()):
            lower = [expected for expected in self._next if expected < sequence]
            if lower:
                lost = sequence - max(lower)
                self._next.remove(max(lower))
        self._next = [*self._next[1 - KEPT :], sequence + 1]
        return lost


class LossAccount:
    """Messages of one topic that never came, as its witnesses tell it: gaps in numbers, the middleware, the receiver.

    They mostly see the same losses, at different times, so that the greatest of their sums counts. Each sees what the
    others cannot: a full queue of the reader makes a gap without an event, the last messages of a publisher that gives
    up make an event without a gap, and what was sent before reader and publisher had found each other makes neither,
    but the controller has received it.
    """

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Count from here on."""
        self._by_number = self._by_event = self._by_receiver = self._told = 0

    def add_gap(self, messages: int) -> None:
        self._by_number += messages

    def add_event(self, messages: int) -> None:
        self._by_event += messages

    def add_received_elsewhere(self, messages: int) -> None:
        self._by_receiver += messages

    def news(self) -> int:
        """Losses that were not told yet."""
        lost = max(self._by_number, self._by_event, self._by_receiver)
        told, self._told = self._told, lost
        return lost - told
