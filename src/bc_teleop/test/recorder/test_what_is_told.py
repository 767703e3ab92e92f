"""What the recorder tells while it records, and why it refuses to."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from diagnostic_msgs.msg import DiagnosticArray
from sensor_msgs.msg import JointState

from bc_core.bags import open_episode
from bc_core.errors import BcError
from bc_msgs.msg import EpisodeOutcome, EpisodeStatus, TickDone
from bc_nodes import qos
from bc_teleop.episode_recorder import EpisodeRecorder

from .graph import START, TICK, Graph, begin

STRANGER = """
import rclpy
from rclpy.node import Node
from sensor_msgs.msg import JointState

rclpy.init()
node = Node("stranger")
publisher = node.create_publisher(JointState, "camera/image_raw", 10)
rclpy.spin(node)
"""


def test_status_and_outcome_are_published(lockstep: Graph) -> None:
    started = lockstep.start()
    lockstep.spin_until(lambda: any(status.state == EpisodeStatus.RECORDING for status in lockstep.statuses))
    lockstep.observe(START)
    lockstep.finish_tick(START)
    lockstep.stop(EpisodeOutcome.FAILURE, reason="dropped")
    lockstep.spin_until(lambda: bool(lockstep.outcomes))
    lockstep.spin_until(lambda: lockstep.statuses[-1].state == EpisodeStatus.IDLE)
    outcome, status = lockstep.outcomes[-1], lockstep.statuses[-1]
    assert (outcome.episode, outcome.outcome, outcome.reason) == (started.episode, EpisodeOutcome.FAILURE, "dropped")
    written = dict(zip(status.topics, status.written, strict=True))
    assert (status.episode, status.path) == (started.episode, started.path)
    assert (written["joint_states"], written["episode/outcome"], sum(status.lost)) == (10, 1, 0)
    assert status.free_bytes > 0


def test_a_dead_camera_is_told_during_the_episode(make: Callable[..., Graph]) -> None:
    lockstep = begin(make(lockstep=True, use_sim_time=True, tick_timeout=0.02))
    reports: list[DiagnosticArray] = []
    lockstep.peer.create_subscription(DiagnosticArray, "/diagnostics", reports.append, qos.RECORD)
    lockstep.spin_until(lambda: lockstep.peer.count_publishers("/diagnostics") > 0)
    assert lockstep.start().success
    for tick in range(START, START + 6 * TICK, TICK):
        lockstep.observe(tick, skip=("camera/image_raw",))
        lockstep.finish_tick(tick)
    wanted = "'camera/image_raw' is silent for 0.30 s (limit 0.20 s)"
    lockstep.spin_until(lambda: any(wanted in text for status in lockstep.statuses for text in status.warnings))
    lockstep.spin_until(lambda: any(wanted in status.message for report in reports for status in report.status))
    status = lockstep.statuses[-1]
    rates = dict(zip(status.topics, zip(status.rate_hz, status.nominal_hz, status.age, strict=True), strict=True))
    assert rates["joint_states"][1:] == (200.0, 0.0)
    assert rates["camera/image_raw"][1] == pytest.approx(15.0)
    assert rates["camera/image_raw"][2] == pytest.approx(0.3)
    assert status.seconds_left > 0


def test_two_publishers_on_one_topic_are_told(lockstep: Graph) -> None:
    lockstep.peer.create_publisher(JointState, "joint_states", qos.stream_out(200))
    lockstep.spin_until(lambda: lockstep.peer.count_publishers("joint_states") == 2)
    assert lockstep.start().success
    lockstep.spin_until(
        lambda: any("'joint_states' has more than one publisher" in t for s in lockstep.statuses for t in s.warnings)
    )

    text = open_episode(lockstep.stop().path).info["irregularities"][0]
    assert text.startswith("'joint_states' has more than one publisher: stop all but one (at ")


def test_chunks_that_only_the_controller_received_are_lost(lockstep: Graph) -> None:
    """As of a teleop_node that the recorder has not found yet: no number is missing in what comes later."""
    assert lockstep.start().success
    lockstep.send("command/human", START, producer_id=7, sequence=3)
    for sequence in (1, 2, 3):
        lockstep.send("controller/ack", START, source="human", producer_id=7, sequence=sequence, verdict=1)
    for number in range(22):  # a chunk that was dropped on the way has one second to come
        lockstep.observe(START + number * TICK)
        lockstep.finish_tick(START + number * TICK)
    told = "2 messages on 'command/human' are lost by now"
    lockstep.spin_until(lambda: any(told in text for status in lockstep.statuses for text in status.warnings))
    assert lockstep.stop().lost == 2


def test_without_camera_the_start_is_refused(make: Callable[..., Graph], tmp_path: Path) -> None:
    graph = make(lockstep=True, use_sim_time=True, start_timeout=0.1)
    graph.up()
    graph.connect(START, skip=("camera/image_raw",))
    answer = graph.start()
    assert not answer.success
    assert "no data on 'camera/image_raw'" in answer.message
    assert list(tmp_path.iterdir()) == []


def test_a_topic_of_another_type_is_named(make: Callable[..., Graph], tmp_path: Path) -> None:
    graph = make(lockstep=True, use_sim_time=True, start_timeout=0.1)
    graph.up()
    # Not here: one process cannot have two types of one topic, and two of its participants find each other only among
    # the first 32, of which a long test run leaves many as garbage.
    stranger = subprocess.Popen([sys.executable, "-c", STRANGER])
    try:
        graph.spin_until(lambda: graph.peer.count_publishers("camera/image_raw") == 2)
        graph.connect(START, skip=("camera/image_raw",))
        answer = graph.start()
    finally:
        stranger.kill()
        stranger.wait()
    assert not answer.success
    assert "'camera/image_raw' is published as sensor_msgs/msg/JointState, the contract says" in answer.message
    assert list(tmp_path.iterdir()) == []


def test_a_camera_of_another_size_is_refused_and_one_that_changes_its_size_is_told(
    make: Callable[..., Graph], tmp_path: Path
) -> None:
    lockstep = begin(make(lockstep=True, use_sim_time=True, start_timeout=0.1))
    small = {"height": 48, "width": 48, "step": 144, "data": bytes(48 * 48 * 3)}
    wanted = "camera/image_raw sends 48x48 pixels, the contract says 96x96: set the camera"
    lockstep.observe(START, skip=("camera/image_raw",))
    lockstep.send("camera/image_raw", START, **small)
    lockstep.finish_tick(START)
    assert wanted in lockstep.start().message
    assert list(tmp_path.iterdir()) == []
    lockstep.observe(START + TICK)
    lockstep.finish_tick(START + TICK)
    assert lockstep.start().success
    lockstep.observe(START + 2 * TICK, skip=("camera/image_raw",))
    lockstep.send("camera/image_raw", START + 2 * TICK, **small)
    lockstep.finish_tick(START + 2 * TICK)
    lockstep.spin_until(lambda: any(wanted in text for status in lockstep.statuses for text in status.warnings))
    (note,) = open_episode(lockstep.stop().path).info["irregularities"]
    assert note.startswith("observation 'camera': " + wanted)
    assert note.endswith("(at 10.100 s)")


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"contract": "''"}, "parameter 'contract' of node 'recorder' is empty"),
        ({"contract": "/nowhere.yaml"}, "/nowhere.yaml"),
        ({"compression": "zip"}, "parameter 'compression' is 'zip': use none or zstd"),
        ({"optional": "[kamera]"}, "optional stream 'kamera' is not in contract"),
    ],
)
def test_wrong_parameters_are_named(make: Callable[..., Graph], parameters: dict[str, str], words: str) -> None:
    graph = make(**parameters)
    graph.recorder = EpisodeRecorder()
    with pytest.raises(BcError, match=words):
        graph.recorder.bring_up()


def test_inactive_it_does_nothing(make: Callable[..., Graph]) -> None:
    graph = make(lockstep=True, use_sim_time=True, autostart=False)
    graph.peer.create_publisher(TickDone, "sim/tick_done", qos.EVENT)
    recorder = graph.recorder = EpisodeRecorder()
    graph.executor.add_node(recorder)
    recorder.trigger_configure()
    graph.spin_until(graph.start_client.service_is_ready)
    assert "not active" in graph.start().message
