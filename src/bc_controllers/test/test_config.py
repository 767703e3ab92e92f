"""Configurations that cannot work are refused before anything moves, naming thing, value and remedy."""

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from bc_controllers import ConfigError, Controller, ControllerConfig, load_robot
from bc_core.errors import BcError

ROBOT_FILE = Path(__file__).parents[3] / "config" / "robots" / "panda.yaml"


@pytest.fixture
def data() -> dict[str, Any]:
    return copy.deepcopy(yaml.safe_load(ROBOT_FILE.read_text()))


def build(data: dict[str, Any], folder: Path) -> Controller:
    path = folder / "robot.yaml"
    path.write_text(yaml.safe_dump(data))
    robot = load_robot(path)
    return Controller(robot.controller, str(robot.urdf))


def put(data: dict[str, Any], path: str, value: Any) -> None:
    *parents, last = path.split(".")
    for key in parents:
        data = data[key]
    data[last] = value


def test_the_file_of_the_repository_is_sound(data: dict[str, Any], tmp_path: Path) -> None:
    controller = build(data, tmp_path)
    margin = data["controller"]["limits"]["position_margin"]
    assert controller.joint_names == data["arm"]["joints"]
    assert controller.position_lower[3] == pytest.approx(-3.0718 + margin)  # joint 4 of the URDF
    assert controller.position_upper[3] == pytest.approx(-0.0698 - margin)


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("controller.impedance.damping", [-1.0, *[1.0] * 6], "damping of panda_joint1 is -1"),
        ("controller.impedance.stiffness", [0.0] * 7, "stiffness of panda_joint1 is 0"),
        ("controller.impedance.stiffness", [600.0] * 6, "6 values for 7 joints"),
        ("controller.limits.torque", [500.0] * 7, "above the URDF's 87"),
        ("controller.limits.velocity", [9.0] * 7, "above the URDF's 2.175"),
        ("controller.limits.acceleration", [float("nan")] * 7, "acceleration limit of panda_joint1 is -?nan"),
        ("controller.limits.gripper_opening", [0.08, 0.0], "from 0.080000 to 0.000000"),
        ("controller.limits.gripper_opening", [0.08], "limits.gripper_opening"),
        ("controller.limits.position_margin", 2.0, "position of panda_joint"),
        ("controller.limits.torque_rate", -5.0, "torque_rate is -5"),
        ("controller.limits.peak_acceleration", 0.0, "peak_acceleration is 0"),
        ("controller.blend_time", 0.0, "blend_time is 0"),
        ("controller.workspace.lower", [0.0, 0.0], "workspace.lower and workspace.upper have 2 and 3"),
        ("controller.workspace.upper", [-1.0, 0.9, 1.3], "workspace x ranges from -0.9"),
        ("controller.workspace.linear_velocity", 0.0, "workspace.linear_velocity is 0"),
        ("controller.ladder.hold_time", "soon", "ladder.hold_time is 'soon'"),
        ("controller.ladder.compliant_scale", 1.5, "compliant_scale is 1.5"),
        ("controller.tcp_frame", "panda_nose", "frame 'panda_nose' is not in the URDF"),
        ("controller.base_frame", "world2", "frame 'world2' is not in the URDF"),
        ("controller.stifness", [1.0], "unknown key 'controller.stifness'"),
        ("controller.limits.jerk", [1.0], "unknown key 'controller.limits.jerk'"),
        ("controller.impedance", 5, "'controller.impedance' is 5, not a mapping"),
        ("arm.home", [0.0], "arm.home has 1 values for 7 joints"),
        ("arm.links", [], "unknown key 'arm.links'"),
        ("description.package", "no-such-robot-data", "package 'no-such-robot-data' is not installed"),
        ("description.urdf", "robots/none.urdf", "none.urdf' does not exist"),
    ],
)
def test_a_value_that_cannot_work_is_refused(
    data: dict[str, Any], tmp_path: Path, path: str, value: Any, said: str
) -> None:
    put(data, path, value)
    with pytest.raises(BcError, match=said.replace(".", r"\.")):
        build(data, tmp_path)


def test_a_missing_key_is_named(data: dict[str, Any], tmp_path: Path) -> None:
    del data["controller"]["limits"]["torque"]
    with pytest.raises(ConfigError, match=r"controller\.limits\.torque is missing"):
        build(data, tmp_path)


@pytest.mark.parametrize(
    ("groups", "said"),
    [
        ([{"name": "arm", "space": "joint_position", "names": list("abcdefg")}], "joint 'a' is not in the URDF"),
        ([{"name": "arm", "space": "joint_position", "names": ["panda_joint1"] * 7}], "'panda_joint1' is named twice"),
        ([{"name": "arm", "space": "cartesian_pose", "names": ["x"]}], "is a pose and has names"),
        ([{"name": "arm", "space": "cartesian_pose", "tip": "x", "frame_id": "y"}], "commands 'x' in 'y'"),
        ([{"name": "arm", "space": "torque", "names": ["x"]}], "space 'torque' is unknown"),
        ([{"name": "arm", "space": "joint_position", "names": []}], "has no names"),
        ([], "0 joints"),
    ],
)
def test_groups_that_fit_no_robot_are_refused(
    data: dict[str, Any], tmp_path: Path, groups: list[dict[str, Any]], said: str
) -> None:
    data["controller"]["groups"] = groups
    with pytest.raises(ConfigError, match=said):
        Controller(ControllerConfig.from_dict(data["controller"]), str(load_robot(ROBOT_FILE).urdf))


def test_a_file_that_is_no_robot_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BcError, match="does not exist: known robots there are none"):
        load_robot(tmp_path / "absent.yaml")
    (tmp_path / "broken.yaml").write_text("robot: [")
    with pytest.raises(BcError, match="is not YAML"):
        load_robot(tmp_path / "broken.yaml")
    robot = load_robot(ROBOT_FILE)
    (tmp_path / "broken.urdf").write_text("<robot")
    with pytest.raises(BcError, match="is not a robot description"):
        Controller(robot.controller, str(tmp_path / "broken.urdf"))
