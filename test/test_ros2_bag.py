"""Bags of ours as `ros2 bag` sees them: where rosbag2 is installed."""

import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
import rclpy
from mcap.reader import make_reader
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.serialization import deserialize_message, serialize_message
from rosbags.typesys import get_types_from_msg
from sensor_msgs.msg import JointState

from bc_core.bags import open_episode
from bc_core.contract import RecordedTopic
from bc_core.episode_writer import EpisodeWriter
from bc_core.message_types import installed_types
from bc_core.repair import repair
from bc_msgs.msg import ControlMode
from bc_nodes import qos

NEW = 40
"""Joint states of a bag."""
SECOND = 1_000_000_000
START = 1_700_000_000 * SECOND
TOPICS = [
    RecordedTopic("joint_states", "sensor_msgs/msg/JointState", latched=False),
    RecordedTopic("controller/mode", "bc_msgs/msg/ControlMode", latched=True),
]
CLASSES = {"sensor_msgs/msg/JointState": JointState, "bc_msgs/msg/ControlMode": ControlMode}
MODE = ControlMode(mode=ControlMode.HOLD, epoch=7, reason="start")


def state(number: int) -> JointState:
    return JointState(name=["elbow"], position=[float(number)])


def has_rosbag2() -> bool:
    if shutil.which("ros2") is None:
        return False
    return subprocess.run(["ros2", "bag", "play", "--help"], capture_output=True, check=False).returncode == 0


pytestmark = pytest.mark.skipif(not has_rosbag2(), reason="rosbag2 (`ros2 bag`) is not installed")


