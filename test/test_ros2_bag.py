"""Bags of ours as `ros2 bag` sees them: where rosbag2 is installed."""

import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
import rclpy
from rclpy.node import Node
from sensor_msgs.msg import JointState

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
        mode = ControlMode(mode=ControlMode.HOLD, epoch=7, reason="start")
        writer.write("controller/mode", START, serialized(mode, "bc_msgs/msg/ControlMode"))
        for number in range(NEW):
            state = JointState(name=["elbow"], position=[float(number)])
            writer.write("joint_states", START + number * SECOND // 80, serialized(state, "sensor_msgs/msg/JointState"))
            if number == NEW // 2:
                writer.flush(START + SECOND // 2)
                shutil.copytree(path, tmp_path / "killed")
        writer.close("success", "done", START + SECOND)
    return path


def serialized(message: object, kind: str) -> bytes:
    from rclpy.serialization import serialize_message

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


def test_play_publishes_every_message(bag: Path) -> None:
    """To a subscriber that was there before; the mode, which was latched, to one that comes when all is over."""
    rclpy.init()
    node = Node("listener")
    positions: list[float] = []
    modes: list[ControlMode] = []
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
            if not modes and node.count_publishers("controller/mode"):
                node.create_subscription(ControlMode, "controller/mode", modes.append, qos.LATCHED)
        assert positions == [float(number) for number in range(NEW)]
        assert [mode.epoch for mode in modes] == [7]
        assert player.wait(30.0) == 0
    finally:
        if player.poll() is None:
            player.send_signal(signal.SIGINT)
            player.wait(10.0)
        node.destroy_node()
        rclpy.shutdown()
