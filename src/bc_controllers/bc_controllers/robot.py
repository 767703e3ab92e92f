"""A robot file (config/robots/*.yaml): the one description that controller, simulation and teleoperation read."""

import os
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from bc_controllers._binding import ConfigError, GroupLayout
from bc_controllers.config import SPACES, ControllerConfig, refuse_unknown


@dataclass(frozen=True)
class Robot:
    """A robot file with its paths resolved.

    urdf: the description that Pinocchio and MuJoCo both read. arm: joint names in command order, at `home` [rad] at
    rest, with reflected rotor inertia `armature` [kg m^2]. gripper: its name in commands and joint states; its opening
    (`gripper_home` at rest [m]) is shared evenly by the joints `fingers`; "" and none: it has no gripper. tcp: link of
    the tool centre point. packages: folders of the packages that the URDF's meshes name. srdf: which links may touch
    (semantic description; not looked at before somebody plans), None: those that are joined.
    """

    name: str
    urdf: Path
    base_frame: str
    tcp: str
    arm: tuple[str, ...]
    home: tuple[float, ...]
    armature: tuple[float, ...]
    gripper: str
    gripper_home: float
    fingers: tuple[str, ...]
    controller: ControllerConfig
    packages: tuple[Path, ...]
    srdf: Path | None = None


def load_robot(path: Path | str, commands: Iterable[Any] = ()) -> Robot:
    """Read a robot file. Raises ConfigError (a BcError) naming the file, the key and the value.

    commands: groups of a contract (bc_core ActionGroups). Where one is the pose of the tool, the controller takes poses
    in place of the file's joint groups; all else stays as the file has it.
    """
    path = Path(path)
    if not path.is_file():
        known = sorted(file.stem for file in path.parent.glob("*.yaml")) if path.parent.is_dir() else []
        raise ConfigError(f"robot file '{path}' does not exist: known robots there are {', '.join(known) or 'none'}")
    try:
        data = yaml.safe_load(path.read_text())
    except yaml.YAMLError as error:
        raise ConfigError(f"robot file '{path}' is not YAML: {error}") from error
    try:
        return _robot(data, path.parent, commands)
    except ConfigError as error:
        raise ConfigError(f"robot file '{path}': {error}") from error
    except KeyError as error:
        raise ConfigError(f"robot file '{path}': key {error} is missing: add it") from error
    except (TypeError, ValueError) as error:
        raise ConfigError(f"robot file '{path}': a value has a wrong type: {error}") from error


def share_folder(package: str) -> Path:
    """Share folder of a description package: of this Python environment, or of a sourced ROS prefix."""
    for share in _share_folders():
        if (share / package).is_dir():
            return share / package
    raise ConfigError(f"package '{package}' is not installed: pip install {package}")


def _share_folders() -> list[Path]:
    """Where packages may lie, first one first."""
    roots = [Path(entry) / "cmeel.prefix" for entry in sys.path] + [Path(sys.prefix)]
    roots += [Path(entry) for entry in os.environ.get("AMENT_PREFIX_PATH", "").split(":") if entry]
    return [root / "share" for root in roots if (root / "share").is_dir()]


def _robot(data: Any, folder: Path, commands: Iterable[Any]) -> Robot:
    refuse_unknown(data, {"robot", "description", "arm", "gripper", "controller"}, "")
    description, arm = data["description"], data["arm"]
    gripper = data.get("gripper", {"name": "", "joints": [], "home": 0.0})
    refuse_unknown(description, {"package", "urdf", "environment", "srdf"}, "description.")
    refuse_unknown(arm, {"joints", "home", "armature"}, "arm.")
    refuse_unknown(gripper, {"name", "joints", "home"}, "gripper.")
    controller = ControllerConfig.from_dict(data["controller"])
    joints = tuple(arm["joints"])
    controller.joints = list(joints)
    controller.armature = list(_per_joint(arm, "armature", len(joints)))
    urdf, packages = _description(description)
    robot = Robot(
        name=str(data["robot"]),
        urdf=urdf,
        base_frame=controller.base_frame,
        tcp=controller.tcp_frame,
        arm=joints,
        home=_per_joint(arm, "home", len(joints)),
        armature=_per_joint(arm, "armature", len(joints)),
        gripper=str(gripper["name"]),
        gripper_home=float(gripper["home"]),
        fingers=tuple(gripper["joints"]),
        controller=controller,
        packages=packages,
        srdf=folder / description["srdf"] if "srdf" in description else None,
    )
    named = controller.joint_names
    if list(joints) != named:
        raise ConfigError(f"arm.joints is {list(joints)}, but controller.groups say {named}: make them equal")
    poses = [
        GroupLayout(g.name, int(g.space), [], g.tip, g.frame_id)
        for g in commands
        if g.space == SPACES["cartesian_pose"]
    ]
    if poses:
        controller.groups = poses + [group for group in controller.groups if group.space == SPACES["gripper"]]
    return robot


def _description(section: Mapping[str, str]) -> tuple[Path, tuple[Path, ...]]:
    """The URDF, of a package or the user's own (an environment variable names it); where its meshes' packages lie."""
    if "environment" not in section:
        share = share_folder(section["package"])
        urdf = share / section["urdf"]
        if not urdf.is_file():
            raise ConfigError(f"description.urdf: '{urdf}' does not exist: correct it, or reinstall the package")
        return urdf, (share.parent,)
    variable = section["environment"]
    told = os.environ.get(variable, "")
    if not told:
        raise ConfigError(
            f"description.environment: no Python package brings this robot's URDF: make one as this file says, and set "
            f"{variable} to its path"
        )
    if not Path(told).is_file():
        raise ConfigError(f"{variable} is '{told}', which is no file: set it to the path of the robot's URDF")
    return Path(told).absolute(), tuple(_share_folders())


def _per_joint(arm: Mapping[str, Any], key: str, joints: int) -> tuple[float, ...]:
    values = tuple(float(value) for value in arm[key])
    if len(values) != joints:
        raise ConfigError(f"arm.{key} has {len(values)} values for {joints} joints: give one per joint")
    return values
