"""Planned rows through the arbiter as PLANNER: which chunk is sent when, and what became of the motion.

The rules of docs/protocol.md for a source that owns its rows from the start: it is granted an epoch, sends chunks of
this epoch ahead of their time, heeds every refusal and every change of mode, and gives its lease back with the last
chunk. Chunks are short: should the sender die, the controller has little left to follow, and then stops and holds.
"""

from dataclasses import dataclass
from enum import Enum

from bc_core.chunks import ActionChunk, ActionGroup, Array
from bc_core.grid import NANOSECONDS, Grid

OVERLAP = 3
"""Rows that neighbours share. The controller takes the rates of the chunk before over where both ends of an interval
are rows of both; the second shared row has a neighbour on each side in both, so its rate is the same, too."""
BEGIN_NS = 200_000_000  # from the grant to the first row
LEAD_NS = 500_000_000  # a chunk is sent so long before its first row is due
_SECONDS = 1.0  # of a chunk
_ROWS = 8, 256  # least and greatest number of them, whatever the grid's period is
OVERTAKEN = (5, 6, 10)  # bc_msgs/ChunkAck: FOREIGN_EPOCH, WRONG_SOURCE, SUPERSEDED
_PATIENCE_NS = 2 * NANOSECONDS  # after the last row, for the controller's HOLD


class Result(Enum):
    """What became of a motion."""

    DONE = "done"  # every row was followed
    ENDED = "ended"  # somebody else commands, or nobody: a human, HOLD, STOP, a fault
    REFUSED = "refused"  # a chunk was
    CANCELED = "canceled"  # by whoever began it
    SILENT = "silent"  # the controller did not tell of the end


@dataclass(frozen=True)
class End:
    """result, and why, for a person."""

    result: Result
    reason: str


class Playback:
    """One motion. rows: (N, D), N >= 2, at the grid's ticks; sequence: of its first chunk.

    Order of calls: `granted` once, then `due` as time passes, `on_mode` and `on_ack` as they come; `end` is set once.
    """

    def __init__(
        self, rows: Array, groups: tuple[ActionGroup, ...], grid: Grid, producer: str, producer_id: int, sequence: int
    ) -> None:
        self.end: End | None = None
        self.chunks: list[ActionChunk] = []
        self._rows, self._groups, self._grid = rows, groups, grid
        self._producer, self._producer_id, self._first = producer, producer_id, sequence
        self._sent = 0
        self._epoch: int | None = None
        self._canceled = False

    @property
    def next_sequence(self) -> int:
        """Of the first chunk of the sender's next motion."""
        return self._first + len(self.chunks)

    @property
    def seconds(self) -> float:
        """From the first row to the last."""
        return (len(self._rows) - 1) * self._grid.dt

    def granted(self, epoch: int, now_ns: int, begin_ns: int = BEGIN_NS) -> None:
        """The controller gave this source an epoch: the motion begins at a tick, begin_ns from now or a little later.

        begin_ns: what the first chunk is given to arrive in.
        """
        grid = self._grid
        self._epoch = epoch
        start_ns = grid.time(grid.ceil(now_ns + begin_ns))
        self.chunks = as_chunks(
            self._rows, self._groups, grid, start_ns, self._producer, self._producer_id, epoch, self._first
        )

    def due(self, now_ns: int) -> list[ActionChunk]:
        """The chunks that must be sent now, in order. Each is told once; none after the end or a `cancel`."""
        if not self.chunks or self.end is not None or self._canceled:
            return []
        begin = self._sent
        while self._sent < len(self.chunks) and self.chunks[self._sent].stamp_ns - LEAD_NS <= now_ns:
            self._sent += 1
        if self._sent == len(self.chunks) and now_ns > self.chunks[-1].end_ns + _PATIENCE_NS:
            self._finish(Result.SILENT, "the controller has not told of the motion's end: see whether it runs")
        return self.chunks[begin : self._sent]

    def progress(self, now_ns: int) -> float:
        """Share of the motion's time that has passed, 0 to 1."""
        if not self.chunks:
            return 0.0
        return min(max((now_ns - self.chunks[0].stamp_ns) / NANOSECONDS / self.seconds, 0.0), 1.0)

    def cancel(self) -> None:
        """Send nothing any more. The caller asks the controller for HOLD, which stops the arm: its change of mode is
        the end."""
        self._canceled = True

    def on_mode(self, held: bool, epoch: int, reason: str, now_ns: int) -> None:
        """A change of mode. held: it is HOLD; epoch: the new one."""
        if self._epoch is None or epoch <= self._epoch or self.end is not None:
            return
        last = self.chunks[-1]
        if self._sent == len(self.chunks) and held and now_ns >= last.end_ns - last.dt_ns:
            self._finish(Result.DONE, reason)
        elif self._canceled and held:
            self._finish(Result.CANCELED, reason)
        else:
            self._finish(Result.ENDED, reason)

    def on_ack(self, producer_id: int, reason: int, detail: str) -> None:
        """A verdict of the controller on anybody's chunk: bc_msgs/ChunkAck's reason, 0 where it is in force.

        A refused chunk leaves a gap: the motion is over. One that a change of mode has overtaken does not count: the
        change itself is told by `on_mode`, sooner or later.
        """
        if producer_id == self._producer_id and reason and reason not in OVERTAKEN and self.chunks:
            self._finish(Result.REFUSED, detail)

    def _finish(self, result: Result, reason: str) -> None:
        if self.end is None:
            self.end = End(result, reason)


def as_chunks(
    rows: Array,
    groups: tuple[ActionGroup, ...],
    grid: Grid,
    start_ns: int,
    producer: str,
    producer_id: int,
    epoch: int,
    sequence: int = 1,
) -> list[ActionChunk]:
    """Rows from start_ns on as chunks of about a second that share OVERLAP rows with the next; the last releases."""
    horizon = min(max(round(_SECONDS / grid.dt), _ROWS[0]), _ROWS[1])
    stride = horizon - OVERLAP
    firsts = range(0, max(1, len(rows) - OVERLAP), stride)
    return [
        ActionChunk(
            stamp_ns=start_ns + first * grid.dt_ns,
            dt_ns=grid.dt_ns,
            groups=groups,
            actions=rows[first : first + horizon],
            producer=producer,
            producer_id=producer_id,
            sequence=sequence + number,
            mode_epoch=epoch,
            frozen=OVERLAP if number else 0,
            release=first == firsts[-1],
        )
        for number, first in enumerate(firsts)
    ]
