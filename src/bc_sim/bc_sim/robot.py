"""What the scene needs to know of the robot: config/robots/*.yaml and the URDF it names."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from bc_core.errors import BcError


@dataclass(frozen=True)
class Robot:
    """A robot file with its paths resolved.

    urdf: the description that Pinocchio and MuJoCo both read. arm: joint names in command order; armature: reflected
    rotor inertia of each [kg m^2]. gripper: its name in commands and joint states; the opening is shared evenly by the
    joints `fingers`. tcp: link of the tool centre point. controller: section of the controller, unread.
    """

    name: str
    urdf: Path
    base_frame: str
    tcp: str
    arm: tuple[str, ...]
    armature: tuple[float, ...]
    gripper: str
    fingers: tuple[str, ...]
    controller: dict[str, Any]


def load_robot(path: Path | str) -> Robot:
    """Read a robot file. BcError names the file, the key and the value."""
    path = Path(path)
    if not path.is_file():
        known = sorted(file.stem for file in path.parent.glob("*.yaml")) if path.parent.is_dir() else []
        raise BcError(f"robot file '{path}' does not exist: known robots there are {', '.join(known) or 'none'}")
    try:
        data = yaml.safe_load(path.read_text())
        controller = dict(data["controller"])
        robot = Robot(
            name=str(data["robot"]),
            urdf=share_folder(data["description"]["package"]) / data["description"]["urdf"],
            base_frame=str(controller["base_frame"]),
            tcp=str(controller["tcp_frame"]),
            arm=tuple(data["arm"]["joints"]),
            armature=tuple(float(value) for value in data["arm"]["armature"]),
            gripper=str(data["gripper"]["name"]),
            fingers=tuple(data["gripper"]["joints"]),
            controller=controller,
        )
    except yaml.YAMLError as error:
        raise BcError(f"robot file '{path}' is not YAML: {error}") from error
    except (KeyError, TypeError, ValueError) as error:
        raise BcError(f"robot file '{path}': missing or wrong key: {error}") from error
    if not robot.urdf.is_file():
        raise BcError(f"robot file '{path}': URDF '{robot.urdf}' does not exist: is example-robot-data installed?")
    return robot


def share_folder(package: str) -> Path:
    """Share folder of a description package: of this Python environment, or of a sourced ROS prefix."""
    roots = [Path(entry) / "cmeel.prefix" for entry in sys.path] + [Path(sys.prefix)]
    roots += [Path(entry) for entry in os.environ.get("AMENT_PREFIX_PATH", "").split(":") if entry]
    for root in roots:
        if (root / "share" / package).is_dir():
            return root / "share" / package
    raise BcError(f"package '{package}' is not installed: pip install {package}")
