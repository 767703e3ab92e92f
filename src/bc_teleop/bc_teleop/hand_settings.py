"""config/teleop/*.yaml, the sections that say what a hand's sticks, buttons, keys and leader arm mean."""

from pathlib import Path
from typing import Any

import yaml
from scipy.spatial.transform import Rotation

from bc_core.errors import BcError
from bc_core.schema import Section
from bc_teleop.command import Button
from bc_teleop.devices.dynamixel import BusConfig
from bc_teleop.devices.hand import DIRECTIONS, FRAMES, GESTURES, JOINT, CameraFrame, HandConfig, Smoothing
from bc_teleop.devices.joy import GRIPPER, Axis, DriveMode, JoyConfig, Switch, Trigger
from bc_teleop.devices.keyboard import ACTIONS, KeyboardConfig
from bc_teleop.devices.leader import GripperRange, LeaderConfig

Names = dict[str, dict[str, int]]
"""Of a layout: numbers by name, for "axes" and "buttons"."""


def document(path: Path) -> object:
    """Content of a YAML file. BcError: it cannot be read, or is none."""
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BcError(f"teleoperation file '{path}' cannot be read ({error.strerror}): correct `settings`") from error
    except yaml.YAMLError as error:
        raise BcError(f"teleoperation file '{path}' is not valid YAML: {error}") from error


def layout(folder: Path, name: str) -> Names:
    """Numbers of axes and buttons by their names; none without a layout."""
    if not name:
        return {"axes": {}, "buttons": {}}
    path = folder / "layouts" / f"{name}.yaml"
    root = Section(document(path), f"layout '{path}'")
    names = {}
    for kind in ("axes", "buttons"):
        table = root.section(kind)
        names[kind] = {key: table.integer(key) for key in table.document}
    root.finish()
    return names


def read_hand(root: Section) -> HandConfig:
    """Sections `camera`, `speeds` and `filter` of a file; what is not given is not used."""
    camera = None
    if "camera" in root.document:
        section = root.section("camera")
        parent = section.text("parent", choices=("base", "tool"))
        camera = CameraFrame(parent, Rotation.from_euler("xyz", section.numbers("rpy", 3)))
        section.finish()
    speeds = root.numbers("speeds") if "speeds" in root.document else (1.0,)
    if not speeds or list(speeds) != sorted(set(speeds)) or not 0.0 < speeds[0] <= speeds[-1] <= 1.0:
        raise root.error("speeds", speeds, "must be shares of the full speed, ascending, in (0, 1]")
    smoothing = Smoothing()
    if "filter" in root.document:
        section = root.section("filter")
        smoothing = Smoothing(section.number("min_cutoff", minimum=0.01), section.number("beta", 0.0, minimum=0.0))
        section.finish()
    return HandConfig(camera, speeds, smoothing)


def read_joy(section: Section, folder: Path, chosen_layout: str, hand: HandConfig) -> JoyConfig:
    """Section `joy`. folder: of the file, whose layouts/ has the names. chosen_layout: instead of the file's own."""
    names = layout(folder, chosen_layout or section.text("layout", ""))
    if chosen_layout and isinstance(dead_man := section.document.get("dead_man"), int):
        remedy = f"layout '{chosen_layout}' would change nothing of numbers: use names of layouts/{chosen_layout}.yaml"
        raise section.error("dead_man", dead_man, remedy)
    section.text("layout", "")
    modes = tuple(_mode(entry, names["axes"], hand) for entry in section.section_list("modes", ()))
    if len({mode.name for mode in modes}) != len(modes):
        raise section.error("modes", [mode.name for mode in modes], "two modes have the same name")
    actions = GRIPPER + GESTURES + tuple(Button)
    table = section.section("buttons", {})
    config = JoyConfig(
        dead_man=_switch(section, "dead_man", names),
        modes=modes or (DriveMode("none", {}),),
        buttons={name: _switch(table, name, names) for name in actions if name in table.document},
        dead_zone=section.number("dead_zone", JoyConfig.dead_zone, minimum=0.0, maximum=0.9),
        expo=section.number("expo", 0.0, minimum=0.0, maximum=1.0),
        timeout=section.number("timeout", minimum=0.02, maximum=2.0),
        open_width=section.number("open_width", JoyConfig.open_width, minimum=0.0),
        hand=hand,
    )
    table.finish()
    section.finish()
    return config


