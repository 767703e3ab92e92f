"""Robot descriptions for ros2_control: a robot file's URDF with the `<ros2_control>` element that names its hardware.

For hardware that is not there: a vendor's driver brings a description of its own.
"""

import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping

from bc_controllers._binding import ConfigError
from bc_controllers.robot import Robot

PLUGINS = {"mock": "mock_components/GenericSystem", "sim": "bc_controllers/RigidBodySystem"}
"""hardware -> plugin: mock takes every position for reached at once, sim moves by the laws of motion."""


def robot_description(robot: Robot, hardware: str) -> str:
    """URDF text with a ros2_control system of the arm (commands position and effort) and the fingers (position).

    Joints start at the robot file's home. Fingers that mimic another take no command. Where the controller leaves
    gravity to the driver, hardware "sim" compensates it as that driver does. ros2_control elements of the URDF are left
    out: they name a driver. Meshes are named by where they lie: who reads the text alone does not look in Python's
    packages, and MoveIt plans on without a shape that it has not found. ConfigError for other hardware than mock and
    sim, and for a joint that the URDF lacks.
    """
    if hardware not in PLUGINS:
        raise ConfigError(f"hardware '{hardware}' is unknown: use one of {', '.join(PLUGINS)}")
    root = ElementTree.parse(robot.urdf).getroot()
    for driver in root.findall("ros2_control"):
        root.remove(driver)
    for mesh in root.iter("mesh"):
        mesh.set("filename", _address(mesh.get("filename", ""), robot))
    joints = {str(joint.get("name")): joint for joint in root.findall("joint")}
    system = ElementTree.SubElement(root, "ros2_control", name=robot.name, type="system")
    compensated = "false" if robot.controller.gravity_compensation else "true"
    moves = {"armature": str(max(robot.armature)), "compensates_gravity": compensated}
    _hardware(system, PLUGINS[hardware], moves if hardware == "sim" else {})
    for name, home in zip(robot.arm, robot.home, strict=True):
        _joint(system, joints, name, home, ("position", "effort"))
    for name in robot.fingers:
        mimics = name in joints and joints[name].find("mimic") is not None
        _joint(system, joints, name, robot.gripper_home / len(robot.fingers), () if mimics else ("position",))
    return ElementTree.tostring(root, encoding="unicode")


def _address(filename: str, robot: Robot) -> str:
    """A mesh's file:// address; as it is where it lies elsewhere: in a package that its reader knows."""
    scheme, _, rest = filename.rpartition("://")
    folders = {"": (robot.urdf.parent,), "package": robot.packages}.get(scheme, ())
    found = (path for path in (folder / rest for folder in folders) if path.is_file())
    return next((path.resolve().as_uri() for path in found), filename)


def _hardware(system: ElementTree.Element, plugin: str, parameters: Mapping[str, str]) -> None:
    hardware = ElementTree.SubElement(system, "hardware")
    ElementTree.SubElement(hardware, "plugin").text = plugin
    for name, value in parameters.items():
        ElementTree.SubElement(hardware, "param", name=name).text = value


def _joint(
    system: ElementTree.Element,
    known: Mapping[str, ElementTree.Element],
    name: str,
    home: float,
    commands: tuple[str, ...],
) -> None:
    if name not in known:
        raise ConfigError(f"joint '{name}' is not in the URDF: it has {', '.join(known)}")
    joint = ElementTree.SubElement(system, "joint", name=name)
    for command in commands:
        ElementTree.SubElement(joint, "command_interface", name=command)
    position = ElementTree.SubElement(joint, "state_interface", name="position")
    ElementTree.SubElement(position, "param", name="initial_value").text = str(home)
    ElementTree.SubElement(joint, "state_interface", name="velocity")
    if "effort" in commands:
        ElementTree.SubElement(joint, "state_interface", name="effort")
