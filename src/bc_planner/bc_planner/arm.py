"""The robot as a planner sees it: its commanded joints, their limits, and where the tool is."""

import numpy as np
import pinocchio as pin

from bc_controllers import Robot
from bc_core.chunks import Array
from bc_core.errors import BcError

LIMIT_TOLERANCE = 1e-3  # [rad]: a reference that lies on a limit is not beyond it


class Arm:
    """q: (n,) in the order of the robot file's joints [rad]. Fingers stand at `opening` [m]; others at neutral.

    lower, upper: the URDF's limits less the controller's margin, (n,). velocity, acceleration: the controller's limits.
    """

    def __init__(self, robot: Robot) -> None:
        self.robot = robot
        self.joints = robot.arm
        self.model = pin.buildModelFromUrdf(str(robot.urdf))
        self.data = self.model.createData()
        for frame in (robot.base_frame, robot.tcp):
            if not self.model.existFrame(frame):
                raise BcError(f"frame '{frame}' is not in '{robot.urdf}': correct it in the robot file")
        self._tip = self.model.getFrameId(robot.tcp)
        self._columns = np.array([self._column(name) for name in robot.arm])
        self._velocities = [int(self.model.joints[self.model.getJointId(name)].idx_v) for name in robot.arm]
        self._fingers = [self._column(name) for name in robot.fingers]
        margin = robot.controller.position_margin
        self.lower: Array = self.model.lowerPositionLimit[self._columns] + margin
        self.upper: Array = self.model.upperPositionLimit[self._columns] - margin
        self.velocity = np.array(robot.controller.velocity)
        self.acceleration = np.array(robot.controller.acceleration)
        self._q: Array = pin.neutral(self.model)
        self.opening = robot.gripper_home
        pin.framesForwardKinematics(self.model, self.data, self._q)
        self.base: pin.SE3 = self.data.oMf[self.model.getFrameId(robot.base_frame)].copy()

    def _column(self, name: str) -> int:
        if not self.model.existJointName(name):
            raise BcError(f"joint '{name}' is not in '{self.robot.urdf}': correct the robot file")
        joint = self.model.joints[self.model.getJointId(name)]
        if joint.nq != 1:
            raise BcError(f"joint '{name}' of '{self.robot.urdf}' has no limits: give a description that has some")
        return int(joint.idx_q)

    def full(self, q: Array) -> Array:
        """Positions of every joint of the description; the array is reused."""
        self._q[self._columns] = q
        if self._fingers:
            self._q[self._fingers] = self.opening / len(self._fingers)
        return self._q

    def tool(self, q: Array) -> pin.SE3:
        """Pose of the tool centre point in the base frame."""
        pin.framesForwardKinematics(self.model, self.data, self.full(q))
        return self.base.actInv(self.data.oMf[self._tip])

    def jacobian(self, q: Array) -> Array:
        """Of the tool centre point, along its own axes: linear, then angular, shape (6, n)."""
        whole = pin.computeFrameJacobian(self.model, self.data, self.full(q), self._tip, pin.ReferenceFrame.LOCAL)
        return np.asarray(whole[:, self._velocities])

    def tool_excess(self, q: Array, rate: Array) -> float:
        """How many times faster the tool is than the controller lets it be, with joint velocities (n,) [rad/s]."""
        twist, limits = self.jacobian(q) @ rate, self.robot.controller.workspace
        linear, angular = float(np.linalg.norm(twist[:3])), float(np.linalg.norm(twist[3:]))
        return max(linear / limits.linear_velocity, angular / limits.angular_velocity)

    def beyond(self, q: Array) -> str:
        """The first joint beyond its limits, in words; empty: none is."""
        for name, value, lower, upper in zip(self.joints, q, self.lower, self.upper, strict=True):
            if not lower - LIMIT_TOLERANCE <= value <= upper + LIMIT_TOLERANCE:
                return f"joint '{name}' at {value:.3f} rad is outside of [{lower:.3f}, {upper:.3f}]"
        return ""

    def clip(self, q: Array) -> Array:
        return np.clip(q, self.lower, self.upper)
