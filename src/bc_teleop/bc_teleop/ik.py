"""Differential inverse kinematics: one small step of the joints towards a pose of the tool centre point.

A quadratic programme (pink, solved by DAQP) weighs the pose against a preferred posture and keeps the joints within
their position limits, so that a joystick held against a limit slides along it instead of winding up. A step that is too
fast for one joint is shortened as a whole: the tool goes slower on its way, and the other joints do not jump in.
Towards a singularity (arm stretched out, folded up) the part of the motion that is about to be lost is damped.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pink
import pinocchio as pin
from pink.limits import ConfigurationLimit
from pink.tasks import FrameTask, PostureTask
from scipy.spatial.transform import Rotation

from bc_core.errors import BcError
from bc_teleop.command import Array, Pose

_SINGULAR = 0.02  # singular values of the Jacobian below this share of the largest count as nil
_LEAST = 0.05  # singular value of the weighted Jacobian towards which the arm is not driven on
_APPROACH = 0.15  # share of what is left above _LEAST that one step may take
_AT_LIMIT = 0.02  # distance from a position limit at which a joint is of no help [rad]
_PROBE = 1e-4  # length of the step by which a singular value's change is measured [rad]


class DifferentialIk:
    """Kinematics of the commanded joints; every other joint of the description stays at its neutral position.

    joints: names, in the order of q. tip: frame that is driven. posture: shape (n,), preferred configuration [rad].
    limit_margin: distance kept from the position limits [rad]. velocity_scale: share of the velocity limits used.
    BcError: description, joint or frame not found.
    """

    def __init__(
        self,
        urdf: Path,
        joints: Sequence[str],
        tip: str,
        posture: Array,
        limit_margin: float = 0.05,
        velocity_scale: float = 0.8,
    ) -> None:
        self.model = _reduced_model(urdf, joints)
        if not self.model.existFrame(tip):
            frames = ", ".join(frame.name for frame in self.model.frames)
            raise BcError(f"frame '{tip}' is not in '{urdf}': use one of {frames}")
        self.model.lowerPositionLimit += limit_margin
        self.model.upperPositionLimit -= limit_margin
        self.model.velocityLimit *= velocity_scale
        self.tip = tip
        self._tip_id = self.model.getFrameId(tip)
        self._data = self.model.createData()
        self._limits = [ConfigurationLimit(self.model)]
        self._frame = FrameTask(tip, position_cost=1.0, orientation_cost=0.5, lm_damping=1e-4)
        self._posture = PostureTask(cost=1e-3, gain=0.05)
        self._posture.set_target(np.asarray(posture, dtype=np.float64))

    @property
    def joints(self) -> tuple[str, ...]:
        """Names, in the order of q."""
        return tuple(self.model.names)[1:]

    @property
    def lower(self) -> Array:
        """Lower position limits with their margin, shape (n,) [rad]."""
        return self.model.lowerPositionLimit

    @property
    def upper(self) -> Array:
        """Upper position limits with their margin, shape (n,) [rad]."""
        return self.model.upperPositionLimit

    def bounds(self, q: Array) -> tuple[Array, Array]:
        """Where the joints may go from q: inside the limits, or from outside of them no farther out."""
        return np.minimum(self.lower, q), np.maximum(self.upper, q)

    def forward(self, q: Array) -> Pose:
        """Pose of the tip in the base frame at q, shape (n,)."""
        pin.framesForwardKinematics(self.model, self._data, q)
        placement = self._data.oMf[self._tip_id]
        return Pose(placement.translation.copy(), Rotation.from_matrix(placement.rotation))

    def twist(self, q: Array, dq: Array) -> tuple[Array, Array]:
        """Linear [m/s] and angular [rad/s] velocity of the tip, along the axes of the base frame."""
        jacobian = pin.computeFrameJacobian(self.model, self._data, q, self._tip_id, pin.LOCAL_WORLD_ALIGNED)
        velocity = jacobian @ dq
        return velocity[:3], velocity[3:]

    def null_velocity(self, q: Array, dq: Array) -> Array:
        """The part of joint velocities dq that does not move the tip, shape (n,) [rad/s]."""
        jacobian = pin.computeFrameJacobian(self.model, self._data, q, self._tip_id, pin.LOCAL_WORLD_ALIGNED)
        return dq - np.linalg.pinv(jacobian, rcond=_SINGULAR) @ (jacobian @ dq)

    def step(self, q: Array, target: Pose, dt: float) -> Array:
        """Joints a time dt [s] later, on the way to `target`, within position and velocity limits; shape (n,).

        A q outside the limits (a reference that another source set) is led back at no more than the joint velocity.
        """
        inside = np.clip(q, self.lower, self.upper)
        configuration = pink.Configuration(self.model, self._data, inside)
        here = configuration.get_transform_frame_to_world(self.tip)
        ahead = here.actInv(pin.SE3(target.rotation.as_matrix(), target.position))
        self._frame.set_target(here * pin.exp6(self._damped(inside, pin.log6(ahead).vector)))
        tasks = (self._frame, self._posture)
        velocity = pink.solve_ik(configuration, tasks, dt, solver="daqp", damping=1e-6, limits=self._limits)
        step = inside + velocity * dt - q
        excess = float(np.max(np.abs(step) / (self.model.velocityLimit * dt)))
        return q + step / max(excess, 1.0)

    def _damped(self, q: Array, motion: Array) -> Array:
        """The motion of the tip, (6,) in its own frame, less what would bring the arm too close to a singularity.

        The direction that the tip can hardly go any more, that of the least singular value, is given up as the value
        falls towards _LEAST, and only where the motion lets it fall: away from there nothing is held back, and along
        the edge of the reach the tool slides. Undamped, a stick that is pushed against the edge has the joints swing to
        and fro at their velocity limits. (Damped least squares would come to rest there too, and be slow to come back.)
        """
        weights = np.asarray(self._frame.cost)
        free = (q > self.lower + _AT_LIMIT) & (q < self.upper - _AT_LIMIT)
        if not free.any():
            return motion
        directions, values, joints = np.linalg.svd(self._weighted_jacobian(q)[:, free], full_matrices=False)
        lost, value, along = directions[:, -1], values[-1], joints[-1]
        asked = float(lost @ (weights * motion))
        probe = q.copy()
        probe[free] += _PROBE * np.sign(asked) * along
        there = np.linalg.svd(self._weighted_jacobian(probe)[:, free], compute_uv=False)[-1]
        falls = (value - there) / _PROBE * abs(asked) / max(value, 1e-9)  # were all done that is asked
        may = _APPROACH * max(value - _LEAST, 0.0)
        return motion if falls <= may else motion - (1.0 - may / falls) * asked * lost / weights

    def _weighted_jacobian(self, q: Array) -> Array:
        """Of the tip in its own frame, with the weights of the programme, shape (6, n)."""
        weights = np.asarray(self._frame.cost)
        return weights[:, None] * pin.computeFrameJacobian(self.model, self._data, q, self._tip_id, pin.LOCAL)


def _reduced_model(urdf: Path, joints: Sequence[str]) -> pin.Model:
    if not urdf.is_file():
        raise BcError(f"robot description '{urdf}' does not exist: correct the path in the robot's configuration")
    model = pin.buildModelFromUrdf(str(urdf))
    for name in joints:
        if not model.existJointName(name):
            known = ", ".join(list(model.names)[1:])
            raise BcError(f"joint '{name}' is not in '{urdf}': use {known}")
    locked = [index for index in range(1, model.njoints) if model.names[index] not in joints]
    reduced = pin.buildReducedModel(model, locked, pin.neutral(model))
    order = list(reduced.names)[1:]
    if order != list(joints):
        raise BcError(f"joints {', '.join(joints)} are not in the order of '{urdf}': list them as {', '.join(order)}")
    return reduced
