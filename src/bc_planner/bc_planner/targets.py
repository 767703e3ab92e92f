"""Where a motion may begin and end: configurations for a goal, and why there are none."""

from collections.abc import Callable

import numpy as np
import pinocchio as pin

from bc_core.chunks import Array
from bc_core.errors import BcError
from bc_planner.arm import Arm
from bc_planner.collision import CollisionModel
from bc_planner.goal import MotionError, MotionGoal, Reason, ToJoints, ToNamed
from bc_planner.kinematics import reached, solutions
from bc_planner.workspace import Workspace

_GUESSES = 24  # of inverse kinematics, at random, beside start and home
_CANDIDATES = 6  # free configurations for a pose that are enough


class Targets:
    """Of one arm in one workspace. BcError: a configuration of the workspace is another robot's."""

    def __init__(self, arm: Arm, collisions: CollisionModel, workspace: Workspace) -> None:
        self.arm, self.collisions, self.workspace = arm, collisions, workspace
        self._random = np.random.default_rng(1)
        for name, there in workspace.configurations.items():
            if len(there.arm) != len(arm.joints):
                raise BcError(
                    f"workspace '{workspace.name}': configuration '{name}' has {len(there.arm)} joints, but robot"
                    f" '{arm.robot.name}' has {len(arm.joints)}: give one position each"
                )

    def configuration(self, name: str) -> tuple[Array, float | None]:
        """Joint positions and opening of a name. MotionError BAD_GOAL names the known ones."""
        if name == "home":
            return np.array(self.arm.robot.home), None
        if name not in self.workspace.configurations:
            known = ", ".join(["home", *sorted(self.workspace.configurations)])
            raise MotionError(
                Reason.BAD_GOAL, f"configuration '{name}' is not in workspace '{self.workspace.name}': it has {known}"
            )
        found = self.workspace.configurations[name]
        return np.array(found.arm), found.gripper

    def opening(self, goal: MotionGoal) -> float | None:
        """Of the gripper at the end [m]: the goal's own, or its configuration's; None: as it is."""
        if goal.gripper is None and isinstance(goal, ToNamed):
            return self.configuration(goal.name)[1]
        return goal.gripper

    def refuse_start(self, start: Array) -> None:
        """MotionError unless the arm may stand there."""
        if beyond := self.arm.beyond(start):
            raise MotionError(
                Reason.OUT_OF_LIMITS, f"the arm stands beyond its limits: {beyond}; drive it back by hand"
            )
        if contact := self.collisions.contact(start):
            raise MotionError(
                Reason.START_IN_COLLISION,
                f"the arm stands in collision: {contact}; drive it free by hand, or correct workspace"
                f" '{self.workspace.name}'",
            )

    def refuse_goal(self, goal: Array) -> None:
        """MotionError unless the arm may end there."""
        if beyond := self.arm.beyond(goal):
            raise MotionError(Reason.OUT_OF_LIMITS, f"the goal is beyond the limits: {beyond}")
        if contact := self.collisions.contact(goal):
            raise MotionError(Reason.GOAL_IN_COLLISION, f"the goal is in collision: {contact}")

    def in_order(self, goal: ToJoints) -> Array:
        """The goal's positions (n,) in the arm's order. MotionError BAD_GOAL."""
        joints = self.arm.joints
        if set(goal.positions) != set(joints):
            raise MotionError(
                Reason.BAD_GOAL,
                f"the goal names joints {', '.join(sorted(goal.positions)) or 'none'}: give each of"
                f" {', '.join(joints)}",
            )
        target = np.array([goal.positions[name] for name in joints])
        if not np.all(np.isfinite(target)):
            raise MotionError(Reason.BAD_GOAL, f"the goal's positions are {target}: give finite numbers")
        return target

    def for_pose(self, start: Array, pose: pin.SE3, canceled: Callable[[], bool]) -> list[Array]:
        """Free configurations for a pose, the nearest to the start first."""
        arm = self.arm
        random = self._random.uniform(arm.lower, arm.upper, size=(_GUESSES, len(arm.joints)))
        found, touching, nearest = [], None, (np.inf, np.inf)
        for q, distance, angle in solutions(arm, pose, [start, np.array(arm.robot.home), *random]):
            if canceled():
                raise MotionError(Reason.CANCELED, "canceled while a configuration was searched: nothing has moved")
            nearest = min(nearest, (distance, angle))
            if not reached(distance, angle):
                continue
            contact = self.collisions.contact(q)
            touching = touching or contact
            if contact is None:
                found.append(q)
                if len(found) == _CANDIDATES:
                    break
        if not found and touching is not None:
            raise MotionError(Reason.GOAL_IN_COLLISION, f"the goal is in collision: {touching}")
        if not found:
            position = ", ".join(f"{value:.3f}" for value in pose.translation)
            raise MotionError(
                Reason.UNREACHABLE,
                f"no joint positions have the tool at ({position}) m and turned so: the nearest found misses by"
                f" {1000 * nearest[0]:.0f} mm and {nearest[1]:.2f} rad; give a pose within reach",
            )
        return sorted(found, key=lambda q: float(np.linalg.norm(q - start)))
