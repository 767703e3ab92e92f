"""A goal as MoveIt's move_group takes it, and its answer in our words. Needs moveit_msgs; pure otherwise."""

from typing import Any

import numpy as np
import pinocchio as pin
from geometry_msgs.msg import Point, Pose, Quaternion
from moveit_msgs.action import MoveGroup
from moveit_msgs.msg import (
    CollisionObject,
    Constraints,
    JointConstraint,
    MoveItErrorCodes,
    OrientationConstraint,
    PlanningScene,
    PositionConstraint,
)
from shape_msgs.msg import SolidPrimitive

from bc_core.chunks import Array
from bc_planner.goal import MotionError, Reason
from bc_planner.workspace import Workspace

GROUP = "arm"  # of config/moveit/*.srdf
_ANGLE, _POSITION, _ROTATION = 1e-3, 1e-3, 5e-3  # tolerances [rad], [m], [rad]
_KINDS = {"box": SolidPrimitive.BOX, "cylinder": SolidPrimitive.CYLINDER, "sphere": SolidPrimitive.SPHERE}

_REASONS = {
    MoveItErrorCodes.SUCCESS: Reason.SUCCESS,
    MoveItErrorCodes.PLANNING_FAILED: Reason.NO_PATH,
    MoveItErrorCodes.INVALID_MOTION_PLAN: Reason.NO_PATH,
    MoveItErrorCodes.MOTION_PLAN_INVALIDATED_BY_ENVIRONMENT_CHANGE: Reason.FAILED,
    MoveItErrorCodes.CONTROL_FAILED: Reason.FAILED,
    MoveItErrorCodes.TIMED_OUT: Reason.NO_PATH,
    MoveItErrorCodes.PREEMPTED: Reason.CANCELED,
    MoveItErrorCodes.START_STATE_IN_COLLISION: Reason.START_IN_COLLISION,
    MoveItErrorCodes.START_STATE_INVALID: Reason.OUT_OF_LIMITS,
    MoveItErrorCodes.GOAL_IN_COLLISION: Reason.GOAL_IN_COLLISION,
    MoveItErrorCodes.GOAL_STATE_INVALID: Reason.GOAL_IN_COLLISION,
    MoveItErrorCodes.NO_IK_SOLUTION: Reason.UNREACHABLE,
    MoveItErrorCodes.INVALID_GROUP_NAME: Reason.BAD_GOAL,
    MoveItErrorCodes.INVALID_GOAL_CONSTRAINTS: Reason.BAD_GOAL,
    MoveItErrorCodes.INVALID_LINK_NAME: Reason.BAD_GOAL,
}
_NAMES = {getattr(MoveItErrorCodes, name): name for name in dir(type(MoveItErrorCodes)) if name[0].isupper()}


def move_group_goal(
    constraints: Constraints, straight: bool, speed: float, seconds: float, plan_only: bool
) -> MoveGroup.Goal:
    """From where the robot is. straight: the tool's line, by the Pilz planner's LIN; speed: share of the limits."""
    goal = MoveGroup.Goal()
    request = goal.request
    request.group_name, request.goal_constraints = GROUP, [constraints]
    request.start_state.is_diff = True  # what the planning scene monitor knows
    request.pipeline_id = "pilz_industrial_motion_planner" if straight else "ompl"
    request.planner_id = "LIN" if straight else "RRTConnectkConfigDefault"
    request.num_planning_attempts = 1  # of several, MoveIt does not tell why they failed
    request.allowed_planning_time = seconds
    request.max_velocity_scaling_factor = request.max_acceleration_scaling_factor = speed
    options = goal.planning_options
    options.plan_only, options.replan = plan_only, False
    options.planning_scene_diff.is_diff = options.planning_scene_diff.robot_state.is_diff = True
    return goal


def joint_goal(names: tuple[str, ...], positions: Array) -> Constraints:
    return Constraints(
        joint_constraints=[
            JointConstraint(
                joint_name=name, position=float(position), tolerance_above=_ANGLE, tolerance_below=_ANGLE, weight=1.0
            )
            for name, position in zip(names, positions, strict=True)
        ]
    )


def pose_goal(link: str, frame: str, pose: pin.SE3) -> Constraints:
    """The link within a small ball of the position, turned so."""
    position = PositionConstraint(link_name=link, weight=1.0)
    position.header.frame_id = frame
    position.constraint_region.primitives = [SolidPrimitive(type=SolidPrimitive.SPHERE, dimensions=[_POSITION])]
    position.constraint_region.primitive_poses = [pose_message(pose)]
    turned = OrientationConstraint(link_name=link, orientation=pose_message(pose).orientation, weight=1.0)
    turned.header.frame_id = frame
    turned.absolute_x_axis_tolerance = turned.absolute_y_axis_tolerance = turned.absolute_z_axis_tolerance = _ROTATION
    return Constraints(position_constraints=[position], orientation_constraints=[turned])


def planning_scene(workspace: Workspace) -> PlanningScene:
    """The workspace's obstacles as what is added to MoveIt's scene; the clearance is theirs, all around."""
    scene = PlanningScene(is_diff=True)
    scene.robot_state.is_diff = True
    for obstacle in workspace.obstacles:
        body = CollisionObject(id=obstacle.name, operation=CollisionObject.ADD)
        body.header.frame_id = workspace.base_frame
        body.pose.orientation.w = 1.0
        size = _grown(obstacle.shape, obstacle.size, workspace.clearance)
        # a cylinder's dimensions begin with its height
        dimensions = [size[1], size[0]] if obstacle.shape == "cylinder" else list(size)
        body.primitives = [SolidPrimitive(type=_KINDS[obstacle.shape], dimensions=dimensions)]
        body.primitive_poses = [pose_message(obstacle.placement)]
        scene.world.collision_objects.append(body)
    return scene


def _grown(shape: str, size: tuple[float, ...], by: float) -> tuple[float, ...]:
    if shape == "box":
        return tuple(edge + 2.0 * by for edge in size)
    if shape == "cylinder":
        return size[0] + by, size[1] + 2.0 * by
    return (size[0] + by,)


def pose_message(pose: pin.SE3) -> Pose:
    x, y, z = pose.translation.tolist()
    qx, qy, qz, qw = np.asarray(pin.Quaternion(pose.rotation).coeffs()).tolist()
    return Pose(position=Point(x=x, y=y, z=z), orientation=Quaternion(x=qx, y=qy, z=qz, w=qw))


def failure(code: Any, plan_only: bool = False, moved: bool = False) -> MotionError | None:
    """What a MoveItErrorCodes says; None: success.

    plan_only: it was asked for a plan alone: move_group (2.12) answers FAILURE then, whatever the planner said.
    moved: the arm has moved already: TIMED_OUT is said of the search and of the motion.
    """
    reason = _REASONS.get(code.val, Reason.FAILED)
    if reason is Reason.SUCCESS:
        return None
    name, said = _NAMES.get(code.val, str(code.val)), code.message
    if plan_only and code.val == MoveItErrorCodes.FAILURE:
        reason, said = Reason.NO_PATH, "no plan; why is in its log only"
    elif moved and code.val == MoveItErrorCodes.TIMED_OUT:
        reason, said = Reason.FAILED, "the motion took longer than it may (trajectory_execution in config/moveit)"
    elif code.val == MoveItErrorCodes.GOAL_STATE_INVALID:
        said = said or "the goal collides or is out of reach"
    return MotionError(reason, f"move_group answers {name}{': ' + said if said else ''}")
