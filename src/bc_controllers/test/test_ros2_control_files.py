"""What ros2_control reads: descriptions made of robot files, and parameter files that say what robot files say."""

import subprocess
import sys
import urllib.parse
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pinocchio
import pytest
import yaml

from bc_controllers import ConfigError, Controller, load_robot
from bc_controllers.description import robot_description

CONFIG = Path(__file__).parents[3] / "config"
ROBOTS = sorted(path.stem for path in (CONFIG / "ros2_control").glob("*.yaml"))

pytestmark = pytest.mark.usefixtures("descriptions")


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def test_the_supported_arms_are_there() -> None:
    assert ROBOTS == ["fr3", "panda", "so101", "ur5", "ur5e"]


@pytest.mark.parametrize("name", ROBOTS)
def test_a_controller_can_be_made_of_every_robot_file(name: str) -> None:
    robot = load_robot(CONFIG / "robots" / f"{name}.yaml")
    controller = Controller(robot.controller, str(robot.urdf))
    command, _ = controller.update(1_000_000_000, 1_000_000_000, robot.home, [0.0] * len(robot.home), 0.0)
    assert len(command) == len(robot.arm)
    assert list(controller.position_lower) < list(robot.home) < list(controller.position_upper)


@pytest.mark.parametrize("name", ["fr3", "panda", "ur5e"])
def test_every_arm_that_takes_torques_has_the_four_presets_and_softens(name: str) -> None:
    """A position output has neither stiffness nor damping to choose."""
    robot = load_robot(CONFIG / "robots" / f"{name}.yaml")
    robot.controller.output = "joint_impedance"
    controller = Controller(robot.controller, str(robot.urdf))
    gains: dict[str, tuple[Any, Any]] = {}
    time = 0
    for preset in ("CO", "SO", "CU", "SU"):
        controller.use_preset(preset)
        for _ in range(1000):
            time += 2_000_000
            controller.update(time, time, robot.home, [0.0] * len(robot.home), 0.0)
        gains[preset] = controller.state().gains.stiffness, controller.state().gains.damping
    for damping in "OU":
        assert (gains["C" + damping][0] < gains["S" + damping][0]).all()
    for stiffness in "CS":
        assert (gains[stiffness + "O"][1] > gains[stiffness + "U"][1]).all()
    assert robot.controller.compliant_scale < 1.0


@pytest.mark.parametrize("name", ROBOTS)
def test_parameters_say_what_the_robot_file_says(name: str) -> None:
    """Two readers, two files: they must not drift apart."""
    robot = read(CONFIG / "robots" / f"{name}.yaml")
    files = read(CONFIG / "ros2_control" / f"{name}.yaml")
    told = files["/**/controller"]["ros__parameters"]
    section = robot["controller"]
    assert files["/**/controller_manager"]["ros__parameters"]["update_rate"] * section["period"] == pytest.approx(1.0)
    assert told["joints"] == robot["arm"]["joints"]
    assert told.get("armature", [0.0] * len(told["joints"])) == robot["arm"]["armature"]
    assert {key: told[key] for key in ("base_frame", "tcp_frame", "blend_time")} == {
        key: section[key] for key in ("base_frame", "tcp_frame", "blend_time")
    }
    presets = section.get("gains", {}).get("presets")
    if presets:
        section["gains"]["presets"] = {"names": list(presets), **presets}
    without_gripper = set() if "gripper" in robot else {"gripper_opening", "gripper_velocity"}
    for key, values in section.items():
        if isinstance(values, dict):
            assert told[key] == {name: value for name, value in values.items() if name not in without_gripper}
    assert told.get("gripper", {}).get("name", "") == robot.get("gripper", {}).get("name", "")


