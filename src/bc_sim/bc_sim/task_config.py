"""The task file (config/tasks/*.yaml) as data, checked."""

from dataclasses import dataclass
from pathlib import Path

import yaml

from bc_core.depth import KINDS
from bc_core.errors import BcError
from bc_core.schema import Section
from bc_core.tags.config import DICTIONARIES
from bc_sim.appearance import Appearance, appearance_of

Range = tuple[float, float]
_FARTHEST = 60.0  # [m]: what a whole number of millimetres in 16 bits can say
TASKS = ("conveyor_pick",)  # the tasks that bc_sim knows


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
class Tags:
    """Tags printed on the cube's faces, on white: of six successive numbers, black squares of `size` [m]."""

    dictionary: str
    size: float
    first: int


@dataclass(frozen=True)
class Cube:
    """Edge [m], mass [kg], sliding friction coefficient; tags: None where its faces are plain."""

    edge: float
    mass: float
    friction: float
    tags: Tags | None = None


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
class Depth:
    """What the camera measures beside colours, pixel for pixel: distances from `near` to `far` [m], in an encoding of
    REP 118."""

    encoding: str
    near: float
    far: float


@dataclass(frozen=True)
class Camera:
    """A fixed camera: pixels, rate [Hz], vertical field of view [deg], position and target [m] in the base frame.

    depth: None: it sees colours alone.
    """

    name: str
    width: int
    height: int
    rate: float
    fovy: float
    position: tuple[float, ...]
    look_at: tuple[float, ...]
    depth: Depth | None = None


@dataclass(frozen=True)
class TaskConfig:
    """All of a task file. appearance: how what the camera sees varies; None: it does not."""

    task: str
    description: str
    time_limit: float
    randomisation: Randomisation
    belt: Belt
    cube: Cube
    start: Start
    success: Success
    camera: Camera
    appearance: Appearance | None = None

    @property
    def ride_height(self) -> float:
        """Height of the cube's centre while it rides [m]."""
        return self.belt.top + self.cube.edge / 2


def load_task(path: Path | str) -> TaskConfig:
    """Read and check a task file. BcError names the file, the key, the value and the remedy."""
    path = Path(path)
    if not path.is_file():
        known = sorted(file.stem for file in path.parent.glob("*.yaml")) if path.parent.is_dir() else []
        raise BcError(f"task file '{path}' does not exist: known tasks there are {', '.join(known) or 'none'}")
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise BcError(f"task file '{path}' is not YAML: {error}") from error
    return task_from_document(document, f"task file '{path}'")


def task_from_document(document: object, where: str) -> TaskConfig:
    """Check a parsed task file; `where` names it in messages."""
    root = Section(document, where)
    task = TaskConfig(
        task=root.text("task", choices=TASKS),
        description=root.text("description"),
        time_limit=root.number("time_limit", minimum=0.1, maximum=600.0),
        randomisation=_randomisation(root.section("randomisation")),
        belt=_belt(root.section("belt")),
        cube=_cube(root.section("cube")),
        start=_start(root.section("start")),
        success=_success(root.section("success")),
        camera=_camera(root.section("camera")),
        appearance=appearance_of(root.section("appearance")) if root.has("appearance") else None,
    )
    root.finish()
    lateral = task.randomisation.lateral_offset
    if max(abs(value) for value in lateral) + task.cube.edge > task.belt.width / 2:
        remedy = f"puts the cube on the edge of a belt {task.belt.width} m wide: narrow the range"
        raise root.section("randomisation").error("lateral_offset", lateral, remedy)
    return task


def _randomisation(section: Section) -> Randomisation:
    ranges = {name: _range(section, name) for name in ("belt_speed", "lateral_offset", "yaw", "upstream", "arm")}
    if ranges["belt_speed"][0] <= 0.0:
        raise section.error("belt_speed", ranges["belt_speed"], "must be above 0: the belt runs along +y")
    section.finish()
    return Randomisation(**ranges)


def _range(section: Section, key: str) -> Range:
    low, high = section.numbers(key, length=2)
    if low > high:
        raise section.error(key, [low, high], "must be [low, high] with low <= high")
    return low, high


def _belt(section: Section) -> Belt:
    belt = Belt(
        centre_x=section.number("centre_x"),
        width=section.number("width", minimum=0.05),
        top=section.number("top", minimum=0.03),
        spawn_y=section.number("spawn_y"),
        exit_y=section.number("exit_y"),
        friction=section.number("friction", minimum=0.1),
    )
    if belt.spawn_y >= belt.exit_y:
        raise section.error("spawn_y", belt.spawn_y, f"must lie before exit_y = {belt.exit_y}: the belt runs along +y")
    section.finish()
    return belt


def _cube(section: Section) -> Cube:
    cube = Cube(
        edge=section.number("edge", minimum=0.005),
        mass=section.number("mass", minimum=0.001),
        friction=section.number("friction", minimum=0.1),
        tags=_cube_tags(section.section("tags")) if section.has("tags") else None,
    )
    if cube.tags is not None and cube.tags.size >= cube.edge:
        raise section.error("tags", cube.tags.size, f"size must leave a white margin on a face of {cube.edge} m")
    section.finish()
    return cube


def _cube_tags(section: Section) -> Tags:
    tags = Tags(
        dictionary=section.text("dictionary", choices=DICTIONARIES),
        size=section.number("size", minimum=0.001),
        first=section.integer("first"),
    )
    section.finish()
    return tags


def _start(section: Section) -> Start:
    start = Start(arm=section.numbers("arm"), gripper=section.number("gripper", minimum=0.0))
    section.finish()
    return start


def _success(section: Section) -> Success:
    success = Success(lift=section.number("lift", minimum=0.005), hold=section.number("hold", minimum=0.0))
    section.finish()
    return success


def _camera(section: Section) -> Camera:
    camera = Camera(
        name=section.text("name"),
        width=section.integer("width", minimum=8, maximum=2048),
        height=section.integer("height", minimum=8, maximum=2048),
        rate=section.number("rate", minimum=0.1, maximum=200.0),
        fovy=section.number("fovy", minimum=1.0, maximum=170.0),
        position=section.numbers("position", length=3),
        look_at=section.numbers("look_at", length=3),
        depth=_depth(section.section("depth")) if section.has("depth") else None,
    )
    if camera.position[:2] == camera.look_at[:2]:
        raise section.error("position", camera.position, "must not lie straight above or below look_at")
    section.finish()
    return camera


def _depth(section: Section) -> Depth:
    depth = Depth(
        encoding=section.text("encoding", choices=tuple(KINDS)),
        near=section.number("near", minimum=0.001),
        far=section.number("far", maximum=_FARTHEST),
    )
    if depth.far <= depth.near:
        raise section.error("far", depth.far, f"must be above near = {depth.near:g}")
    section.finish()
    return depth
