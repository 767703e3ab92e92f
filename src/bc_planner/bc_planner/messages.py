"""bc_msgs/MoveTo and controller messages to what the planner works with, and back."""

import numpy as np
import pinocchio as pin
from geometry_msgs.msg import PoseStamped

from bc_core.chunks import ActionGroup
from bc_msgs.action import MoveTo
from bc_msgs.msg import ControllerState
from bc_nodes.convert import to_ns
from bc_nodes.reference import reference_row
from bc_planner.goal import Back, MotionError, MotionGoal, Reason, ToJoints, ToNamed, ToPose
from bc_planner.job import Outcome, Seen


def read_goal(goal: MoveTo.Goal, base_frame: str) -> MotionGoal:
    """What a client asks for. MotionError BAD_GOAL: it contradicts itself."""
    common = {"gripper": float(goal.gripper[0]) if goal.gripper else None, "speed": goal.speed_scale or None}
    if goal.kind == MoveTo.Goal.JOINTS:
        if len(goal.joint_names) != len(goal.positions):
            raise MotionError(
                Reason.BAD_GOAL,
                f"the goal has {len(goal.joint_names)} joint_names and {len(goal.positions)} positions: give one each",
            )
        return ToJoints(positions=dict(zip(goal.joint_names, goal.positions, strict=True)), **common)
    if goal.kind == MoveTo.Goal.NAMED:
        return ToNamed(name=goal.name, **common)
    if goal.kind in (MoveTo.Goal.POSE, MoveTo.Goal.APPROACH):
        straight = goal.distance if goal.kind == MoveTo.Goal.APPROACH else 0.0
        if goal.kind == MoveTo.Goal.APPROACH and not straight > 0.0:
            raise MotionError(Reason.BAD_GOAL, f"distance is {straight:g} m: an approach has one above 0")
        return ToPose(pose=_pose(goal.pose, base_frame), straight=straight, **common)
    if goal.kind == MoveTo.Goal.RETREAT:
        return Back(distance=goal.distance, **common)
    raise MotionError(Reason.BAD_GOAL, f"kind is {goal.kind}: give JOINTS, NAMED, POSE, APPROACH or RETREAT")


def _pose(stamped: PoseStamped, base_frame: str) -> pin.SE3:
    frame = stamped.header.frame_id or base_frame
    if frame != base_frame:
        raise MotionError(Reason.BAD_GOAL, f"the pose is given in '{frame}': give it in '{base_frame}'")
    position, turned = stamped.pose.position, stamped.pose.orientation
    numbers = np.array([position.x, position.y, position.z, turned.x, turned.y, turned.z, turned.w])
    length = float(np.linalg.norm(numbers[3:]))
    if not np.all(np.isfinite(numbers)) or abs(length - 1.0) > 0.01:
        raise MotionError(Reason.BAD_GOAL, f"the pose {numbers} has no finite position or no unit quaternion")
    return pin.SE3(pin.Quaternion(numbers[3:] / length).matrix(), numbers[:3])


def result_of(outcome: Outcome, dt: float) -> MoveTo.Result:
    """dt: of the motion's rows [s]."""
    result = MoveTo.Result(reason=int(outcome.reason), message=outcome.message)
    if outcome.motion is not None:
        result.planning_time = outcome.motion.seconds
        result.motion_time = max(len(outcome.motion.rows) - 1, 0) * dt
        result.positions = outcome.motion.end.tolist()
    return result


def seen(state: ControllerState, groups: tuple[ActionGroup, ...], joints: tuple[str, ...]) -> Seen:
    """A state of the controller. BcError: it has other joints than the contract's."""
    reference = reference_row(state, groups)
    order = [list(state.joint_names).index(name) for name in joints]
    still = state.ladder in (ControllerState.HOLDING, ControllerState.COMPLIANT)
    return Seen(
        to_ns(state.header.stamp),
        int(state.mode),
        int(state.mode_epoch),
        reference,
        np.array(state.position)[order],
        np.array(state.position_reference)[order],
        still,
    )
