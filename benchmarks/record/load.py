"""The load: four cameras of 640x480 at 30 Hz and joint states at 1 kHz, reliable, messages numbered.

    python -m benchmarks.record.load cameras 4

publishes until it is ended. Publishers are processes of their own, with the profile and the transport defaults that our
nodes have (bc_nodes.qos.stream_out, bc_nodes.transport).
"""

import os
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import rclpy
from rclpy.node import Node
from sensor_msgs.msg import Image, JointState

from bc_core.grid import NANOSECONDS
from bc_core.message_types import blank_message, installed_types
from bc_nodes import qos

WIDTH, HEIGHT = 640, 480
RATES = {"cameras": 30, "joints": 1000}  # [Hz]
JOINTS = [f"joint{index}" for index in range(7)]
DIGITS = 9  # of a message's number, in frame_id


def topics(of: str, cameras: int) -> list[str]:
    """What a publisher, one of RATES, publishes."""
    return [f"camera{number}/image_raw" for number in range(cameras)] if of == "cameras" else ["joint_states"]


def kind(topic: str) -> str:
    """Whose topic it is."""
    return "joints" if topic == "joint_states" else "cameras"


def contract(cameras: int) -> dict[str, Any]:
    """A contract of these topics."""
    common = {"rule": "asof", "latency": 0.0, "max_age": 0.5}
    observations: dict[str, Any] = {
        "arm": {"topic": "joint_states", "type": "sensor_msgs/msg/JointState", "fields": ["position"],
                "names": JOINTS, "rate": RATES["joints"], **common},
    }  # fmt: skip
    for number, topic in enumerate(topics("cameras", cameras)):
        observations[f"camera{number}"] = {
            "topic": topic, "type": "sensor_msgs/msg/Image", "shape": [HEIGHT, WIDTH, 3],
            "encoding": "rgb8", "rate": RATES["cameras"], **common,
        }  # fmt: skip
    actions = {"arm": {"space": "joint_position", "names": JOINTS}}
    return {
        "contract": "bench", "version": 1, "dt": 0.05, "robot": {"description": "bench", "base_frame": "base"},
        "observations": observations, "actions": actions,
        "record": [{"topic": "episode/outcome", "type": "bc_msgs/msg/EpisodeOutcome"}],
    }  # fmt: skip


@contextmanager
def publishers(cameras: int, kinds: tuple[str, ...] = ("cameras", "joints")) -> Iterator[None]:
    """Processes that publish."""
    command = [sys.executable, "-m", "benchmarks.record.load"]
    processes = [subprocess.Popen([*command, each, str(cameras)]) for each in kinds]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def publish(of: str, cameras: int) -> None:
    """Publish at a steady rate, for ever.

    Messages are serialized once and numbered in place: what is measured is the recorder, not Python's serializer.
    """
    rclpy.init()
    node = Node(f"bench_{of}")
    rate, message_class = RATES[of], Image if of == "cameras" else JointState
    message_type = "sensor_msgs/msg/" + message_class.__name__
    message = blank_message(message_type)
    if of == "cameras":
        message.height, message.width, message.encoding, message.step = HEIGHT, WIDTH, "rgb8", WIDTH * 3
        message.data = np.frombuffer(os.urandom(WIDTH * HEIGHT * 3), dtype=np.uint8)
    else:
        message.name, message.position = JOINTS, np.zeros(len(JOINTS))
    message.header.frame_id = "0" * DIGITS
    data = bytearray(installed_types().serialize_cdr(message, message_type))
    senders = [node.create_publisher(message_class, topic, qos.stream_out(rate)) for topic in topics(of, cameras)]
    number, due = 0, time.monotonic()
    while True:
        data[4:12] = struct.pack("<iI", *divmod(time.time_ns(), NANOSECONDS))
        data[16 : 16 + DIGITS] = f"{number:0{DIGITS}d}".encode()
        ready = bytes(data)
        for sender in senders:
            sender.publish(ready)
        number += 1
        due += 1.0 / rate
        time.sleep(max(0.0, due - time.monotonic()))


def frame_number(data: bytes) -> int:
    """The number in header.frame_id of a serialized message: after encapsulation (4), stamp (8) and length (4)."""
    length = int.from_bytes(data[12:16], "little")
    return int(data[16 : 16 + length].rstrip(b"\0"))


if __name__ == "__main__":
    publish(sys.argv[1], int(sys.argv[2]))
