"""Print a robot's description for ros2_control, with hardware that is not there.

bcros description panda --hardware sim > panda.urdf
"""

import argparse

from bc_bringup import resources


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("robot", help="name of a file in config/robots, or its path")
    parser.add_argument(
        "--hardware", choices=("mock", "sim"), default="mock",
        help="mock: every commanded position is reached at once; sim: rigid-body dynamics",
    )  # fmt: skip


def run(args: argparse.Namespace) -> int:
    from bc_controllers import load_robot
    from bc_controllers.description import robot_description

    print(robot_description(load_robot(resources.config_path("robot", args.robot)), args.hardware))
    return 0
