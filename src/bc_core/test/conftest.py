"""What the tests of contract, frames, policies and training share: the contract, and messages without ROS."""

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from bc_core.chunks import ActionGroup
from bc_core.contract import Contract
from bc_core.episode_writer import EpisodeWriter, recorded_topics
from bc_core.frames import Frame
from bc_core.grid import NANOSECONDS
from bc_core.message_types import blank_message, require_type

CONTRACT = Path(__file__).parents[3] / "config" / "contracts" / "panda_conveyor.yaml"


@pytest.fixture(scope="session")
def contract() -> Contract:
    return Contract.load(CONTRACT)


@pytest.fixture
def document(contract: Contract) -> dict[str, Any]:
    """The contract's document, free to be changed."""
    return deepcopy(dict(contract.document))


@pytest.fixture(scope="session")
def header() -> Callable[[int], SimpleNamespace]:
    """A std_msgs/Header for a time in nanoseconds."""

    def make(time_ns: int) -> SimpleNamespace:
        sec, nanosec = divmod(time_ns, NANOSECONDS)
        return SimpleNamespace(stamp=SimpleNamespace(sec=sec, nanosec=nanosec), frame_id="")

    return make


class Recording:
    """A bag in the making, messages as the nodes would send them."""

    def __init__(self, path: Path, contract: Contract, seed: int = 0) -> None:
        self.contract = contract
        self.seed = seed
        topics = recorded_topics(contract)
        self._types = {topic.topic: topic.type for topic in topics}
        self._writer = EpisodeWriter(path, topics, contract.document, 0, seed=seed)
        self._path = path

    def joints(self, time_ns: int, arm: np.ndarray, gripper: float) -> None:
        names = [*self.contract.observations["arm"].names, *self.contract.observations["gripper"].names]
        self._write("joint_states", time_ns, name=names, position=np.append(arm, gripper))

    def object(self, time_ns: int, position: np.ndarray, speed: float) -> None:
        odometry = blank_message("nav_msgs/msg/Odometry", time_ns)
        pose, twist = odometry.pose.pose, odometry.twist.twist
        pose.position.x, pose.position.y, pose.position.z = map(float, position)
        pose.orientation.w, twist.linear.x = 1.0, speed
        self._writer.write_message("object/odometry", time_ns, odometry)

    def image(self, time_ns: int, pixels: np.ndarray) -> None:
        height, width, channels = pixels.shape
        self._write(
            "camera/image_raw", time_ns, height=height, width=width, encoding="rgb8", step=width * channels,
            data=pixels.ravel(),
        )  # fmt: skip

    def mode(self, time_ns: int, mode: int, epoch: int) -> None:
        self._write("controller/mode", time_ns, mode=mode, epoch=epoch)

    def chunk(
        self,
        source: str,
        sequence: int,
        stamp_ns: int,
        actions: np.ndarray,
        in_force: int | None,
        dt_ns: int | None = None,
        groups: tuple[ActionGroup, ...] | None = None,
    ) -> None:
        """A chunk and its acknowledgement: in force from a time on, or refused (None)."""
        group_type = require_type("bc_msgs/msg/ActionGroup")
        duration = require_type("builtin_interfaces/msg/Duration")
        self._write(
            f"command/{source}",
            stamp_ns,
            dt=duration(0, dt_ns or self.contract.grid.dt_ns),
            horizon=len(actions),
            producer_id=7,
            sequence=sequence,
            groups=[
                group_type(g.name, int(g.space), list(g.names), g.tip, g.frame_id, g.offset, g.width)
                for g in groups or self.contract.groups
            ],
            actions=actions.ravel(),
        )
        self.ack(source, sequence, in_force)

    def ack(self, source: str, sequence: int, in_force: int | None) -> None:
        time = in_force or 0
        effective = require_type("builtin_interfaces/msg/Time")(*divmod(time, NANOSECONDS))
        self._write(
            "controller/ack", time, source=source, producer_id=7, sequence=sequence, effective=effective,
            verdict=1 if in_force is not None else 2,
        )  # fmt: skip

    def manifest(self, frame: Frame) -> None:
        """What a policy saw."""
        stamp = require_type("builtin_interfaces/msg/Time")
        chosen = [(stream, time) for stream, times in frame.stamps.items() for time in times]
        self._write(
            "policy/manifest", self.contract.grid.time(frame.tick), tick=frame.tick,
            streams=[stream for stream, _ in chosen], stamps=[stamp(*divmod(time, NANOSECONDS)) for _, time in chosen],
        )  # fmt: skip

    def close(self, outcome: str = "success") -> Path:
        self._writer.close(outcome, "", 0)
        return self._path

    def _write(self, topic: str, time_ns: int, **fields: Any) -> None:
        message = blank_message(self._types[topic], time_ns)
        for name, value in fields.items():
            setattr(message, name, value)
        self._writer.write_message(topic, time_ns, message)


@pytest.fixture
def recording(contract: Contract, tmp_path: Path) -> Recording:
    return Recording(tmp_path / "episode_000000", contract)


@pytest.fixture
def new_recording(contract: Contract, tmp_path: Path) -> Callable[[int], Recording]:
    """Recording number n below one directory."""
    return lambda number: Recording(tmp_path / "bags" / f"episode_{number:06d}", contract, seed=number)


@pytest.fixture(scope="session")
def recording_at(contract: Contract) -> Callable[..., Recording]:
    """A recording at a path, with a seed; of another contract if one is given."""
    return lambda path, seed, other=None: Recording(path, other or contract, seed)
