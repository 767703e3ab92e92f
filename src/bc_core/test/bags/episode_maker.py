"""Makes small real episodes for the tests of bags."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from bc_core.contract import Contract
from bc_core.episode_writer import EpisodeWriter, recorded_topics
from bc_core.grid import NANOSECONDS
from bc_core.message_types import require_type

CONTRACT = Contract.load(Path(__file__).resolve().parents[4] / "config" / "contracts" / "panda_conveyor.yaml")
START_NS = 5 * NANOSECONDS
STEP_NS = 5_000_000
FLUSH_EVERY = 50


def header(time_ns: int) -> Any:
    stamp = require_type("builtin_interfaces/msg/Time")(*divmod(time_ns, NANOSECONDS))
    return require_type("std_msgs/msg/Header")(stamp=stamp, frame_id="")


def joint_state(index: int) -> Any:
    """Sample number `index`; its first position is the number."""
    names = [f"panda_joint{joint}" for joint in range(1, 8)]
    position = np.array([index, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6])
    state = require_type("sensor_msgs/msg/JointState")
    return state(header(START_NS + index * STEP_NS), names, position, np.zeros(7), np.zeros(7))


def ack(time_ns: int, source: str, verdict: int, reason: int) -> Any:
    empty = require_type("builtin_interfaces/msg/Time")(0, 0)
    kind = require_type("bc_msgs/msg/ChunkAck")
    return kind(header(time_ns), source, "tester", 7, 1, verdict, reason, "", 1, empty, 0.0, 0.0, 0.0, 0.0, 0)


def mode(time_ns: int, value: int, epoch: int) -> Any:
    return require_type("bc_msgs/msg/ControlMode")(header(time_ns), value, epoch, 0, "test")


def open_writer(path: Path, **options: Any) -> EpisodeWriter:
    return EpisodeWriter(path, recorded_topics(CONTRACT), CONTRACT.document, START_NS, **options)


def write_joints(writer: EpisodeWriter, indices: range) -> Iterator[int]:
    """Write samples, flush every so often; yields the number of samples on disk after each flush."""
    for index in indices:
        writer.write_message("joint_states", START_NS + index * STEP_NS, joint_state(index))
        if (index + 1) % FLUSH_EVERY == 0:
            writer.flush(START_NS + index * STEP_NS)
            yield index + 1


def make_episode(path: Path, samples: int = 200, **options: Any) -> Path:
    """A complete episode of joint states, a mode and two acknowledgements."""
    with open_writer(path, **options) as writer:
        writer.write_message("controller/mode", START_NS, mode(START_NS, 0, 1))
        for _ in write_joints(writer, range(samples // 2)):
            pass
        middle = START_NS + samples // 2 * STEP_NS
        writer.write_message("controller/mode", middle, mode(middle, 3, 2))
        writer.write_message("controller/ack", middle, ack(middle, "human", 1, 0))
        writer.write_message("controller/ack", middle, ack(middle, "human", 2, 7))
        for _ in write_joints(writer, range(samples // 2, samples)):
            pass
        writer.close("success", "task success", START_NS + samples * STEP_NS)
    return path
