"""An episode's commands again: rows on the grid, led up to from where the robot stands. Joints and grippers only."""

import numpy as np

from bc_core.bags import open_episode
from bc_core.chunks import Array, Space
from bc_core.commands import TIMELINE_TOPICS, TIMELINE_TYPES, read_timeline
from bc_core.contract import Contract
from bc_core.errors import BcError
from bc_core.grid import Grid

_LEAST_SECONDS = 1.0  # of an approach, however near the goal is
_PEAK = 1.875  # greatest speed of a minimum-jerk motion, relative to its mean
_LEAST_RUN = 2


def recorded_runs(path: str, contract: Contract | None = None) -> tuple[list[Array], Contract]:
    """What was in force, tick by tick: one (T, D) array per stretch without interruption, and the bag's contract.

    BcError: no bag, no commands in it, or poses among them.
    """
    episode = open_episode(path)
    if contract is None:
        contract = Contract.from_document(episode.info.get("contract"), f"{path}/episode.json")
    if any(group.space == Space.CARTESIAN_POSE for group in contract.groups):
        raise BcError(
            f"{path} commands poses: replay leads up to joint positions only; replay it on the recording robot"
        )
    episode.require_types(TIMELINE_TYPES)
    messages = [(message.topic, message.msg) for message in episode.messages(TIMELINE_TOPICS)]
    timeline = read_timeline(messages, contract.groups, f"episode '{path}'")
    ticks = contract.grid.ticks(episode.start_ns, episode.end_ns, f"episode '{path}'")
    rows = [timeline.at(contract.grid.time(tick)).row for tick in ticks]
    runs: list[list[Array]] = [[]]
    for row in rows:
        if row is None:
            runs.append([])
        else:
            runs[-1].append(row)
    found = [np.array(run) for run in runs if len(run) >= _LEAST_RUN]
    if not found:
        raise BcError(f"{path} holds no command that was in force: there is nothing to replay")
    return found, contract


def approach(start: Array, goal: Array, grid: Grid, speed: float) -> Array:
    """Minimum-jerk motion between two rows (D,), as rows (N, D) that end with the goal and begin after the start.

    speed: greatest speed of any column [rad/s or m/s]. Flash and Hogan, "The coordination of arm movements", 1985.
    """
    seconds = max(_LEAST_SECONDS, _PEAK * float(np.abs(goal - start).max()) / speed)
    count = int(np.ceil(seconds / grid.dt))
    part = np.arange(1, count + 1)[:, None] / count
    return np.asarray(start + (10 * part**3 - 15 * part**4 + 6 * part**5) * (goal - start))


def plan(start: Array, runs: list[Array], grid: Grid, speed: float) -> Array:
    """All rows from the robot's present reference `start` on: an approach before every run."""
    parts = [start[None]]
    for run in runs:
        parts += [approach(parts[-1][-1], run[0], grid, speed), run[1:]]
    return np.concatenate(parts)