@pytest.mark.parametrize("hardware", ["mock", "sim"])
@pytest.mark.parametrize("name", ROBOTS)
def test_descriptions_hold_the_robot_and_its_interfaces(name: str, hardware: str) -> None:
    robot = load_robot(CONFIG / "robots" / f"{name}.yaml")
    text = robot_description(robot, hardware)
    assert (
        pinocchio.buildModelFromXML(text).names.tolist()[1:]
        == (pinocchio.buildModelFromUrdf(str(robot.urdf)).names.tolist()[1:])
    )
    system = ElementTree.fromstring(text).find("ros2_control")
    assert system is not None and system.get("type") == "system"
    commands = {
        str(joint.get("name")): [str(one.get("name")) for one in joint.findall("command_interface")]
        for joint in system.findall("joint")
    }
    assert list(commands) == [*robot.arm, *robot.fingers]
    assert all(commands[joint] == ["position", "effort"] for joint in robot.arm)
    starts = [joint.findtext("state_interface[@name='position']/param") for joint in system.findall("joint")]
    assert [float(str(start)) for start in starts[: len(robot.arm)]] == list(robot.home)


@pytest.mark.parametrize("name", ["panda", "so101", "ur5"])
def test_whoever_reads_a_description_alone_finds_its_meshes(name: str) -> None:
    robot = load_robot(CONFIG / "robots" / f"{name}.yaml")
    meshes = list(ElementTree.fromstring(robot_description(robot, "mock")).iter("mesh"))
    assert meshes
    for mesh in meshes:
        address = urllib.parse.urlparse(mesh.get("filename"))
        assert address.scheme == "file" and Path(urllib.parse.unquote(address.path)).is_file()


def test_a_mesh_of_somebody_elses_package_keeps_its_name() -> None:
    robot = load_robot(CONFIG / "robots" / "fr3.yaml")
    mesh = '<visual><geometry><mesh filename="package://nobodys/hand.stl"/></geometry></visual>'
    text = robot.urdf.read_text()
    robot.urdf.write_text(text.replace("<inertial>", f"{mesh}<inertial>", 1))
    found = [one.get("filename") for one in ElementTree.fromstring(robot_description(robot, "mock")).iter("mesh")]
    assert "package://nobodys/hand.stl" in found


def test_a_mimicking_finger_takes_no_command() -> None:
    robot = load_robot(CONFIG / "robots" / "panda.yaml")
    root = ElementTree.fromstring(robot_description(robot, "mock"))
    fingers = [joint for joint in root.findall("ros2_control/joint") if joint.get("name") in robot.fingers]
    assert [len(finger.findall("command_interface")) for finger in fingers] == [1, 0]


def test_a_description_of_the_users_own_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FR3_URDF", "/nowhere/fr3.urdf")
    with pytest.raises(ConfigError, match=r"fr3.yaml': FR3_URDF is '/nowhere/fr3.urdf', which is no file"):
        load_robot(CONFIG / "robots" / "fr3.yaml")
    monkeypatch.delenv("FR3_URDF")
    with pytest.raises(ConfigError, match="make one as this file says, and set FR3_URDF to its path"):
        load_robot(CONFIG / "robots" / "fr3.yaml")


def test_a_simulated_driver_holds_the_weight_where_the_real_one_does() -> None:
    """The driver that the URDF names is left out: it must not start in the place of hardware that is not there."""
    robot = load_robot(CONFIG / "robots" / "fr3.yaml")
    robot.urdf.write_text(robot_description(robot, "mock"))
    (system,) = ElementTree.fromstring(robot_description(robot, "sim")).findall("ros2_control")
    assert system.findtext("hardware/plugin") == "bc_controllers/RigidBodySystem"
    assert system.findtext("hardware/param[@name='compensates_gravity']") == "true"
    panda = ElementTree.fromstring(robot_description(load_robot(CONFIG / "robots" / "panda.yaml"), "sim"))
    assert panda.findtext("ros2_control/hardware/param[@name='compensates_gravity']") == "false"


def test_other_hardware_is_refused() -> None:
    robot = load_robot(CONFIG / "robots" / "panda.yaml")
    with pytest.raises(ConfigError, match="hardware 'real' is unknown: use one of mock, sim"):
        robot_description(robot, "real")


def test_the_page_of_parameters_is_that_of_the_declarations() -> None:
    root = CONFIG.parent
    tool = [sys.executable, str(root / "tools" / "parameter_page.py")]
    page = subprocess.run(tool, capture_output=True, text=True, check=True, timeout=30).stdout
    assert (root / "docs" / "ros2_control_parameters.md").read_text() == page
    assert "| `limits.torque_rate` | double | `1000.0` | above 0.0 |" in page
