"""Pure measures over one recording: changes of chunk with delays and jumps, starved ticks, steps of the reference."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from bc_core.chunks import ActionChunk, ActionGroup, Array, joint_columns
from bc_core.commands import CommandTimeline
from bc_core.grid import Grid
from bc_core.report.recording import POLICY_MODE, InForce, Recording


@dataclass(frozen=True)
class Change:
    """A policy chunk taking effect.

    measured: d = k_effect - k_obs [ticks]. estimated: d_hat for which rows were frozen, None where none were.
    jump_at_effect: the controller's raw jump [rad]. jump_at_row_d: new less old row at the first row that is neither
    frozen nor already past [rad], None where the chunk before has no such row. first: it opens its epoch.
    """

    item: InForce
    measured: int
    estimated: int | None
    jump_at_effect: float
    jump_at_row_d: float | None
    first: bool


def changes(recording: Recording, grid: Grid) -> list[Change]:
    """Every policy chunk that took effect, in order."""
    result = []
    before: InForce | None = None
    for item in recording.in_force:
        old = before if before is not None and before.epoch == item.epoch else None
        if item.source == "policy":
            measured = item.delay(grid)
            row = max(item.chunk.frozen, measured)
            result.append(
                Change(
                    item=item,
                    measured=measured,
                    estimated=item.chunk.frozen - 1 if item.chunk.frozen else None,
                    jump_at_effect=item.raw_jump,
                    jump_at_row_d=_jump_at(item.chunk, old.chunk, row) if old else None,
                    first=old is None,
                )
            )
        before = item
    return result


def _jump_at(new: ActionChunk, old: ActionChunk, row: int) -> float | None:
    """Distance over the joints between `new` and `old` at a row of `new` [rad]; None where either has no such row."""
    time = new.stamp_ns + row * new.dt_ns
    if row >= new.horizon or time > old.end_ns:
        return None
    columns = joint_columns(new.groups)
    return float(np.linalg.norm((new.actions[row] - old.sample(time))[columns]))


def starved_ticks(recording: Recording, grid: Grid) -> int:
    """Ticks in POLICY at which no chunk had a row; those before an epoch's first chunk are not counted."""
    started: set[int] = set()
    count = 0
    for tick in range(grid.ceil(recording.start_ns), grid.floor(recording.end_ns) + 1):
        command = recording.timeline.at(grid.time(tick))
        if command.row is not None:
            started.add(command.epoch)
        elif command.mode == POLICY_MODE and command.epoch in started:
            count += 1
    return count


def reference_steps(
    timeline: CommandTimeline, groups: tuple[ActionGroup, ...], grid: Grid, span: tuple[int, int]
) -> Array:
    """One-tick steps of the reference in force within span [ns] (start, end): norm over joints [rad], shape (N,).

    A step counts where a row is in force at both of its ticks within one epoch; changes of chunk are included.
    """
    columns = joint_columns(groups)
    commands = [timeline.at(grid.time(tick)) for tick in range(grid.ceil(span[0]), grid.floor(span[1]) + 1)]
    return np.array(
        [
            np.linalg.norm((after.row - before.row)[columns])
            for before, after in pairwise(commands)
            if before.row is not None and after.row is not None and before.epoch == after.epoch
        ],
        dtype=np.float64,
    )
