"""config/teleop/*.yaml: which device, how its hand moves the robot, how an expert does its task."""

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TypeVar

from bc_core.errors import BcError
from bc_core.schema import Section
from bc_teleop.browser.config import BrowserConfig, read_browser
from bc_teleop.device_names import DEVICES, EXPERTS, STICKS
from bc_teleop.devices.conveyor_pick import ConveyorPickConfig
from bc_teleop.devices.dynamixel import BusConfig
from bc_teleop.devices.intervening import InterventionConfig
from bc_teleop.devices.joy import JoyConfig
from bc_teleop.devices.keyboard import KeyboardConfig
from bc_teleop.devices.leader import LeaderConfig
from bc_teleop.hand_settings import document, read_bus, read_hand, read_joy, read_keyboard, read_leader
from bc_teleop.limiter import TwistLimits

T = TypeVar("T")


@dataclass(frozen=True)
class Settings:
    """A teleoperation file: the device it is for, limits of the hand, and the device's own settings.

    joy: sticks and buttons; of a leader, its pedal and buttons. gamepad, spacemouse: (part of) the name of the one to
    open; empty: any. bus: of a leader read from its servos; None: from a topic.
    """

    device: str
    limits: TwistLimits
    joy: JoyConfig = field(default_factory=JoyConfig)
    gamepad: str = ""
    spacemouse: str = ""
    browser: BrowserConfig = field(default_factory=BrowserConfig)
    keyboard: KeyboardConfig = field(default_factory=KeyboardConfig)
    leader: LeaderConfig = field(default_factory=LeaderConfig)
    bus: BusConfig | None = None
    conveyor_pick: ConveyorPickConfig = field(default_factory=ConveyorPickConfig)
    intervention: InterventionConfig = field(default_factory=InterventionConfig)


def load_settings(path: Path, device: str, layout: str = "") -> Settings:
    """Read and check a file for `device`; BcError names file, key and value.

    layout: takes the place of the file's own (a file in layouts/ beside it).
    """
    if device not in DEVICES:
        raise BcError(f"unknown device '{device}': use one of {', '.join(DEVICES)}")
    root = Section(document(path), f"teleoperation file '{path}'")
    found = root.text("device", choices=DEVICES)
    if found != device:
        raise root.error("device", found, f"the node was started for '{device}': give both the same device")
    values: dict[str, object] = {"limits": _values(root.section("limits"), TwistLimits())}
    hand = read_hand(root)
    if device in (*STICKS, "leader"):
        values["joy"] = read_joy(root.section("joy"), path.parent, layout, hand)
    if device in ("gamepad", "spacemouse"):
        values[device] = _name(root.section(device))
    if device == "browser":
        values["browser"] = read_browser(root.section("browser"))
    if device == "keyboard":
        values["keyboard"] = read_keyboard(root.section("keyboard"), hand)
    if device == "leader":
        leader, source = read_leader(root.section("leader"))
        values["leader"] = leader
        if source == "dynamixel":
            values["bus"] = read_bus(root.section("dynamixel"), leader)
    if device in EXPERTS:
        values["conveyor_pick"] = _values(root.section("conveyor_pick"), ConveyorPickConfig())
    if device == "intervening":
        values["intervention"] = _values(root.section("intervention"), InterventionConfig())
    root.finish()
    return Settings(device, **values)  # type: ignore[arg-type]


def _values(section: Section, defaults: T) -> T:
    """A dataclass of non-negative numbers and switches, from keys of the same names; what is not given is default."""
    values: dict[str, float | bool] = {}
    for item in fields(defaults):  # type: ignore[arg-type]
        default = getattr(defaults, item.name)
        if isinstance(default, bool):
            values[item.name] = section.boolean(item.name, default)
        else:
            values[item.name] = section.number(item.name, default, minimum=0.0)
    section.finish()
    return type(defaults)(**values)


def _name(section: Section) -> str:
    name = section.text("name", "")
    section.finish()
    return name
