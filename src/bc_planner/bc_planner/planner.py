"""From where the robot stands to a goal: configurations, a way, its timing, and rows whose curve touches nothing."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from bc_controllers import Robot
from bc_core.chunks import ActionChunk, ActionGroup, Array, Space
from bc_core.errors import BcError
from bc_core.grid import Grid
from bc_planner.arm import Arm
from bc_planner.collision import CollisionModel
from bc_planner.goal import Back, Grip, Motion, MotionError, MotionGoal, Reason, ToJoints, ToNamed, ToPose
from bc_planner.kinematics import straight
from bc_planner.sampling import line_free, search
from bc_planner.targets import Targets
from bc_planner.timing import time_optimal
from bc_planner.workspace import Workspace

_THERE = 1e-3  # [rad, m]: so near to the goal nothing moves
_REFINEMENTS = 4  # of a spline that leaves its path where that counts
_LOOKS = 4  # at the curve between two rows
_CURVE = 0.5  # share of the clearance that is left to it beside the path


@dataclass(frozen=True)
class Settings:
    """seconds: for the search of one way. speed: share of the limits where a goal does not say."""

    seconds: float = 5.0
    speed: float = 0.4


class MotionPlanner:
    """Plans for one robot in one workspace; motions are rows of the contract's groups. Not for two threads at once.

    BcError: the groups are not the robot's joints and at most one gripper, or the files do not belong together.
    """

    def __init__(
        self, robot: Robot, workspace: Workspace, groups: tuple[ActionGroup, ...], grid: Grid, settings: Settings
    ) -> None:
        self.arm = Arm(robot)
        self.collisions = CollisionModel(self.arm, workspace)
        self.workspace, self.settings = workspace, settings
        self._groups, self._grid = groups, grid
        self._columns, self._gripper = _columns(groups, self.arm)
        self.targets = Targets(self.arm, self.collisions, workspace)

    def plan(
        self,
        reference: Array,
        goal: MotionGoal,
        canceled: Callable[[], bool] = lambda: False,
        measured: Array | None = None,
    ) -> Motion:
        """A motion from the controller's reference, a row (D,), at rest. measured: the joints (n,), where known.

        MotionError with the reason; nothing is left behind.
        """
        begun = time.monotonic()
        start, opening = reference[self._columns], self._opening(reference)
        end_opening = self.end_opening(goal, opening)
        self.arm.opening = max(opening, end_opening)
        self.targets.refuse_start(start if measured is None else measured)
        self.targets.refuse_start(start)
        start = self.arm.clip(start)
        legs = self._legs(start, goal, canceled)
        speed = self.speed(goal)
        rows = self._rows(start, legs, opening, end_opening, speed)
        end = legs[-1][-1] if legs else start
        return Motion(rows, end, time.monotonic() - begun)

    def _opening(self, reference: Array) -> float:
        return float(reference[self._gripper]) if self._gripper is not None else self.arm.opening

    def end_opening(self, goal: MotionGoal, opening: float) -> float:
        """The gripper's at the end, from the present one [m]. MotionError BAD_GOAL: the robot has no such opening."""
        wanted = self.targets.opening(goal)
        if wanted is None:
            return opening
        controller = self.arm.robot.controller
        if self._gripper is None or not controller.gripper_lower <= wanted <= controller.gripper_upper:
            limits = f"[{controller.gripper_lower:g}, {controller.gripper_upper:g}] m"
            what = limits if self._gripper is not None else "no gripper"
            raise MotionError(Reason.BAD_GOAL, f"opening {wanted:g} m: robot '{self.arm.robot.name}' has {what}")
        return wanted

    def speed(self, goal: MotionGoal) -> float:
        """Share of the limits. MotionError BAD_GOAL: there is no such share."""
        speed = self.settings.speed if goal.speed is None else goal.speed
        if not 0.0 < speed <= 1.0:
            raise MotionError(Reason.BAD_GOAL, f"speed_scale is {speed:g}: give a share above 0 and up to 1")
        return speed

    # --- the way --------------------------------------------------------------------------------------------------

    def _legs(self, start: Array, goal: MotionGoal, canceled: Callable[[], bool]) -> list[Array]:
        """Ways (N, n) from rest to rest, each from the end of the one before; none where nothing moves."""
        if isinstance(goal, Grip):
            return []
        if isinstance(goal, Back):
            return [self._straight(start, -_distance(goal.distance), start)]
        if isinstance(goal, ToPose):
            return self._to_pose(start, goal, canceled)
        if isinstance(goal, ToNamed):
            target = self.targets.configuration(goal.name)[0]
        elif isinstance(goal, ToJoints):
            target = self.targets.in_order(goal)
        else:
            raise MotionError(Reason.BAD_GOAL, f"a goal of type {type(goal).__name__} is not known")
        self.targets.refuse_goal(target)
        return self._way(start, [self.arm.clip(target)], canceled)

    def _to_pose(self, start: Array, goal: ToPose, canceled: Callable[[], bool]) -> list[Array]:
        targets = self.targets.for_pose(start, goal.pose, canceled)
        if not goal.straight:
            return self._way(start, targets, canceled)
        lines, failure = [], None
        for target in targets:  # backwards from the goal: where it can be come from straight
            try:
                lines.append(self._straight(target, -_distance(goal.straight), target)[::-1])
            except MotionError as error:
                failure = failure or error
        if failure is not None and not lines:
            raise failure
        way = self._way(start, [line[0] for line in lines], canceled)
        end = way[-1][-1] if way else start
        line = min(lines, key=lambda line: float(np.abs(line[0] - end).max()))
        return [*way, line]

    def _way(self, start: Array, targets: list[Array], canceled: Callable[[], bool]) -> list[Array]:
        if np.abs(targets[0] - start).max() < _THERE:
            return []
        self.collisions.keep_clear([start, *targets])
        bounds = self.arm.lower, self.arm.upper
        return [search(start, targets, bounds, self.collisions.free, self.settings.seconds, canceled)]

    def _straight(self, start: Array, distance: float, near: Array) -> Array:
        """The tool's way along its own z axis. MotionError NO_PATH: it ends early, or something is in between."""
        path, length = straight(self.arm, start, np.array([0.0, 0.0, distance]))
        if length < abs(distance):
            raise MotionError(
                Reason.NO_PATH,
                f"the arm can follow {1000 * length:.0f} of {1000 * abs(distance):.0f} mm of the straight part: make it"
                " shorter, or choose another pose",
            )
        self.collisions.keep_clear([near, path[-1]])
        for before, after in pairwise(path):
            if not line_free(before, after, self.collisions.free):
                contact = self.collisions.contact(after, self.collisions.clearance)
                raise MotionError(Reason.NO_PATH, f"the straight part is blocked: {contact}")
        return path

    # --- the rows -------------------------------------------------------------------------------------------------

    def _rows(self, start: Array, legs: list[Array], opening: float, end_opening: float, speed: float) -> Array:
        """Every leg timed, the gripper's opening evenly over the whole. Each end of a leg is there twice: at rest."""
        dt, rate = self._grid.dt, speed * self.arm.robot.controller.gripper_velocity
        whole = np.concatenate([self._timed(leg, speed) for leg in legs]) if legs else start[None]
        missing = int(np.ceil(abs(end_opening - opening) / rate / dt)) - (len(whole) - 1)
        if abs(end_opening - opening) > _THERE and missing > 0:
            whole = np.concatenate([whole, np.repeat(whole[-1:], missing, axis=0)])
        if len(whole) == 1:
            return np.empty((0, self._groups[-1].offset + self._groups[-1].width))
        rows = np.empty((len(whole), self._groups[-1].offset + self._groups[-1].width))
        rows[:, self._columns] = whole
        if self._gripper is not None:
            rows[:, self._gripper] = np.linspace(opening, end_opening, len(whole))
        return np.concatenate([rows[:1], rows, rows[-1:]])

    def _timed(self, leg: Array, speed: float) -> Array:
        """Rows of a leg, (M, n). The curve that the controller draws through them is looked at, not only the path:
        where it leaves the path into something, the spline is held to it more closely."""
        arm = self.arm
        self.collisions.keep_clear([leg[0], leg[-1]], _CURVE)

        def tool(q: Array, rate: Array) -> float:
            return arm.tool_excess(q, rate) / speed

        for refinement in range(_REFINEMENTS + 1):
            rows = time_optimal(leg, speed * arm.velocity, speed * arm.acceleration, self._grid.dt, tool, refinement)
            if all(self.collisions.free(q) for q in self._curve(rows)):
                return rows
        raise MotionError(
            Reason.NO_PATH, "the way that was found is too narrow to be followed: give another goal, or less clearance"
        )

    def _curve(self, rows: Array) -> Array:
        """The controller's curve through rows of joints (M, n), at _LOOKS times per row (bc_core.chunks)."""
        group = ActionGroup("arm", Space.JOINT_POSITION, self.arm.joints, 0, len(self.arm.joints))
        still = np.concatenate([rows[:1], rows, rows[-1:]])
        chunk = ActionChunk(0, _LOOKS, (group,), still)
        return np.array([chunk.sample(time) for time in range(chunk.end_ns + 1)])


def _distance(distance: float) -> float:
    if not np.isfinite(distance) or distance <= 0.0:
        raise MotionError(Reason.BAD_GOAL, f"distance is {distance:g} m: give one above 0")
    return distance


def _columns(groups: tuple[ActionGroup, ...], arm: Arm) -> tuple[list[int], int | None]:
    """Columns of the arm's joints, in its order, and that of the gripper. BcError: poses, or another robot's joints."""
    column_of: dict[str, int] = {}
    gripper = None
    for group in groups:
        if group.space == Space.CARTESIAN_POSE:
            raise BcError(
                f"group '{group.name}' commands poses, and motions are planned in joints: use a contract whose groups"
                " are joint positions"
            )
        for offset, name in enumerate(group.names):
            column_of[name] = group.offset + offset
        if group.space == Space.GRIPPER:
            gripper = group.offset
            column_of.pop(group.names[0])
    if set(column_of) != set(arm.joints):
        raise BcError(
            f"the contract commands joints {sorted(column_of)}, robot '{arm.robot.name}' has {sorted(arm.joints)}: use"
            " files that belong together"
        )
    return [column_of[name] for name in arm.joints], gripper
