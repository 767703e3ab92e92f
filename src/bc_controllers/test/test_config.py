"""Configurations that cannot work are refused before anything moves, naming thing, value and remedy."""

import copy
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from bc_controllers import ConfigError, Controller, ControllerConfig, load_robot
from bc_controllers.config import OPTIONAL_KEYS, OPTIONAL_SECTIONS, SCHEMA
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
        ("controller.output", "velocity", "output 'velocity' is unknown: use joint_impedance"),
        ("controller.limits.joint_error", [0.0] * 7, "joint_error limit of panda_joint1 is 0"),
        ("controller.limits.velocity_margin", 1.2, "velocity_margin is 1.2"),
        ("controller.limits.repulsion", [-1.0] * 7, "repulsion of panda_joint1 is -1"),
        ("controller.kinematics.posture", [0.0] * 3, "kinematics.posture has 3 values for 7 joints"),
        ("controller.kinematics.damping", 0.0, "kinematics.damping is 0"),
        ("controller.friction.coulomb", [-0.1] * 7, "friction.coulomb of panda_joint1 is -0.1"),
        ("controller.payload.mass", 5.0, "payload.mass is 5"),
        ("controller.payload.mass", -1.0, "payload.mass is -1"),
        ("controller.gains.preset", "XX", "gains.preset 'XX' is unknown: known are CO, CU, SO, SU"),
        ("controller.gains.presets", {"XX": {"stiffness": 0.0, "damping_ratio": 1.0}}, "presets.XX.stiffness is 0"),
        (
            "controller.gains.presets",
            {"XX": {"stiffness": 5.0, "damping_ratio": 1.0}},
            "stiffness of panda_joint1 is 3000",
        ),
        ("controller.gains.presets", {"XX": {"stifness": 5.0}}, "unknown key 'controller.gains.presets.XX.stifness'"),
        ("controller.gains.most", 0.5, "gains.most is 0.5"),
        ("controller.gains.time", 0.0, "gains.time is 0"),
        ("controller.safety.receive_time", 0.0, "receive_time is 0"),
        ("controller.safety.clock_tolerance", -1.0, "clock_tolerance is -1"),
        ("controller.base_frame", "panda_link3", "base_frame 'panda_link3' is moved by the joints"),
        ("controller.tcp_frame", "panda_link0", "tcp_frame 'panda_link0' is not moved by the joints"),
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


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("stiffness_frame", "world", "stiffness_frame 'world' is unknown: use base or tool"),
        ("projector", "none", "projector 'none' is unknown: use dynamic or kinematic"),
        ("stiffness", [100.0] * 3, "cartesian.stiffness has 3 values"),
        ("stiffness", [-100.0] * 6, "cartesian.stiffness is -100"),
        ("damping_ratio", [-0.1] * 6, "cartesian.damping_ratio is -0.1"),
        ("least_damping", [-1.0] * 6, "cartesian.least_damping is -1"),
        ("nullspace_stiffness", [-1.0] * 7, "cartesian.nullspace_stiffness of panda_joint1 is -1"),
        ("nullspace_damping_ratio", -1.0, "cartesian.nullspace_damping_ratio is -1"),
        ("shaped_inertia", [0.0] * 6, "cartesian.shaped_inertia is 0"),
        ("translation_error", 0.0, "cartesian.translation_error is 0"),
        ("rotation_error", 3.0, "cartesian.rotation_error is 3"),
    ],
)
def test_cartesian_values_that_cannot_work_are_refused(
    data: dict[str, Any], tmp_path: Path, path: str, value: Any, said: str
) -> None:
    data["controller"]["output"] = "cartesian_impedance"
    put(data, f"controller.cartesian.{path}", value)
    with pytest.raises(BcError, match=said.replace(".", r"\.")):
        build(data, tmp_path)


def test_a_free_axis_without_damping_is_refused(data: dict[str, Any], tmp_path: Path) -> None:
    """Free for good, and driven on and on by any wrench."""
    data["controller"]["output"] = "cartesian_impedance"
    put(data, "controller.cartesian.stiffness", [800.0, 800.0, 0.0, 40.0, 40.0, 40.0])
    build(data, tmp_path)
    put(data, "controller.cartesian.least_damping", [10.0, 10.0, 0.0, 0.5, 0.5, 0.5])
    with pytest.raises(BcError, match=r"cartesian\.stiffness z is zero and cartesian\.least_damping z too"):
        build(data, tmp_path)


def test_an_output_says_what_it_cannot_do_without(data: dict[str, Any], tmp_path: Path) -> None:
    controller = data["controller"]
    for section in ("impedance", "cartesian", "kinematics", "friction", "payload", "gains"):
        del controller[section]
    for key in ("torque", "torque_rate", "repulsion"):
        del controller["limits"][key]
    with pytest.raises(ConfigError, match="torque limit has 0 values for 7 joints"):
        build(data, tmp_path)
    controller["limits"] |= {"torque": [10.0] * 7, "torque_rate": 1000.0}
    with pytest.raises(ConfigError, match="stiffness has 0 values for 7 joints"):
        build(data, tmp_path)
    controller["output"] = "cartesian_impedance"
    with pytest.raises(ConfigError, match=r"cartesian\.stiffness has 0 values"):
        build(data, tmp_path)
    controller["output"] = "position"
    assert build(data, tmp_path).joint_names == data["arm"]["joints"]


def test_a_zero_means_zero(data: dict[str, Any], tmp_path: Path) -> None:
    """A corner of the box at 0.0 is a corner, and no missing value."""
    put(data, "controller.workspace.lower", [0.0, -0.9, 0.0])
    put(data, "controller.limits.position_margin", 0.0)
    controller = build(data, tmp_path)
    assert controller.position_lower[3] == pytest.approx(-3.0718)


def test_a_missing_key_is_named(data: dict[str, Any], tmp_path: Path) -> None:
    del data["controller"]["limits"]["velocity"]
    with pytest.raises(ConfigError, match=r"controller\.limits\.velocity is missing"):
        build(data, tmp_path)


def test_the_manual_lists_every_parameter_and_no_other() -> None:
    manual = (ROBOT_FILE.parents[2] / "docs" / "controllers.md").read_text(encoding="utf-8")
    table = manual[manual.index("## Parameters") : manual.index("## Tuning")]
    listed = dict(re.findall(r"^\| `([\w.]+)`(\*?) \| .+ \|$", table, flags=re.MULTILINE))
    keys = [(name, key, f"{name}.{key}" if name else key) for name, section in SCHEMA.items() for key in section]
    optional = {where for name, _, where in keys if name in OPTIONAL_SECTIONS or where in OPTIONAL_KEYS}
    assert set(listed) == {where for _, _, where in keys} | {"groups"}
    assert {where for where, star in listed.items() if star} == optional


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
