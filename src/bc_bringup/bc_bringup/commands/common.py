"""What `bcros collect`, `rollout` and `demo` have in common."""

import argparse
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bc_bringup import resources

if TYPE_CHECKING:
    from bc_core.workers import Workers

WARM_UP_SEED = 2**31 - 1  # of the scene before the first episode: no episode's, so that every episode is a new scene


@dataclass(frozen=True)
class Setup:
    """The simulated cell: names of configuration files, and what the user wants to see."""

    robot: str = "panda"
    contract: str = "panda_conveyor"
    task: str = "conveyor_pick"
    viewer: bool = False
    namespace: str = ""
    verbose: bool = False
    reset: str = "scene"
    workspace: str = "panda_conveyor"
    tags: str = ""

    @property
    def return_to(self) -> str:
        """Where motion_planner brings the arm after every episode; empty: nowhere, the scene's reset does."""
        return "start" if self.reset == "motion" else ""

    def launch_arguments(self) -> dict[str, str]:
        """Launch arguments for the cell. BcError for a name that does not exist, before anything starts."""
        names = {"robot": self.robot, "contract": self.contract, "task": self.task, "workspace": self.workspace}
        if self.tags:
            names["tags"] = self.tags
        for kind, name in names.items():
            resources.config_path(kind, name)
        return {
            **names,
            "reset": self.reset,
            "namespace": self.namespace,
            "viewer": str(self.viewer).lower(),
            "seed": str(WARM_UP_SEED),
        }


def add_setup_arguments(parser: argparse.ArgumentParser, task: str = Setup.task) -> None:
    """task: what is done unless the user says otherwise."""
    parser.add_argument("--task", default=task, help="name of a task (%(default)s)")
    parser.add_argument("--robot", default=Setup.robot, help="name of a robot (%(default)s)")
    parser.add_argument("--contract", default=Setup.contract, help="name of a contract (%(default)s)")
    parser.add_argument(
        "--reset", default=Setup.reset, choices=("scene", "motion"),
        help="how the arm gets to its start: put there with the scene, or moved there by motion_planner (%(default)s)",
    )  # fmt: skip
    parser.add_argument("--workspace", default=Setup.workspace, help="obstacles: name of a workspace (%(default)s)")
    parser.add_argument("--tags", default="", help="find the object by its tags: name of a tags file (none)")
    parser.add_argument("--viewer", action="store_true", help="open MuJoCo's viewer")
    parser.add_argument("--namespace", default="", help="ROS namespace of every node")
    parser.add_argument("-v", "--verbose", action="store_true", help="show all output of the nodes")


def setup_of(args: argparse.Namespace) -> Setup:
    return Setup(
        args.robot, args.contract, args.task, args.viewer, args.namespace, args.verbose, args.reset,
        args.workspace, args.tags,
    )  # fmt: skip


def add_namespace_argument(parser: argparse.ArgumentParser) -> None:
    """For commands that speak to a running graph."""
    parser.add_argument("--namespace", default="", help="ROS namespace of the robot")


def add_worker_arguments(parser: argparse.ArgumentParser) -> None:
    """For commands that do the same to many bags."""
    parser.add_argument("--jobs", type=positive, default=None, metavar="N", help="bags at once (one per core)")
    parser.add_argument(
        "--ray",
        nargs="?",
        const="local",
        default="",
        metavar="ADDRESS",
        help="do it on Ray: of a cluster (auto, HOST:PORT) that sees the same files; without ADDRESS on this machine",
    )


def workers_of(args: argparse.Namespace) -> "Workers":
    from bc_core.workers import Workers

    return Workers(args.jobs or 0, args.ray)


def positive(text: str) -> int:
    """argparse type: a whole number above 0."""
    value = int(text)
    if value < 1:
        raise ValueError(text)
    return value


def add_hardware_arguments(parser: argparse.ArgumentParser) -> None:
    """--accelerator and --devices, of what trains."""
    parser.add_argument(
        "--accelerator", default="auto", choices=("auto", "cpu", "gpu"), help="%(default)s unless given"
    )
    parser.add_argument(
        "--devices", type=int, default=1, metavar="N", help="GPUs, or CPU processes; 0: all GPUs (%(default)s)"
    )