@pytest.fixture(params=["none", "zstd"])
def bag(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Half a second of joint states, and a latched mode. Beside it, `killed`: what a recorder killed halfway leaves."""
    path = tmp_path / "episode_000000"
    with EpisodeWriter(path, TOPICS, {}, START, task='it\'s a "task": {ü}', compression=request.param) as writer:
        writer.write("controller/mode", START, serialized(MODE, "bc_msgs/msg/ControlMode"))
        for number in range(NEW):
            data = serialized(state(number), "sensor_msgs/msg/JointState")
            writer.write("joint_states", START + number * SECOND // 80, data)
            if number == NEW // 2:
                writer.flush(START + SECOND // 2)
                shutil.copytree(path, tmp_path / "killed")
        writer.close("success", "done", START + SECOND)
    return path


def serialized(message: object, kind: str) -> bytes:
    assert kind in installed_types().fielddefs
    return bytes(serialize_message(message))


def info(path: Path, check: bool = True) -> str:
    done = subprocess.run(["ros2", "bag", "info", str(path)], capture_output=True, text=True, check=check, timeout=60)
    return done.stdout


def test_info_tells_what_is_in_it(bag: Path) -> None:
    text = info(bag)
    assert re.search(r"Storage id:\s+mcap", text)
    assert re.search(rf"Messages:\s+{NEW + 1}\b", text)
    assert re.search(rf"Topic: /joint_states \| Type: sensor_msgs/msg/JointState \| Count: {NEW} \|", text)
    assert re.search(r"Topic: /controller/mode \| Type: bc_msgs/msg/ControlMode \| Count: 1 \|", text)


def test_info_reads_the_repaired_bag_of_a_killed_recorder(bag: Path) -> None:
    killed = bag.parent / "killed"
    assert "Messages" not in info(killed, check=False)
    repair(killed)
    assert re.search(rf"Messages:\s+{NEW // 2 + 2}\b", info(killed))


def test_rosbag2_py_reads_every_message_as_it_was_received(bag: Path) -> None:
    """In the order of reception, byte for byte as our own reader finds them."""
    import rosbag2_py

    reader = rosbag2_py.SequentialReader()
    reader.open(rosbag2_py.StorageOptions(uri=str(bag), storage_id="mcap"), rosbag2_py.ConverterOptions("", ""))
    read = []
    while reader.has_next():
        topic, data, received_ns = reader.read_next()
        read.append((topic, received_ns, bytes(data)))
    assert read == [(f"/{topic}", at, bytes(data)) for topic, at, _, data in open_episode(bag).raw_messages()]
    assert len(read) == NEW + 1


def described(bag: Path) -> dict[str, tuple[Any, ...]]:
    """What a bag says of its topics: types, encodings, type hashes, definitions; and what its last messages say.

    Definitions without comments, which ours leave out. Messages as values, not as bytes: what serializers leave between
    the values is anything.
    """
    (file,) = bag.glob("*.mcap")
    found: dict[str, tuple[Any, ...]] = {}
    with file.open("rb") as stream:
        for schema, channel, message in make_reader(stream, validate_crcs=True).iter_messages():
            assert schema is not None
            definitions = get_types_from_msg(schema.data.decode(), schema.name)
            of_type = (schema.name, schema.encoding, channel.metadata["topic_type_hash"], definitions)
            value = deserialize_message(message.data, CLASSES[schema.name])
            found[channel.topic] = (channel.message_encoding, *of_type, value)
    return found


def test_ros2_bag_record_says_the_same_of_topics_and_messages(bag: Path, tmp_path: Path) -> None:
    """Of the same publishers' messages; what differs is where chunks end. And our reader opens its bag."""
    theirs = tmp_path / "theirs"
    rclpy.init()
    node = Node("talker")
    command = ["ros2", "bag", "record", "--storage", "mcap", "--output", str(theirs), "--disable-keyboard-controls"]
    recorder = subprocess.Popen([*command, "--topics", *(f"/{topic.topic}" for topic in TOPICS)])
    try:
        states = node.create_publisher(JointState, "joint_states", qos.stream_out(100.0))
        modes = node.create_publisher(ControlMode, "controller/mode", qos.LATCHED)
        modes.publish(MODE)
        deadline = time.monotonic() + 60.0
        while not (states.get_subscription_count() and modes.get_subscription_count()):
            assert time.monotonic() < deadline and recorder.poll() is None
            rclpy.spin_once(node, timeout_sec=0.05)
        states.publish(state(NEW - 1))
        assert states.wait_for_all_acked(Duration(seconds=10))
    finally:
        recorder.send_signal(signal.SIGINT)
        recorder.wait(30.0)
        node.destroy_node()
        rclpy.shutdown()
    assert described(theirs) == described(bag)
    (last,) = open_episode(theirs).messages(["joint_states"])
    assert (last.msg.name, list(last.msg.position)) == (["elbow"], [NEW - 1])


def test_play_publishes_every_message(bag: Path) -> None:
    """To a subscriber that was there before; the mode, which was latched, to one that comes when all is over."""
    rclpy.init()
    node = Node("listener")
    positions: list[float] = []
    modes: list[ControlMode] = []
    late = None
    node.create_subscription(JointState, "joint_states", lambda state: positions.append(state.position[0]), 100)
    player = subprocess.Popen(
        [
            "ros2",
            "bag",
            "play",
            str(bag),
            "--disable-keyboard-controls",
            "--wait-for-all-acked",
            "1000",
            "--delay",
            "2",
        ],
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )
    try:
        deadline = time.monotonic() + 60.0
        while len(positions) < NEW and time.monotonic() < deadline:
            rclpy.spin_once(node, timeout_sec=0.05)
            if not late and node.count_publishers("controller/mode"):
                late = node.create_subscription(ControlMode, "controller/mode", modes.append, qos.LATCHED)
        assert positions == [float(number) for number in range(NEW)]
        assert [mode.epoch for mode in modes] == [7]
        assert player.wait(30.0) == 0
    finally:
        if player.poll() is None:
            player.send_signal(signal.SIGINT)
            player.wait(10.0)
        node.destroy_node()
        rclpy.shutdown()
