"""The task file (config/tasks/*.yaml) as data, checked."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml
from bc_core.errors import BcError

Range = tuple[float, float]
T = TypeVar("T")


@dataclass(frozen=True)
class Randomisation:
    """Uniform ranges (low, high) of a reset; see the task file for units."""

    belt_speed: Range
    lateral_offset: Range
    yaw: Range
    upstream: Range
    arm: Range


@dataclass(frozen=True)
class Belt:
    """A belt along +y whose surface lies at `top` [m]."""

    centre_x: float
    width: float
    top: float
    spawn_y: float
    exit_y: float
    friction: float


@dataclass(frozen=True)
class Cube:
    """Edge [m], mass [kg], sliding friction coefficient."""

    edge: float
    mass: float
    friction: float


@dataclass(frozen=True)
class Start:
    """Where the robot starts: joints [rad], opening of the gripper [m]."""

    arm: tuple[float, ...]
    gripper: float


@dataclass(frozen=True)
class Success:
    """Lift of the cube's centre [m] and how long it must last [s]."""

    lift: float
    hold: float


@dataclass(frozen=True)
class Camera:
    """A fixed camera: pixels, rate [Hz], vertical field of view [deg], position and target [m] in the base frame."""

    name: str
    width: int
    height: int
    rate: float
    fovy: float
    position: tuple[float, ...]
    look_at: tuple[float, ...]


@dataclass(frozen=True)
class TaskConfig:
    """All of a task file."""

    task: str
    description: str
    time_limit: float
    randomisation: Randomisation
    belt: Belt
    cube: Cube
    start: Start
    success: Success
    camera: Camera

    @property
    def ride_height(self) -> float:
        """Height of the cube's centre while it rides [m]."""
        return self.belt.top + self.cube.edge / 2


def load_task(path: Path | str) -> TaskConfig:
    """Read and check a task file. BcError names the file, the key and the value."""
    path = Path(path)
    if not path.is_file():
        known = sorted(file.stem for file in path.parent.glob("*.yaml")) if path.parent.is_dir() else []
        raise BcError(f"task file '{path}' does not exist: known tasks there are {', '.join(known) or 'none'}")
    try:
        data = yaml.safe_load(path.read_text())
    except yaml.YAMLError as error:
        raise BcError(f"task file '{path}' is not YAML: {error}") from error
    task = _section(TaskConfig, data, str(path))
    if task.task != "conveyor_pick":
        raise BcError(f"{path}: task '{task.task}' is unknown: the simulation knows 'conveyor_pick'")
    _check(task, str(path))
    return task


def _section(kind: type[T], data: Any, where: str) -> T:
    """One mapping of the file as a dataclass: every key, and no other."""
    if not isinstance(data, dict):
        raise BcError(f"{where}: expected a mapping, got {data!r}")
    fields = {field.name: field for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    for key in data:
        if key not in fields:
            raise BcError(f"{where}: unknown key '{key}': allowed are {', '.join(fields)}")
    missing = [name for name in fields if name not in data]
    if missing:
        raise BcError(f"{where}: key '{missing[0]}' is missing")
    return kind(**{name: _value(field.type, data[name], f"{where}: {name}") for name, field in fields.items()})


def _value(kind: Any, value: Any, where: str) -> Any:
    """One value of the file as the type of its field."""
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        return _section(kind, value, where)
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if kind is float and number:
        return float(value)
    if kind is int and number and int(value) == value:
        return int(value)
    if kind is str and isinstance(value, str):
        return value
    if kind in (Range, tuple[float, ...]) and isinstance(value, list):
        numbers = tuple(_value(float, item, where) for item in value)
        if kind is not Range or (len(numbers) == 2 and numbers[0] <= numbers[1]):
            return numbers
    expected = "[low, high] with low <= high" if kind is Range else getattr(kind, "__name__", str(kind))
    raise BcError(f"{where}: expected {expected}, got {value!r}")


def _check(task: TaskConfig, where: str) -> None:
    """What the types cannot say."""
    positive = {
        "time_limit": task.time_limit,
        "randomisation.belt_speed": task.randomisation.belt_speed[0],
        "belt.width": task.belt.width,
        "belt.top": task.belt.top,
        "cube.edge": task.cube.edge,
        "cube.mass": task.cube.mass,
        "success.lift": task.success.lift,
        "camera.width": task.camera.width,
        "camera.height": task.camera.height,
        "camera.rate": task.camera.rate,
    }
    for key, value in positive.items():
        if value <= 0:
            raise BcError(f"{where}: {key} must be positive, got {value}")
    if task.belt.spawn_y >= task.belt.exit_y:
        raise BcError(
            f"{where}: belt.spawn_y = {task.belt.spawn_y} must lie before belt.exit_y = {task.belt.exit_y}: "
            "the belt runs along +y"
        )
    for key, vector in (("camera.position", task.camera.position), ("camera.look_at", task.camera.look_at)):
        if len(vector) != 3:
            raise BcError(f"{where}: {key} must have 3 values, got {len(vector)}")
    lateral = max(abs(value) for value in task.randomisation.lateral_offset)
    if lateral + task.cube.edge > task.belt.width / 2:
        raise BcError(
            f"{where}: randomisation.lateral_offset {lateral} puts the cube on the edge of the belt: narrow it"
        )
