"""The contract: what a robot's streams mean, for the recorder, the converter, the policy node and every checkpoint.

One YAML file names the topics that are observations and actions, their types, fields, order, units, rates, latency and
maximal age, and the period of the grid. Whatever is recorded or trained embeds the whole document, so that a later
disagreement is found before it moves a robot: `Contract.check_same`.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from bc_core import depth
from bc_core.chunks import ActionGroup, Space
from bc_core.errors import BcError
from bc_core.grid import NANOSECONDS, Grid, to_nanoseconds
from bc_core.images import CHANNELS
from bc_core.resampling import BETWEEN, ONE_SIDED, RULES
from bc_core.schema import Section

IMAGE_TYPE = "sensor_msgs/msg/Image"
COMPRESSED_IMAGE_TYPE = "sensor_msgs/msg/CompressedImage"
IMAGE_TYPES = (IMAGE_TYPE, COMPRESSED_IMAGE_TYPE)
_TYPE = re.compile(r"[a-z][a-z0-9_]*/msg/[A-Z][A-Za-z0-9]*\Z")
_TOPIC = re.compile(r"/?[A-Za-z_][A-Za-z0-9_]*(/[A-Za-z_][A-Za-z0-9_]*)*\Z")
_CHANNELS = {**CHANNELS, **dict.fromkeys(depth.KINDS, 1)}
_POSE_WIDTH = 7


@dataclass(frozen=True)
class Robot:
    """Which robot the contract is for: name of its description, and the frame in which poses are given."""

    description: str
    base_frame: str


@dataclass(frozen=True)
class Observation:
    """One observation stream: which numbers of which topic, and which sample belongs to a tick.

    fields x names: numeric streams read every field; where names are given, the elements of the field that belong to
    these joints, in this order. shape, encoding: image streams (height, width, channels), uint8, or of an encoding of
    depth images float32 in m.
    rule: which samples make the value at tick - latency (bc_core.resampling). max_age [s]: a sample whose stamp is
    older than tick - max_age is refused; "hold" has no such limit.
    """

    name: str
    topic: str
    type: str
    fields: tuple[str, ...]
    names: tuple[str, ...]
    shape: tuple[int, ...]
    encoding: str
    unit: str
    rate: float
    rule: str
    latency: float
    max_age: float

    @property
    def is_image(self) -> bool:
        return self.type in IMAGE_TYPES

    @property
    def is_depth(self) -> bool:
        """An image of distances (bc_core.depth)."""
        return self.is_image and self.encoding in depth.KINDS

    @property
    def is_picture(self) -> bool:
        """An image of bytes, for eyes and for video."""
        return self.is_image and not self.is_depth

    @property
    def latency_ns(self) -> int:
        return to_nanoseconds(self.latency)

    @property
    def max_age_ns(self) -> int:
        return to_nanoseconds(self.max_age)


@dataclass(frozen=True)
class RecordedTopic:
    """A topic that a bag holds besides the observations; latched: transient local."""

    topic: str
    type: str
    latched: bool


@dataclass(frozen=True)
class Contract:
    """A validated contract; `document` is the YAML document it came from (plain dicts, lists, numbers and strings)."""

    name: str
    version: int
    grid: Grid
    robot: Robot
    observations: Mapping[str, Observation]
    groups: tuple[ActionGroup, ...]
    record: tuple[RecordedTopic, ...]
    document: Mapping[str, Any]

    @property
    def width(self) -> int:
        """Columns D of an action row."""
        return self.groups[-1].offset + self.groups[-1].width

    @classmethod
    def load(cls, path: str | Path) -> "Contract":
        """Read and validate a YAML file; BcError names file, key, value and remedy."""
        path = Path(path)
        try:
            text = path.read_text(encoding="utf-8")
        except OSError as error:
            raise BcError(f"contract '{path}' cannot be read ({error.strerror}): give a contract's path") from error
        try:
            document = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise BcError(f"contract '{path}' is not valid YAML: {error}") from error
        return cls.from_document(document, str(path))

    @classmethod
    def from_document(cls, document: object, where: str) -> "Contract":
        """Validate a document that was embedded in a bag or checkpoint; `where` says in messages where it came from."""
        root = Section(document, f"contract '{where}'")
        name = root.text("contract")
        version = root.integer("version", minimum=1)
        dt = root.number("dt", minimum=0.001, maximum=1.0)
        if abs(dt * NANOSECONDS - round(dt * NANOSECONDS)) > 1e-3:
            raise root.error("dt", dt, "must be a whole number of nanoseconds")
        robot = root.section("robot")
        contract = cls(
            name=name,
            version=version,
            grid=Grid(to_nanoseconds(dt)),
            robot=Robot(robot.text("description"), robot.text("base_frame")),
            observations={key: _observation(key, section) for key, section in root.sections("observations")},
            groups=_groups(root.sections("actions")),
            record=tuple(_recorded(section) for section in root.section_list("record", default=())),
            document=root.document,
        )
        robot.finish()
        root.finish()
        return contract

    def differences(self, other: "Contract", streams: Iterable[str] | None = None) -> list[str]:
        """What the two contracts disagree on, as "key: value here / value there"; empty: the same meaning.

        Name, version and what else a bag records do not change the meaning of data and are not compared.
        streams: compare only these observations (those a policy reads); None: all.
        """
        kept = None if streams is None else set(streams)
        here, there = _flatten(self), _flatten(other)
        differences = []
        for key in dict.fromkeys([*here, *there]):
            if key[0] == "observations" and kept is not None and key[1] not in kept:
                continue
            parent_missing = (*key[:2], "") not in here or (*key[:2], "") not in there
            if here.get(key) != there.get(key) and (key[-1] == "" or len(key) < 3 or not parent_missing):
                name = ".".join(part for part in key if part)
                differences.append(f"{name}: {_show(here.get(key))} / {_show(there.get(key))}")
        return differences

    def check_same(
        self,
        other: "Contract",
        this: str | None = None,
        that: str | None = None,
        streams: Iterable[str] | None = None,
    ) -> None:
        """BcError naming every key with both values unless the contracts mean the same (see `differences`).

        this, that: how to call the two in the message, e.g. "checkpoint 'out/policy'".
        """
        differences = self.differences(other, streams)
        if not differences:
            return
        this = this or f"contract '{self.name}'"
        that = that or f"contract '{other.name}'"
        shown = "; ".join(differences[:6]) + (f"; and {len(differences) - 6} more" if len(differences) > 6 else "")
        raise BcError(
            f"{this} and {that} disagree (first / second): {shown}. "
            "Use data, checkpoint and contract that belong together, or record and train again"
        )


def _observation(name: str, section: Section) -> Observation:
    observation = Observation(
        name=name,
        topic=section.text("topic", pattern=_TOPIC, hint="a ROS topic name such as joint_states"),
        type=section.text("type", pattern=_TYPE, hint="an interface such as sensor_msgs/msg/JointState"),
        fields=section.texts("fields", default=()),
        names=section.texts("names", default=()),
        shape=section.integers("shape", default=(), minimum=1),
        encoding=section.text("encoding", default=""),
        unit=section.text("unit", default=""),
        rate=section.number("rate", minimum=0.01, maximum=10_000.0),
        rule=section.text("rule", choices=RULES),
        latency=section.number("latency", minimum=0.0, maximum=10.0),
        max_age=section.number("max_age", minimum=0.0, maximum=60.0),
    )
    _check_rule(observation, section)
    if observation.is_image:
        channels = _CHANNELS.get(observation.encoding)
        if channels is None:
            raise section.error("encoding", observation.encoding, f"must be one of {', '.join(_CHANNELS)}")
        if observation.is_depth and observation.type != IMAGE_TYPE:
            raise section.error(
                "type", observation.type, f"depth is not read compressed: take the topic of {IMAGE_TYPE}"
            )
        if len(observation.shape) != 3 or observation.shape[2] != channels:
            raise section.error("shape", list(observation.shape), f"must be [height, width, {channels}]")
        if observation.fields or observation.names:
            raise section.error("fields", list(observation.fields), "an image has no fields and no names: remove them")
    elif not observation.fields:
        raise section.error("fields", [], "name at least one field of the message")
    elif observation.shape or observation.encoding:
        raise section.error("shape", list(observation.shape), "only images have shape and encoding: remove them")
    section.finish()
    return observation


def _check_rule(observation: Observation, section: Section) -> None:
    rule, latency = observation.rule, observation.latency
    if observation.max_age <= latency:
        raise section.error("max_age", observation.max_age, f"must be above latency ({latency} s)")
    if rule in BETWEEN and observation.is_image:
        raise section.error("rule", rule, "images are not interpolated: use asof, hold or nearest")
    if rule == "slerp" and len(observation.fields) * max(1, len(observation.names)) < 4:
        raise section.error("rule", rule, "needs a quaternion (x y z w) as the stream's last four numbers")
    if rule not in ONE_SIDED and latency * observation.rate < 1.0 - 1e-9:
        raise section.error(
            "latency",
            latency,
            f"rule '{rule}' needs the sample after, which live has not come yet: at least one period "
            f"({1.0 / observation.rate:g} s)",
        )


def _groups(sections: Iterable[tuple[str, Section]]) -> tuple[ActionGroup, ...]:
    groups: list[ActionGroup] = []
    offset = 0
    seen: dict[str, str] = {}
    for name, section in sections:
        space = Space[section.text("space", choices=tuple(space.name.lower() for space in Space)).upper()]
        pose = space == Space.CARTESIAN_POSE
        names = () if pose else section.texts("names")
        if not pose and not names:
            raise section.error("names", [], "name at least one joint")
        for joint in names:
            if joint in seen:
                raise section.error("names", joint, f"is already commanded by group '{seen[joint]}'")
            seen[joint] = name
        tip = section.text("tip") if pose else ""
        frame = section.text("frame_id") if pose else ""
        width = _POSE_WIDTH if pose else len(names)
        groups.append(ActionGroup(name, space, names, offset, width, tip, frame))
        offset += width
        section.finish()
    return tuple(groups)


def _recorded(section: Section) -> RecordedTopic:
    topic = RecordedTopic(
        topic=section.text("topic", pattern=_TOPIC, hint="a ROS topic name such as controller/ack"),
        type=section.text("type", pattern=_TYPE, hint="an interface such as bc_msgs/msg/ChunkAck"),
        latched=section.boolean("latched", default=False),
    )
    section.finish()
    return topic


def _flatten(contract: Contract) -> dict[tuple[str, ...], object]:
    """Every compared setting by its key path, defaults filled in; a list is one value.

    (part, name, "") stands for the entry itself, so that an absent stream is one difference and not ten.
    """
    flat: dict[tuple[str, ...], object] = {("dt",): contract.grid.dt}
    flat.update({("robot", key): value for key, value in vars(contract.robot).items()})
    flat["actions",] = tuple(group.name for group in contract.groups)
    entries: list[tuple[str, Observation | ActionGroup]] = [("actions", group) for group in contract.groups]
    entries += [("observations", observation) for observation in contract.observations.values()]
    for part, entry in entries:
        flat[part, entry.name, ""] = "present"
        flat.update({(part, entry.name, key): value for key, value in vars(entry).items() if key != "name"})
    return flat


def _show(value: object) -> str:
    if value is None:
        return "(absent)"
    if isinstance(value, Space):
        return value.name.lower()
    return str(list(value)) if isinstance(value, tuple) else str(value)
