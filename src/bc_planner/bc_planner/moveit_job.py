"""One motion by MoveIt: move_group plans, and executes through the controller's follow_joint_trajectory.

The same life as a Job's: it waits for HOLD, is canceled by its client, and tells who ended it. Which source may command
is the controller's business all the same: the trajectory comes to the arbiter as PLANNER.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pinocchio as pin
from moveit_msgs.action import MoveGroup
from moveit_msgs.msg import Constraints, MoveItErrorCodes

from bc_core.chunks import Array
from bc_core.grid import NANOSECONDS
from bc_core.modes import Mode
from bc_msgs.msg import ControlMode
from bc_planner.arm import Arm
from bc_planner.goal import Back, Motion, MotionError, MotionGoal, Reason, ToJoints, ToNamed, ToPose
from bc_planner.job import STALE_NS, Outcome, Phase, Seen
from bc_planner.moveit_goals import failure, joint_goal, move_group_goal, pose_goal
from bc_planner.targets import Targets


@dataclass(frozen=True)
class Leg:
    """One request to move_group."""

    constraints: Constraints
    straight: bool


def legs_of(goal: MotionGoal, start: Array, arm: Arm, targets: Targets) -> list[Leg]:
    """What move_group is asked for, one after the other: the arm's part. MotionError BAD_GOAL; all else is MoveIt's."""
    tip, base = arm.robot.tcp, arm.robot.base_frame
    if isinstance(goal, ToNamed):
        return [Leg(joint_goal(arm.joints, targets.configuration(goal.name)[0]), False)]
    if isinstance(goal, ToJoints):
        return [Leg(joint_goal(arm.joints, targets.in_order(goal)), False)]
    if isinstance(goal, ToPose):
        if not goal.straight:
            return [Leg(pose_goal(tip, base, goal.pose), False)]
        before = goal.pose * _along_z(-goal.straight)
        return [Leg(pose_goal(tip, base, before), False), Leg(pose_goal(tip, base, goal.pose), True)]
    if isinstance(goal, Back):
        if not goal.distance > 0.0:
            raise MotionError(Reason.BAD_GOAL, f"distance is {goal.distance:g} m: give one above 0")
        return [Leg(pose_goal(tip, base, arm.tool(start) * _along_z(-goal.distance)), True)]
    raise MotionError(Reason.BAD_GOAL, f"a goal of type {type(goal).__name__} is not known")


def _along_z(distance: float) -> pin.SE3:
    shift = pin.SE3.Identity()
    shift.translation[2] = distance
    return shift


@dataclass(frozen=True)
class MoveItPorts:
    """send: a goal to move_group; the answer comes by `MoveItJob.on_result`. stop: what was sent is to be canceled.
    there: is somebody who could answer? hold: the controller is asked for HOLD, and told why."""

    send: Callable[[MoveGroup.Goal], None]
    stop: Callable[[], None]
    there: Callable[[], bool]
    hold: Callable[[str], None]


class MoveItJob:
    """legs: from the arm's joints. speed: share of the limits. seconds: for planning. patience: for HOLD [s]."""

    def __init__(
        self,
        ports: MoveItPorts,
        legs: Callable[[Array], list[Leg]],
        speed: float,
        seconds: float,
        begun_ns: int,
        patience: float = 2.0,
        plan_only: bool = False,
    ) -> None:
        self.phase = Phase.WAITING
        self.outcome: Outcome | None = None
        self.motion: Motion | None = None
        self._ports, self._legs = ports, legs
        self._speed, self._seconds, self._plan_only = speed, seconds, plan_only
        self._begun_ns, self._patience = begun_ns, patience
        self._seen: Seen | None = None
        self._left: list[Leg] = []
        self._canceled = False
        self._commands = False  # the controller follows a trajectory of ours
        self._held = ""
        self._ended_by = ""  # who took the controller from us, in words

    def step(self, now_ns: int) -> None:
        """Begin as soon as the arm is held; end when nobody is there any more who could."""
        seen = self._seen
        if self.outcome is not None:
            return
        if self.phase is not Phase.WAITING:
            if not self._ports.there():
                self._lost()
            return
        if seen is not None and now_ns - seen.stamp_ns <= STALE_NS and seen.mode == ControlMode.HOLD and seen.still:
            try:
                self._left = self._legs(seen.joints)
            except MotionError as error:
                self._end(error.reason, str(error))
                return
            self.phase = Phase.PLANNING
            self._next()
        elif now_ns - self._begun_ns > self._patience * NANOSECONDS:
            mode = "silent" if seen is None else f"in {Mode(seen.mode).name}"
            self._end(Reason.NOT_GRANTED, f"the controller is {mode}, and motions begin in HOLD only")

    def cancel(self) -> None:
        self._canceled = True
        if self.outcome is None and self.phase is Phase.WAITING:
            self._end(Reason.CANCELED, "canceled before anything has moved")
        elif self.outcome is None:
            self.phase = Phase.STOPPING
            self._ports.stop()

    def on_state(self, seen: Seen) -> None:
        self._seen = seen

    def on_mode(self, mode: int, epoch: int, reason: str, now_ns: int) -> None:
        """PLANNER: our trajectory has begun. Anything else but its own end ends it: move_group is told to stop."""
        self._commands = mode == ControlMode.PLANNER
        if self.phase is Phase.PLANNING and mode == ControlMode.PLANNER:
            self.phase = Phase.MOVING
        elif self.phase is Phase.MOVING and mode in (ControlMode.HUMAN, ControlMode.STOPPED):
            self._ended_by = reason
            self._ports.stop()
        elif self.phase is Phase.MOVING and mode == ControlMode.HOLD:
            self._held = reason  # its own end, or somebody's wish: the result tells

    def on_ack(self, producer_id: int, reason: int, detail: str) -> None:
        """Chunks are the trajectory action's affair."""

    def on_feedback(self, state: str) -> None:
        """What move_group says that it is doing."""

    def on_result(self, code: Any, planning_time: float) -> None:
        """move_group's answer to what was sent last."""
        failed = failure(code, self._plan_only, self.phase is Phase.MOVING)
        if code.val == MoveItErrorCodes.CONTROL_FAILED and self._held not in ("", "starved"):
            self._ended_by = self._ended_by or self._held
        if self._ended_by and not self._canceled:
            self._end(Reason.PREEMPTED, f"ended by another: {self._ended_by}")
        elif failed is not None:
            canceled = self._canceled or failed.reason is Reason.CANCELED
            self._end(Reason.CANCELED if canceled else failed.reason, str(failed))
        elif self._canceled:
            self._end(Reason.CANCELED, "canceled as it came to its end")
        else:
            self._next()

    def on_rejected(self, why: str) -> None:
        """move_group is not there, or does not take the goal."""
        self._end(Reason.FAILED, why)

    def _lost(self) -> None:
        """The controller would follow the trajectory to its end, and nobody could stop it."""
        why = "move_group has gone: see its log, and start it again"
        if self._commands:
            self._ports.hold(why)
        self._end(Reason.FAILED, why)

    def _next(self) -> None:
        if not self._left:
            self._end(Reason.SUCCESS, "there is a way" if self._plan_only else "done")
            return
        leg = self._left.pop(0)
        self.phase, self._held = Phase.PLANNING, ""
        if self._plan_only:
            self._left.clear()  # the next one begins where this one has not led
        self._ports.send(move_group_goal(leg.constraints, leg.straight, self._speed, self._seconds, self._plan_only))

    def _end(self, reason: Reason, message: str) -> None:
        self.outcome = Outcome(reason, message, None)
