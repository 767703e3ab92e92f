"""Run teleop_node in this terminal: for the keyboard, and for a hand beside a graph that has none.

bcros collect --episodes 5 --device keyboard       # waits for the keyboard; and in another terminal:
bcros teleop --device keyboard
"""

import argparse
import os
import shlex
from pathlib import Path

from bc_bringup import resources
from bc_bringup.commands.common import Setup
from bc_teleop.device_names import DEVICES, KEYBOARD

NODE = "teleop"
LAUNCHED_BY_HAND = "none"  # argument `device` of the launch files: they start no teleop_node


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--device", default=KEYBOARD, choices=DEVICES, help="who drives (%(default)s)")
    add_layout_argument(parser)
    parser.add_argument("--robot", default=Setup.robot, help="name of a robot (%(default)s)")
    parser.add_argument("--contract", default=Setup.contract, help="name of a contract (%(default)s)")
    parser.add_argument("--namespace", default="", help="ROS namespace of the node")


def add_layout_argument(parser: argparse.ArgumentParser) -> None:
    """For commands that take a device."""
    parser.add_argument("--layout", default="", help="of a pad: a file in config/teleop/layouts (as the settings say)")


def launched(device: str, layout: str = "") -> dict[str, str]:
    """Arguments for the launch file of a session. BcError: there is no such layout."""
    if layout:
        resources.config_path("layout", layout)
    return {"device": LAUNCHED_BY_HAND if device == KEYBOARD else device, "layout": layout}


def by_hand(setup: Setup, device: str) -> dict[str, str]:
    """Nodes of a session that somebody must start: fully qualified name -> what to type. Empty: the graph has all."""
    if device != KEYBOARD:
        return {}
    given = {"--robot": setup.robot, "--contract": setup.contract, "--namespace": setup.namespace}
    usual = {"--robot": Setup.robot, "--contract": Setup.contract, "--namespace": Setup.namespace}
    options = [text for option, value in given.items() if value != usual[option] for text in (option, value)]
    words = ["bcros", "teleop", "--device", device, *options]
    return {f"/{setup.namespace.strip('/')}/{NODE}".replace("//", "/"): shlex.join(words)}


def command(setup: Setup, device: str, layout: str = "") -> list[str]:
    """The command line of the node. BcError for a name that does not exist."""
    parameters = {
        "device": device,
        "settings": resources.config_path("teleop", device),
        "layout": layout,
        "robot": resources.config_path("robot", setup.robot),
        "contract": resources.config_path("contract", setup.contract),
    }
    assigned = [text for name, value in parameters.items() if value for text in ("-p", f"{name}:={value}")]
    names = ["-r", f"__node:={NODE}", *(["-r", f"__ns:=/{setup.namespace.strip('/')}"] if setup.namespace else [])]
    return [str(_executable()), "--ros-args", *names, *assigned]


def run(args: argparse.Namespace) -> int:
    setup = Setup(robot=args.robot, contract=args.contract, namespace=args.namespace)
    words = command(setup, args.device, args.layout)
    os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")  # as the sessions that it belongs to
    os.execv(words[0], words)  # in this terminal, whose keys it reads


def _executable() -> Path:
    return resources.InstalledPackages().prefix("bc_teleop") / "lib" / "bc_teleop" / "teleop_node"
