"""Which streams of a contract are which features of a LeRobot policy. A checkpoint knows widths only, no names."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from bc_core.chunks import Space
from bc_core.contract import Contract
from bc_core.errors import BcError
from bc_core.lerobot.policy.source import ACTION, ENVIRONMENT, IMAGE, STATE, Source
from bc_core.normalisation import Normaliser
from bc_core.policies.features import stream_width

_PLAUSIBLE = {Space.JOINT_POSITION: (8.0 * np.pi, "rad"), Space.GRIPPER: (1.0, "m")}
"""Beyond that, no arm's joint turns and no gripper opens."""


@dataclass(frozen=True)
class Streams:
    """state, environment: numeric streams, in order. cameras: feature -> stream, in the policy's order."""

    state: tuple[str, ...] = ()
    environment: tuple[str, ...] = ()
    cameras: Mapping[str, str] = field(default_factory=dict)

    @property
    def observations(self) -> tuple[str, ...]:
        return (*self.state, *self.environment, *self.cameras.values())


def choose_streams(source: Source, contract: Contract, given: Streams, renamed: Mapping[str, str]) -> Streams:
    """What is given, and where the widths leave one choice only, the rest. renamed: what the robot calls a feature ->
    what the policy does. BcError names what does not fit, and the option that mends it."""
    _check_given(contract, given)
    environment = given.environment
    if source.environment and not environment:
        raise BcError(
            f"the policy sees {source.environment} numbers as {ENVIRONMENT}: name their streams, --environment "
            f"STREAM ... ({_widths(contract)})"
        )
    _check_width(contract, environment, source.environment, ENVIRONMENT, "--environment")
    state = given.state
    if source.state and not state:
        state = tuple(name for name, stream in contract.observations.items()
                      if not stream.is_image and name not in environment)  # fmt: skip
    _check_width(contract, state, source.state, STATE, "--state")
    names = {policy: robot for robot, policy in renamed.items()}
    cameras = {key: _camera(source, contract, given, key, names.get(key, key)) for key in source.cameras}
    if source.action != contract.width:
        groups = ", ".join(f"{group.name} ({group.width})" for group in contract.groups)
        raise BcError(
            f"the policy says {source.action} numbers per row, contract '{contract.name}' takes {contract.width} "
            f"({groups}): give the contract of the robot it was trained for"
        )
    strange = [key for key in given.cameras if key not in {_short(key) for key in cameras} | set(cameras)]
    if strange:
        raise BcError(
            f"--camera {strange[0]}=...: the policy has no such camera (it has {', '.join(cameras) or 'none'})"
        )
    chosen = Streams(state, environment, cameras)
    twice = [name for name in chosen.observations if chosen.observations.count(name) > 1]
    if twice:
        raise BcError(f"stream '{twice[0]}' is named for two features: give each its own")
    return chosen


def check_units(contract: Contract, actions: Normaliser) -> None:
    """BcError where actions cannot be rad or m: LeRobot's drivers of hobby arms speak degrees and per cent."""
    reach = np.abs(actions.mean) + actions.std
    for group in contract.groups:
        limit, unit = _PLAUSIBLE.get(group.space, (np.inf, ""))
        for column in range(group.offset, group.offset + group.width):
            if reach[column] > limit:
                name = group.names[column - group.offset]
                raise BcError(
                    f"in training {ACTION} {column} reached {reach[column]:.3g}, which contract '{contract.name}' "
                    f"takes for '{name}' in {unit}: the data set had other units (degrees? per cent?), train "
                    f"on one in {unit}"
                )


def _check_given(contract: Contract, given: Streams) -> None:
    for name in given.observations:
        if name not in contract.observations:
            known = ", ".join(contract.observations)
            raise BcError(f"contract '{contract.name}' has no stream '{name}': use some of {known}")
    for name in (*given.state, *given.environment):
        if contract.observations[name].is_image:
            raise BcError(f"stream '{name}' is a camera, not numbers: name it with --camera FEATURE={name}")


def _check_width(contract: Contract, streams: Sequence[str], width: int, feature: str, option: str) -> None:
    found = sum(stream_width(contract.observations[name]) for name in streams)
    if found != width:
        raise BcError(
            f"{', '.join(streams) or 'no stream'} of contract '{contract.name}' hold {found} numbers, the policy's "
            f"{feature} has {width}: name the right streams in their order, {option} STREAM ... ({_widths(contract)})"
        )


def _camera(source: Source, contract: Contract, given: Streams, key: str, robot_key: str) -> str:
    images = [name for name, stream in contract.observations.items() if stream.is_picture]
    name = given.cameras.get(_short(key)) or given.cameras.get(key)
    if name is None and _short(robot_key) in images:
        name = _short(robot_key)
    if name is None and len(images) == len(source.cameras) == 1:
        name = images[0]
    if name is None:
        raise BcError(
            f"no stream is named for the policy's camera '{key}': --camera {_short(key)}=STREAM "
            f"(cameras of contract '{contract.name}': {', '.join(images) or 'none'})"
        )
    stream, shape = contract.observations[name], source.cameras[key]
    if not stream.is_image or stream.encoding != "rgb8" or stream.shape != (*shape, 3):
        found = f"{list(stream.shape)} {stream.encoding}" if stream.is_image else "no image"
        raise BcError(
            f"the policy's camera '{key}' has {[*shape, 3]} rgb8, stream '{name}' of contract '{contract.name}' "
            f"{found}: set the camera, and `shape` and `encoding` in the contract"
        )
    return name


def _short(key: str) -> str:
    """top of observation.images.top; image of observation.image."""
    return key.rpartition(".")[2] if key.startswith(f"{IMAGE}s.") else key.removeprefix("observation.")


def _widths(contract: Contract) -> str:
    numeric = [(name, stream) for name, stream in contract.observations.items() if not stream.is_image]
    return f"contract '{contract.name}' has " + ", ".join(
        f"{name} ({stream_width(stream)})" for name, stream in numeric
    )
