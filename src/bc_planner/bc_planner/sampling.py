"""A way round obstacles: RRT-Connect (Kuffner and LaValle 2000) and shortcuts, by OMPL."""

import time
from collections.abc import Callable, Sequence

import numpy as np
from ompl import base, geometric, util

from bc_core.chunks import Array
from bc_planner.goal import MotionError, Reason

STEP = 0.03  # [rad], of the joints' norm, from one configuration that is looked at to the next
_ATTEMPTS = 3
_SIMPLIFY = 1.0  # [s] at most for shortening the way

util.setLogLevel(util.LOG_WARN)
util.RNG.setSeed(1)  # a process plans the same ways each time that it is asked for the same ones


def search(
    start: Array,
    goals: Sequence[Array],
    bounds: tuple[Array, Array],
    free: Callable[[Array], bool],
    seconds: float,
    canceled: Callable[[], bool],
) -> Array:
    """Corners of a way from start (n,) to one of the goals, (N, n). The way is straight in between.

    goals: the nearest first; each is tried directly before any search. The shortest of _ATTEMPTS searches is taken.
    seconds: for all. MotionError NO_PATH: none in time; CANCELED.
    """
    for goal in goals:
        if line_free(start, goal, free):
            return np.array([start, goal])
    deadline = time.monotonic() + seconds
    best: Array | None = None
    for _ in range(_ATTEMPTS):
        path = _attempt(start, goals, bounds, free, deadline, canceled)
        if canceled():
            raise MotionError(Reason.CANCELED, "canceled while a way was searched: nothing has moved")
        if path is not None and (best is None or _length(path) < _length(best)):
            best = path
    if best is None:
        raise MotionError(
            Reason.NO_PATH,
            f"no way round the obstacles was found in {seconds:g} s: give more planning_time, or a goal nearer by",
        )
    return best


def _attempt(
    start: Array,
    goals: Sequence[Array],
    bounds: tuple[Array, Array],
    free: Callable[[Array], bool],
    deadline: float,
    canceled: Callable[[], bool],
) -> Array | None:
    space = base.RealVectorStateSpace(len(start))
    limits = base.RealVectorBounds(len(start))
    for joint, (lower, upper) in enumerate(zip(*bounds, strict=True)):
        limits.setLow(joint, min(float(lower), float(start[joint])))
        limits.setHigh(joint, max(float(upper), float(start[joint])))
    space.setBounds(limits)
    setup = geometric.SimpleSetup(space)
    setup.setStateValidityChecker(lambda state: free(np.array([state[joint] for joint in range(len(start))])))
    information = setup.getSpaceInformation()
    information.setStateValidityCheckingResolution(STEP / space.getMaximumExtent())
    setup.setPlanner(geometric.RRTConnect(information))
    setup.addStartState(_state(space, start))
    targets = base.GoalStates(information)
    for goal in goals:
        targets.addState(_state(space, goal))
    setup.setGoal(targets)
    setup.solve(base.PlannerTerminationCondition(lambda: canceled() or time.monotonic() > deadline))
    if not setup.haveExactSolutionPath():
        return None
    setup.simplifySolution(min(_SIMPLIFY, max(deadline - time.monotonic(), 0.1)))
    return np.array([[state[joint] for joint in range(len(start))] for state in setup.getSolutionPath().getStates()])


def _length(path: Array) -> float:
    return float(np.linalg.norm(np.diff(path, axis=0), axis=1).sum())


def line_free(start: Array, goal: Array, free: Callable[[Array], bool]) -> bool:
    """Is every configuration on the straight line free?"""
    count = max(int(np.ceil(np.linalg.norm(goal - start) / STEP)), 1)
    return all(free(start + share * (goal - start)) for share in np.linspace(0.0, 1.0, count + 1))


def _state(space: base.RealVectorStateSpace, q: Array) -> base.State:
    state = space.allocState()
    for joint, value in enumerate(q):
        state[joint] = float(value)
    return state
