"""What the scene needs to know of the robot: config/robots/*.yaml and the URDF it names."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from bc_core.errors import BcError


@dataclass(frozen=True)
class Robot:
    """A robot file with its paths resolved.

    urdf: the description that Pinocchio and MuJoCo both read. meshes: folder of its collision meshes. arm: joint names
    in command order. gripper: name of the gripper in commands and joint states; its opening is shared evenly by the
    joints `fingers`, each pressing with at most `finger_force` [N]. tcp: link of the tool centre point.
    """

    name: str
    urdf: Path
    meshes: Path
    base_frame: str
    tcp: str
    arm: tuple[str, ...]
    gripper: str
    fingers: tuple[str, ...]
    finger_force: float
    controller: dict[str, Any]


def load_robot(path: Path | str) -> Robot:
    """Read a robot file. BcError names the file, the key and the value."""
    path = Path(path)
    if not path.is_file():
        known = sorted(file.stem for file in path.parent.glob("*.yaml")) if path.parent.is_dir() else []
        raise BcError(f"robot file '{path}' does not exist: known robots there are {', '.join(known) or 'none'}")
    try:
        data = yaml.safe_load(path.read_text())
        description = description_root() / data["description"]
        gripper = data["gripper"]
        robot = Robot(
            name=str(data["robot"]),
            urdf=description / data["urdf"],
            meshes=description / data["meshes"],
            base_frame=str(data["base_frame"]),
            tcp=str(data["tcp"]),
            arm=tuple(data["arm"]),
            gripper=str(gripper["name"]),
            fingers=tuple(gripper["fingers"]),
            finger_force=float(gripper["force"]),
            controller=dict(data["controller"]),
        )
    except yaml.YAMLError as error:
        raise BcError(f"robot file '{path}' is not YAML: {error}") from error
    except (KeyError, TypeError, ValueError) as error:
        raise BcError(f"robot file '{path}': missing or wrong key: {error}") from error
    if not robot.urdf.is_file():
        raise BcError(f"robot file '{path}': URDF '{robot.urdf}' does not exist: is example-robot-data installed?")
    return robot


def description_root() -> Path:
    """Folder that holds example-robot-data's `*_description` folders, of PyPI's or Debian's package."""
    for entry in [*map(Path, sys.path), Path(sys.prefix)]:
        for prefix in (entry / "cmeel.prefix", entry):
            root = prefix / "share" / "example-robot-data" / "robots"
            if root.is_dir():
                return root
    raise BcError("example-robot-data is not installed: pip install example-robot-data")
