"""Joint positions for a pose of the tool, and for a straight line of it."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pinocchio as pin

from bc_core.chunks import Array
from bc_planner.arm import Arm

_POSITION, _ROTATION = 1e-4, 1e-3  # [m], [rad]: a pose that is missed by less is reached
_CONVERGED = 1e-7  # norm of log6 of the error
_ITERATIONS = 100
_DAMPING = 1e-9, 1e3  # least and greatest of the squared one: beyond that there is no way down
_LARGEST = 0.5  # [rad] of a step
_SAME = 0.05  # [rad]: solutions that differ by less are one
_STEP = 0.01  # [m] from point to point of a straight line
_JUMP = 0.25  # [rad] of any joint from one to the next: more is another posture, not the same one a little later


def inverse(arm: Arm, pose: pin.SE3, guess: Array) -> tuple[Array, float, float]:
    """Joint positions within the limits whose tool is nearest to a pose, from a guess: a local minimum.

    Returns q, the distance [m] and the angle [rad] by which it misses. Levenberg and Marquardt's steps on log6 of the
    error, with the right Jacobian of SE(3); a joint that would leave its limits waits there.
    """
    q = arm.clip(guess)
    moved = arm.tool(q).actInv(pose)
    error, damping = np.asarray(pin.log6(moved).vector), _DAMPING[0]
    for _ in range(_ITERATIONS):
        if float(np.linalg.norm(error)) < _CONVERGED or damping > _DAMPING[1]:
            break
        slope = -pin.Jlog6(moved.inverse()) @ arm.jacobian(q)
        downhill = -slope.T @ error
        waits = ((q <= arm.lower) & (downhill < 0.0)) | ((q >= arm.upper) & (downhill > 0.0))
        slope[:, waits] = 0.0
        step = -slope.T @ np.linalg.solve(slope @ slope.T + damping * np.eye(6), error)
        tried = arm.clip(q + step * min(1.0, _LARGEST / max(float(np.abs(step).max()), 1e-12)))
        moved_there = arm.tool(tried).actInv(pose)
        there = np.asarray(pin.log6(moved_there).vector)
        if float(there @ there) < float(error @ error):
            q, moved, error, damping = tried, moved_there, there, max(damping / 4.0, _DAMPING[0])
        else:
            damping *= 4.0
    return q, float(np.linalg.norm(moved.translation)), float(np.linalg.norm(pin.log3(moved.rotation)))


def reached(distance: float, angle: float) -> bool:
    return distance < _POSITION and angle < _ROTATION


def solutions(arm: Arm, pose: pin.SE3, guesses: list[Array]) -> Iterator[tuple[Array, float, float]]:
    """What `inverse` finds from each guess; those that reach the pose once only."""
    found: list[Array] = []
    for guess in guesses:
        q, distance, angle = inverse(arm, pose, guess)
        if not reached(distance, angle):
            yield q, distance, angle
        elif all(np.abs(q - other).max() > _SAME for other in found):
            found.append(q)
            yield q, distance, angle


def straight(arm: Arm, start: Array, shift: Array) -> tuple[Array, float]:
    """The tool's way by `shift` (3,) [m], along its own axes at the start, without turning: (N, n), the start first.

    The second value is how far it comes [m]: less than the shift where the arm ends, or would have to turn over.
    """
    begin = arm.tool(start)
    length = float(np.linalg.norm(shift))
    shares = np.linspace(0.0, 1.0, int(np.ceil(length / _STEP)) + 1)
    path = [np.asarray(start)]
    for before, share in pairwise(shares):
        q, distance, angle = inverse(arm, begin * pin.SE3(np.eye(3), share * shift), path[-1])
        if not reached(distance, angle) or np.abs(q - path[-1]).max() > _JUMP:
            return np.array(path), float(before) * length
        path.append(q)
    return np.array(path), length