def _mode(section: Section, names: dict[str, int], hand: HandConfig) -> DriveMode:
    name, frame = section.text("name"), section.text("frame", "base", choices=FRAMES)
    axes: dict[str, Axis] = {}
    for driven, entry in section.sections("axes"):
        if driven not in DIRECTIONS and not _is_joint(driven):
            raise section.error("axes", driven, f"use {', '.join(DIRECTIONS)}, or {JOINT}1, {JOINT}2 ...")
        axes[driven] = Axis(_index(entry, "axis", names), entry.number("scale"))
        entry.finish()
    if 0 < sum(_is_joint(driven) for driven in axes) < len(axes):
        raise section.error("axes", list(axes), "a mode drives the tool or joints, not both")
    if frame == "camera" and hand.camera is None:
        raise section.error("frame", frame, "say where the camera looks: section `camera` with `parent` and `rpy`")
    section.finish()
    return DriveMode(name, axes, frame)


def _is_joint(name: str) -> bool:
    number = name.removeprefix(JOINT)
    return name.startswith(JOINT) and number.isdecimal() and int(number) >= 1


def _index(section: Section, key: str, names: dict[str, int]) -> int:
    """A number, or a name of the layout."""
    if isinstance(section.document.get(key), str):
        return names[section.text(key, choices=tuple(names))] if names else section.integer(key)
    return section.integer(key)


def _switch(section: Section, key: str, names: Names) -> Switch:
    """A button, by number or name; the name of an axis that is no button's is a trigger's."""
    value = section.document.get(key)
    if isinstance(value, str) and value in names["axes"] and value not in names["buttons"]:
        return Trigger(names["axes"][section.text(key)])
    if isinstance(value, dict):
        entry = section.section(key)
        trigger = Trigger(_index(entry, "trigger", names["axes"]))
        entry.finish()
        return trigger
    return _index(section, key, names["buttons"])


def read_keyboard(section: Section, hand: HandConfig) -> KeyboardConfig:
    """Section `keyboard`."""
    table = section.section("keys")
    keys: dict[str, str] = {}
    for key in table.document:
        keys[key] = table.text(key, choices=ACTIONS)
        if len(key) != 1:
            raise table.error(key, keys[key], "a key is one character: quote it")
    frame = section.text("frame", "base", choices=FRAMES)
    if frame == "camera" and hand.camera is None:
        raise section.error("frame", frame, "say where the camera looks: section `camera` with `parent` and `rpy`")
    config = KeyboardConfig(keys=keys, frame=frame, hand=hand, **_speeds(section))
    section.finish()
    return config


def _speeds(section: Section) -> dict[str, Any]:
    names = ("linear_speed", "angular_speed", "hold", "dead_man_hold", "open_width")
    joint = section.number("joint_speed", KeyboardConfig.joint_speed, minimum=0.0)
    return {name: section.number(name, minimum=0.0) for name in names} | {"joint_speed": joint}


def read_leader(section: Section) -> tuple[LeaderConfig, str]:
    """Section `leader`, and its source: topic or dynamixel."""
    source = section.text("source", choices=("topic", "dynamixel"))
    joints = tuple(str(name) for name in (section.integers if source == "dynamixel" else section.texts)("joints"))
    signs = section.numbers("signs", len(joints))
    if any(abs(sign) != 1.0 for sign in signs):
        raise section.error("signs", signs, "must be 1 or -1")
    offsets = section.numbers("offsets", len(joints))
    gripper, ends = "", GripperRange(0.0, 1.0)
    if "gripper" in section.document:
        entry = section.section("gripper")
        gripper = str(entry.integer("joint")) if source == "dynamixel" else entry.text("joint")
        ends = GripperRange(entry.number("closed"), entry.number("open"))
        if ends.closed == ends.open:
            raise entry.error("open", ends.open, "must differ from `closed`")
        entry.finish()
    config = LeaderConfig(
        joints=joints,
        signs=signs,
        offsets=offsets,
        gripper=gripper,
        gripper_range=ends,
        tolerance=section.number("tolerance", minimum=0.01, maximum=0.5),
        slip=section.number("slip", minimum=0.1, maximum=3.0),
        timeout=section.number("timeout", minimum=0.02, maximum=0.5),
        open_width=section.number("open_width", minimum=0.0),
    )
    if config.slip <= config.tolerance:
        raise section.error("slip", config.slip, f"must be above tolerance = {config.tolerance}")
    section.finish()
    return config, source


def read_bus(section: Section, leader: LeaderConfig) -> BusConfig:
    """Section `dynamixel`: the bus of a leader's joints and trigger."""
    ids = tuple(int(name) for name in (*leader.joints, *filter(None, [leader.gripper])))
    config = BusConfig(
        port=section.text("port"),
        baud=section.integer("baud", minimum=1),
        ids=ids,
        rate=section.number("rate", minimum=5.0, maximum=500.0),
    )
    section.finish()
    return config
