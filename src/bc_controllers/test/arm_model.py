"""The Panda by Pinocchio's own Python, and a loop that runs a controller on given measurements."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pinocchio

from bc_controllers import Controller, Robot

Array = npt.NDArray[np.float64]
START, PERIOD = 10_000_000_000, 1_000_000
ZERO = np.zeros(7)


class Model:
    """Pinocchio's own Python model of the arm, fingers locked."""

    def __init__(self, robot: Robot) -> None:
        full = pinocchio.buildModelFromUrdf(str(robot.urdf))
        locked = [full.getJointId(name) for name in robot.fingers]
        self.model = pinocchio.buildReducedModel(full, locked, pinocchio.neutral(full))
        self.data = self.model.createData()
        self.tcp = self.model.getFrameId(robot.tcp)

    def gravity(self, q: Array) -> Array:
        return np.array(pinocchio.computeGeneralizedGravity(self.model, self.data, q))

    def nonlinear(self, q: npt.NDArray[Any], dq: Array) -> Array:
        return np.array(pinocchio.nonLinearEffects(self.model, self.data, q, dq))

    def jacobian(self, q: Array) -> Array:
        """(6, 7): linear, then angular velocity of the tool centre point, along the axes of the base."""
        aligned = pinocchio.LOCAL_WORLD_ALIGNED
        return np.array(pinocchio.computeFrameJacobian(self.model, self.data, q, self.tcp, aligned))

    def mass(self, q: Array, armature: tuple[float, ...]) -> Array:
        self.model.armature = np.array(armature)
        pinocchio.crba(self.model, self.data, q)
        upper = np.triu(self.data.M)
        return np.array(upper + np.triu(upper, 1).T)

    def pose(self, q: Array) -> Array:
        pinocchio.framesForwardKinematics(self.model, self.data, q)
        return np.array(pinocchio.SE3ToXYZQUAT(self.data.oMf[self.tcp]))


class Loop:
    """Runs a controller period by period on given measurements."""

    def __init__(self, controller: Controller) -> None:
        self.controller = controller
        self.now = START

    def run(self, q: npt.NDArray[Any], dq: npt.NDArray[Any] = ZERO, periods: int = 1, gripper: float = 0.04) -> Array:
        for _ in range(periods):
            torque, _ = self.controller.update(self.now, self.now, q, dq, gripper)
            self.now += PERIOD
        return torque
