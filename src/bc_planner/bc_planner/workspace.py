"""What stands around a robot, and configurations with a name: one YAML file, read by every planner."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pinocchio as pin
import yaml

from bc_core.errors import BcError

SHAPES = {"box": 3, "cylinder": 2, "sphere": 1}
"""Sizes of each: edges; radius and length (along z); radius [m]."""


@dataclass(frozen=True)
class Obstacle:
    """A solid body that does not move. size: as SHAPES says [m]; placement: of its centre in the base frame."""

    name: str
    shape: str
    size: tuple[float, ...]
    placement: pin.SE3


@dataclass(frozen=True)
class Configuration:
    """arm: joint positions in the robot file's order [rad]; gripper: opening [m], None: as it is."""

    arm: tuple[float, ...]
    gripper: float | None


@dataclass(frozen=True)
class Workspace:
    """clearance: kept from every obstacle on the way [m]."""

    name: str
    base_frame: str
    clearance: float
    configurations: Mapping[str, Configuration]
    obstacles: tuple[Obstacle, ...]


def load_workspace(path: Path | str) -> Workspace:
    """Read a workspace file (config/workspaces). BcError names file, key and value."""
    path = Path(path)
    try:
        return _workspace(yaml.safe_load(path.read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        known = ", ".join(sorted(file.stem for file in path.parent.glob("*.yaml"))) or "none"
        raise BcError(f"workspace file '{path}' does not exist: known workspaces there are {known}") from error
    except yaml.YAMLError as error:
        raise BcError(f"workspace file '{path}' is not YAML: {error}") from error
    except KeyError as error:
        raise BcError(f"workspace file '{path}': key {error} is missing: add it") from error
    except (TypeError, ValueError) as error:
        raise BcError(f"workspace file '{path}': {error}") from error


def _workspace(data: Any) -> Workspace:
    _refuse_unknown(data, {"workspace", "base_frame", "clearance", "configurations", "obstacles"}, "file")
    clearance = float(data["clearance"])
    if not 0.0 <= clearance < 0.5:
        raise ValueError(f"clearance is {clearance} m: give 0 <= clearance < 0.5")
    configurations = {
        str(name): _configuration(entry, name) for name, entry in (data.get("configurations") or {}).items()
    }
    if "home" in configurations:
        raise ValueError("configuration 'home' is the robot file's: correct it there, and remove it here")
    obstacles = tuple(_obstacle(entry) for entry in data.get("obstacles") or [])
    names = [obstacle.name for obstacle in obstacles]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"two obstacles have the name '{name}': rename one")
    return Workspace(str(data["workspace"]), str(data["base_frame"]), clearance, configurations, obstacles)


def _configuration(entry: Any, name: str) -> Configuration:
    _refuse_unknown(entry, {"arm", "gripper"}, f"configurations.{name}")
    gripper = entry.get("gripper")
    return Configuration(
        _numbers(entry["arm"], f"configurations.{name}.arm"), None if gripper is None else float(gripper)
    )


def _obstacle(entry: Any) -> Obstacle:
    _refuse_unknown(entry, {"name", "position", "rpy", *SHAPES}, "obstacles")
    name = str(entry["name"])
    shapes = [shape for shape in SHAPES if shape in entry]
    if len(shapes) != 1:
        raise ValueError(f"obstacle '{name}' has {len(shapes)} shapes: give one of {', '.join(SHAPES)}")
    size = _numbers(entry[shapes[0]], f"{name}.{shapes[0]}")
    if len(size) != SHAPES[shapes[0]] or min(size) <= 0.0:
        raise ValueError(f"{name}.{shapes[0]} is {list(size)}: give {SHAPES[shapes[0]]} sizes above 0")
    position = _numbers(entry["position"], f"{name}.position")
    rotation = _numbers(entry.get("rpy", [0.0, 0.0, 0.0]), f"{name}.rpy")
    if len(position) != 3 or len(rotation) != 3:
        raise ValueError(f"obstacle '{name}': position and rpy have three numbers each")
    return Obstacle(name, shapes[0], size, pin.SE3(pin.rpy.rpyToMatrix(*rotation), np.array(position)))


def _numbers(values: Any, where: str) -> tuple[float, ...]:
    numbers = tuple(float(value) for value in (values if isinstance(values, list) else [values]))
    if not np.all(np.isfinite(numbers)):
        raise ValueError(f"{where} is {values}: give finite numbers")
    return numbers


def _refuse_unknown(entry: Any, known: set[str], where: str) -> None:
    if not isinstance(entry, Mapping):
        raise TypeError(f"'{where}' is {entry!r}, not a mapping")
    for key in entry:
        if key not in known:
            raise ValueError(f"unknown key '{key}' in '{where}': known are {', '.join(sorted(known))}")
