"""Move the robot as PLANNER, round obstacles: home, to a named configuration, to joint positions, to a pose, or back.

motion_planner must run (bcros launch planner), and the controller must be in HOLD. A human takes over at any moment;
Ctrl-C stops the arm within its acceleration limits.
"""

import argparse
from typing import TYPE_CHECKING

from bc_bringup.commands.common import add_namespace_argument
from bc_core.errors import BcError

if TYPE_CHECKING:
    from bc_msgs.action import MoveTo


def add_arguments(parser: argparse.ArgumentParser) -> None:
    goal = parser.add_mutually_exclusive_group(required=True)
    goal.add_argument("name", nargs="?", help="home, or a configuration of the workspace file, e.g. start")
    goal.add_argument("--joints", type=float, nargs="+", metavar="RAD", help="positions, in the robot file's order")
    goal.add_argument(
        "--pose", type=float, nargs="+", metavar="VALUE", help="of the tool in the base frame: x y z [m], qx qy qz qw"
    )
    goal.add_argument("--back", type=float, metavar="M", help="straight back along the tool's z axis, so far")
    parser.add_argument(
        "--straight", type=float, metavar="M", help="with --pose: the last part, along the tool's z axis"
    )
    parser.add_argument("--gripper", type=float, metavar="M", help="opening to end with (as it is)")
    parser.add_argument("--speed", type=float, default=0.0, help="share of the limits (motion_planner's own)")
    parser.add_argument("--plan-only", action="store_true", help="is there a way? Nothing moves")
    parser.add_argument("--robot", default="panda", help="for --joints: name of a robot (%(default)s)")
    add_namespace_argument(parser)


def goal_of(args: argparse.Namespace) -> "MoveTo.Goal":
    """The action's goal. BcError: arguments that do not go together."""
    from bc_bringup import resources
    from bc_controllers import load_robot
    from bc_msgs.action import MoveTo

    goal = MoveTo.Goal(speed_scale=args.speed, plan_only=args.plan_only, reason="bcros move")
    if args.gripper is not None:
        goal.gripper = [args.gripper]
    if args.straight is not None and args.pose is None:
        raise BcError("--straight says how a pose is come to: give --pose, too")
    if args.joints is not None:
        goal.kind, goal.positions = MoveTo.Goal.JOINTS, args.joints
        goal.joint_names = list(load_robot(resources.config_path("robot", args.robot)).arm)
    elif args.pose is not None:
        if len(args.pose) != 7:
            raise BcError(f"--pose has {len(args.pose)} values: give x y z qx qy qz qw")
        pose = goal.pose.pose
        pose.position.x, pose.position.y, pose.position.z = args.pose[:3]
        pose.orientation.x, pose.orientation.y, pose.orientation.z, pose.orientation.w = args.pose[3:]
        goal.kind = MoveTo.Goal.POSE if args.straight is None else MoveTo.Goal.APPROACH
        goal.distance = args.straight or 0.0
    elif args.back is not None:
        goal.kind, goal.distance = MoveTo.Goal.RETREAT, args.back
    else:
        goal.kind, goal.name = MoveTo.Goal.NAMED, args.name
    return goal


def run(args: argparse.Namespace) -> int:
    import rclpy
    from rclpy.action import ActionClient
    from rclpy.executors import SingleThreadedExecutor
    from rclpy.node import Node

    from bc_bringup.episodes.mover import Mover
    from bc_bringup.launching.signals import StopSignals
    from bc_msgs.action import MoveTo

    goal = goal_of(args)
    context = rclpy.Context()
    rclpy.init(args=[], context=context, signal_handler_options=rclpy.SignalHandlerOptions.NO)
    node = Node("move", namespace=args.namespace, context=context)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    try:
        with StopSignals() as stop:
            result = Mover(ActionClient(node, MoveTo, "move_to"), executor, stop.check).move(goal)
    finally:
        executor.shutdown()
        node.destroy_node()
        rclpy.try_shutdown(context=context)
    if result is None:
        raise BcError("motion_planner has another motion under way, or is not active: wait for its end, or see its log")
    if result.reason != MoveTo.Result.SUCCESS:
        raise BcError(result.message)
    print(f"{result.message}: planned in {result.planning_time:.2f} s, {result.motion_time:.1f} s of motion")
    return 0
