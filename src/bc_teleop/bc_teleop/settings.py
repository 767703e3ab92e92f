"""config/teleop/*.yaml: which device, how its hand moves the robot, how an expert does its task."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

import yaml

from bc_core.errors import BcError
from bc_core.schema import Section
from bc_teleop.command import Button
from bc_teleop.devices.conveyor_pick import ConveyorPickConfig
from bc_teleop.devices.intervening import InterventionConfig
from bc_teleop.devices.joy import DIRECTIONS, GRIPPER, Axis, JoyConfig
from bc_teleop.devices.keyboard import ACTIONS, KeyboardConfig
from bc_teleop.limiter import TwistLimits

T = TypeVar("T")

DEVICES = ("scripted", "intervening", "joy", "gamepad", "keyboard")


@dataclass(frozen=True)
class Settings:
    """A teleoperation file: the device it is for, limits of the hand, and the device's own settings.

    gamepad: part of the name of the one to open; empty: any.
    """

    device: str
    limits: TwistLimits
    joy: JoyConfig
    gamepad: str
    keyboard: KeyboardConfig
    conveyor_pick: ConveyorPickConfig
    intervention: InterventionConfig


def load_settings(path: Path, device: str, layout: str = "") -> Settings:
    """Read and check a file for `device`; BcError names file, key and value.

    layout: takes the place of the file's own (a file in layouts/ beside it).
    """
    if device not in DEVICES:
        raise BcError(f"unknown device '{device}': use one of {', '.join(DEVICES)}")
    document = _document(path)
    root = Section(document, f"teleoperation file '{path}'")
    found = root.text("device", choices=DEVICES)
    if found != device:
        raise root.error("device", found, f"the node was started for '{device}': give both the same device")
    settings = Settings(
        device=device,
        limits=_values(root.section("limits"), TwistLimits()),
        joy=_joy(root.section("joy"), path.parent, layout) if device in ("joy", "gamepad") else JoyConfig(),
        gamepad=_gamepad(root.section("gamepad")) if device == "gamepad" else "",
        keyboard=_keyboard(root.section("keyboard")) if device == "keyboard" else KeyboardConfig(),
        conveyor_pick=_values(root.section("conveyor_pick"), ConveyorPickConfig())
        if device in ("scripted", "intervening")
        else ConveyorPickConfig(),
        intervention=_values(root.section("intervention"), InterventionConfig())
        if device == "intervening"
        else InterventionConfig(),
    )
    root.finish()
    return settings


def _values(section: Section, defaults: T) -> T:
    """A dataclass of non-negative numbers and switches, from keys of the same names; what is not given is default."""
    values: dict[str, float | bool] = {}
    for field in fields(defaults):  # type: ignore[arg-type]
        default = getattr(defaults, field.name)
        if isinstance(default, bool):
            values[field.name] = section.boolean(field.name, default)
        else:
            values[field.name] = section.number(field.name, default, minimum=0.0)
    section.finish()
    return type(defaults)(**values)


def _document(path: Path) -> object:
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BcError(f"teleoperation file '{path}' cannot be read ({error.strerror}): correct `settings`") from error
    except yaml.YAMLError as error:
        raise BcError(f"teleoperation file '{path}' is not valid YAML: {error}") from error


def _gamepad(section: Section) -> str:
    name = section.text("name", "")
    section.finish()
    return name


def _joy(section: Section, folder: Path, layout: str) -> JoyConfig:
    names = _layout(folder, layout or section.text("layout", ""))
    section.text("layout", "")
    axes: dict[str, Axis] = {}
    for direction, entry in section.sections("axes"):
        if direction not in DIRECTIONS:
            raise section.error("axes", direction, f"use one of {', '.join(DIRECTIONS)}")
        axes[direction] = Axis(_index(entry, "axis", names["axes"]), entry.number("scale"))
        entry.finish()
    actions = GRIPPER + tuple(Button)
    table = section.section("buttons")
    config = JoyConfig(
        dead_man=_index(section, "dead_man", names["buttons"]),
        axes=axes,
        buttons={name: _index(table, name, names["buttons"]) for name in actions if name in table.document},
        dead_zone=section.number("dead_zone", minimum=0.0, maximum=0.9),
        expo=section.number("expo", 0.0, minimum=0.0, maximum=1.0),
        timeout=section.number("timeout", minimum=0.02, maximum=2.0),
        open_width=section.number("open_width", minimum=0.0),
    )
    table.finish()
    section.finish()
    return config


def _layout(folder: Path, name: str) -> dict[str, dict[str, int]]:
    """Numbers of axes and buttons by their names; none without a layout."""
    if not name:
        return {"axes": {}, "buttons": {}}
    path = folder / "layouts" / f"{name}.yaml"
    root = Section(_document(path), f"layout '{path}'")
    names = {}
    for kind in ("axes", "buttons"):
        table = root.section(kind)
        names[kind] = {key: table.integer(key) for key in table.document}
    root.finish()
    return names


def _index(section: Section, key: str, names: dict[str, int]) -> int:
    """A number, or a name of the layout."""
    if isinstance(section.document.get(key), str):
        return names[section.text(key, choices=tuple(names))] if names else section.integer(key)
    return section.integer(key)


def _keyboard(section: Section) -> KeyboardConfig:
    table = section.section("keys")
    keys: dict[str, str] = {}
    for key in table.document:
        keys[key] = table.text(key, choices=ACTIONS)
        if len(key) != 1:
            raise table.error(key, keys[key], "a key is one character: quote it")
    config = KeyboardConfig(keys=keys, **_speeds(section))
    section.finish()
    return config


def _speeds(section: Section) -> dict[str, Any]:
    names = ("linear_speed", "angular_speed", "hold", "dead_man_hold", "open_width")
    return {name: section.number(name, minimum=0.0) for name in names}
