"""When to be where on a path: as fast as limits of velocity and acceleration allow, by TOPP-RA (Pham and Pham 2018)."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import toppra
from toppra import algorithm, constraint

from bc_core.chunks import Array

_LONGEST = 0.3  # [rad], of the joints' norm: longer stretches get points in between, so that the spline stays on them
_MARGIN = 0.95  # of the limits: between the points at which they are imposed a little more is used
_SAME = 1e-6  # [rad]: corners nearer than that are one


def densify(path: Array, longest: float) -> Array:
    """The same path, with points on it so that no two neighbours are farther apart than `longest`. path: (N, n)."""
    parts = [path[:1]]
    for before, after in pairwise(path):
        length = float(np.linalg.norm(after - before))
        if length > _SAME:
            shares = np.linspace(0.0, 1.0, int(np.ceil(length / longest)) + 1)[1:, None]
            parts.append(before + shares * (after - before))
    return np.concatenate(parts)


def time_optimal(
    path: Array,
    velocity: Array,
    acceleration: Array,
    dt: float,
    tool: Callable[[Array, Array], float] = lambda q, rate: 0.0,
    refinement: int = 0,
) -> Array:
    """Rows at every dt [s] along a spline through the path's points, at rest at both ends: (M, n), M >= 2.

    path: (N, n) [rad], N >= 2, with some length. velocity, acceleration: limits, (n,). tool: how many times faster the
    tool is than it may be, at q (n,) with rate (n,). refinement: how often the distance between the points at which the
    spline is held to the path is halved.
    """
    velocity, acceleration = _MARGIN * velocity, _MARGIN * acceleration
    points = densify(path, _LONGEST / 2**refinement)
    steps = np.linalg.norm(np.diff(points, axis=0), axis=1)
    knots = np.concatenate([[0.0], np.cumsum(steps)]) / steps.sum()
    spline = toppra.SplineInterpolator(knots, points)

    def most(position: float) -> Array:
        """Of the joints' velocity there: theirs, or what the tool's leaves, which is a bound on the path's own."""
        slope = np.asarray(spline(position, 1))
        excess = tool(np.asarray(spline(position)), slope)
        bound = velocity if excess <= 0.0 else np.minimum(velocity, np.abs(slope) / excess + _SAME)
        return np.column_stack([-bound, bound])

    limits = [
        constraint.JointVelocityConstraintVarying(most),
        constraint.JointAccelerationConstraint(np.column_stack([-acceleration, acceleration])),
    ]
    trajectory = algorithm.TOPPRA(limits, spline, parametrizer="ParametrizeConstAccel").compute_trajectory()
    if trajectory is None:
        raise RuntimeError(f"toppra found no timing for a path of {len(points)} points within its limits")
    count = max(int(np.ceil(float(trajectory.duration) / dt - 1e-9)), 1)
    rows = np.asarray(trajectory(np.linspace(0.0, float(trajectory.duration), count + 1)))
    rows[0], rows[-1] = path[0], path[-1]
    return rows
