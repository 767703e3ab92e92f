"""episode_recorder in a real graph of its own domain, against a robot that the test plays."""

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from domain_coordinator import domain_id
from nav_msgs.msg import Odometry
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import QoSProfile
from sensor_msgs.msg import Image, JointState
from std_srvs.srv import SetBool, Trigger

from bc_core.bags import open_episode
from bc_core.errors import BcError
from bc_msgs.msg import ActionChunk, ControllerState, ControlMode, EpisodeOutcome, EpisodeStatus, TaskState, TickDone
from bc_msgs.srv import StartEpisode, StopEpisode
from bc_nodes import qos
from bc_nodes.convert import to_ns, to_stamp
from bc_teleop.episode_recorder import EpisodeRecorder

MS = 1_000_000
TICK = 50 * MS
START = 10_000 * MS
PATIENCE = 20.0  # [s] before a message counts as missing; never waited for in a test that passes
TYPES = {
    "joint_states": (JointState, qos.stream_out(200)),
    "controller/state": (ControllerState, qos.STATE),
    "object/odometry": (Odometry, qos.stream_out(200)),
    "camera/image_raw": (Image, qos.stream_out(200)),
    "task/state": (TaskState, qos.EVENT),
    "command/human": (ActionChunk, qos.COMMAND),
    "controller/mode": (ControlMode, qos.RECORD_LATCHED),
}
PERIODS = {"joint_states": 5 * MS, "controller/state": 10 * MS, "object/odometry": 10 * MS, "camera/image_raw": 50 * MS}


class Graph:
    """A peer that publishes what a robot would; the recorder lives in this process, or in one of its own."""

    def __init__(self, domain: int, arguments: list[str]) -> None:
        rclpy.init(args=arguments, domain_id=domain)
        self.peer = Node("peer")
        self.ticks_done: list[int] = []
        self.statuses: list[EpisodeStatus] = []
        self.outcomes: list[EpisodeOutcome] = []
        self.sent = 0
        self.peer.create_subscription(TickDone, "sim/tick_done", self._on_done, qos.RECORD)
        self.peer.create_subscription(EpisodeStatus, "episode/status", self.statuses.append, qos.RECORD)
        self.peer.create_subscription(EpisodeOutcome, "episode/outcome", self.outcomes.append, qos.RECORD)
        self.start_client = self.peer.create_client(StartEpisode, "episode/start")
        self.stop_client = self.peer.create_client(StopEpisode, "episode/stop")
        self.publishers: dict[str, Publisher] = {}
        self.executor = SingleThreadedExecutor()
        self.executor.add_node(self.peer)
        self.recorder: EpisodeRecorder | None = None

    def _on_done(self, msg: TickDone) -> None:
        assert msg.participant == "recorder"
        self.ticks_done.append(to_ns(msg.header.stamp))

    def up(self, profiles: dict[str, QoSProfile] | None = None, inside: bool = True) -> None:
        """Bring the recorder up and wait until both sides know each other."""
        for topic, (kind, profile) in TYPES.items():
            self.publishers[topic] = self.peer.create_publisher(kind, topic, (profiles or {}).get(topic, profile))
        if inside:
            self.recorder = EpisodeRecorder()
            self.executor.add_node(self.recorder)
            self.recorder.bring_up()
        self.spin_until(lambda: all(publisher.get_subscription_count() for publisher in self.publishers.values()))
        self.spin_until(lambda: self.start_client.service_is_ready() and self.stop_client.service_is_ready())
        self.spin_until(lambda: self.peer.count_publishers("sim/tick_done") > 0)

    def spin_until(self, condition: Callable[[], bool]) -> None:
        end = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < end, "what was waited for did not come"
            self.executor.spin_once(timeout_sec=0.02)

    def call(self, client: Any, request: Any) -> Any:
        future = client.call_async(request)
        self.spin_until(future.done)
        return future.result()

    def start(self, **fields: Any) -> StartEpisode.Response:
        return self.call(self.start_client, StartEpisode.Request(**fields))

    def stop(self, outcome: int = EpisodeOutcome.SUCCESS, **fields: Any) -> StopEpisode.Response:
        return self.call(self.stop_client, StopEpisode.Request(outcome=outcome, **fields))

    def send(self, topic: str, stamp_ns: int, **fields: Any) -> None:
        msg = TYPES[topic][0](**fields)
        msg.header.stamp = to_stamp(stamp_ns)
        self.publishers[topic].publish(msg)
        self.sent += 1

    def observe(self, tick_ns: int, skip: tuple[str, ...] = ()) -> None:
        """Every sample in the period up to a tick, then the tick itself."""
        for topic, period in PERIODS.items():
            for stamp in range(tick_ns - TICK + period, tick_ns + 1, period) if topic not in skip else ():
                self.send(topic, stamp)
        self.send("task/state", tick_ns)

    def observe_now(self) -> None:
        for topic in PERIODS:
            self.send(topic, time.time_ns())

    def finish_tick(self, tick_ns: int) -> None:
        self.spin_until(lambda: tick_ns in self.ticks_done)

    def connect(self, tick_ns: int, skip: tuple[str, ...] = ()) -> None:
        """Send the samples of a tick until the recorder answers it.

        A publisher knows a subscription before that one knows the publisher: what it sends in between is lost, as
        on any volatile topic, and nothing on this side tells when it is over.
        """
        end = time.monotonic() + PATIENCE
        while tick_ns not in self.ticks_done:
            assert time.monotonic() < end, "the recorder never saw a whole tick"
            self.observe(tick_ns, skip)
            pause = time.monotonic() + 0.5
            while tick_ns not in self.ticks_done and time.monotonic() < pause:
                self.executor.spin_once(timeout_sec=0.02)

    def down(self) -> None:
        if self.recorder is not None:
            self.recorder.close()
            self.recorder.destroy_node()
        self.peer.destroy_node()
        rclpy.try_shutdown()


def arguments(defaults: dict[str, Any], parameters: dict[str, Any]) -> list[str]:
    values = defaults | parameters
    texts = (f"{name}:={str(value).lower() if isinstance(value, bool) else value}" for name, value in values.items())
    return ["--ros-args", *(part for text in texts for part in ("-p", text))]


@pytest.fixture(scope="module")
def domain() -> Iterator[int]:
    with domain_id() as domain:
        yield domain


@pytest.fixture
def defaults(config_folder: Path, tmp_path: Path) -> dict[str, Any]:
    contract = config_folder / "contracts" / "panda_conveyor.yaml"
    return {"contract": contract, "directory": tmp_path, "min_free_mb": 1, "tick_timeout": PATIENCE}


@pytest.fixture
def make(domain: int, defaults: dict[str, Any]) -> Iterator[Callable[..., Graph]]:
    graphs: list[Graph] = []

    def make(**parameters: Any) -> Graph:
        graphs.append(Graph(domain, arguments(defaults, parameters)))
        return graphs[0]

    yield make
    for graph in graphs:
        graph.down()


@pytest.fixture
def lockstep(make: Callable[..., Graph]) -> Graph:
    """In lock step, one tick before START."""
    return begin(make(lockstep=True, use_sim_time=True))


def begin(graph: Graph) -> Graph:
    graph.up()
    graph.send("controller/mode", START - TICK, epoch=1)
    graph.connect(START - TICK)
    graph.sent = 0
    return graph


def test_in_lock_step_everything_is_in_the_bag(lockstep: Graph) -> None:
    started = lockstep.start(task="pick", seed=9)
    assert started.success, started.message
    for tick in range(START, START + 40 * TICK, TICK):
        lockstep.observe(tick)
        lockstep.finish_tick(tick)
    stopped = lockstep.stop(reason="task success")
    assert (stopped.success, stopped.lost, stopped.path) == (True, 0, started.path)
    episode = open_episode(stopped.path)
    messages = list(episode.messages())
    assert len(messages) == stopped.written == lockstep.sent + 2  # with the mode of before, and the outcome
    assert {name: topic.count for name, topic in episode.topics.items() if topic.count} == {
        "joint_states": 400,
        "controller/state": 200,
        "object/odometry": 200,
        "camera/image_raw": 40,
        "task/state": 40,
        "controller/mode": 1,
        "episode/outcome": 1,
    }
    stamps = [to_ns(m.msg.header.stamp) for m in messages if m.topic == "joint_states"]
    assert stamps == list(range(START - 45 * MS, START + 39 * TICK + 1, 5 * MS))
    assert all(m.received_ns >= to_ns(m.msg.header.stamp) for m in messages)
    assert messages[-1].msg.outcome == EpisodeOutcome.SUCCESS
    assert (episode.info["seed"], episode.info["outcome"], episode.info["reason"]) == (9, "success", "task success")


def test_mode_changes_in_quick_succession_are_all_recorded(lockstep: Graph) -> None:
    assert lockstep.start().success
    for epoch in range(2, 7):
        lockstep.send("controller/mode", START, epoch=epoch)
    lockstep.observe(START)
    lockstep.finish_tick(START)
    episode = open_episode(lockstep.stop().path)
    assert [msg.epoch for _, _, msg in episode.messages(["controller/mode"])] == [1, 2, 3, 4, 5, 6]
    assert episode.lost_total == 0


def test_a_tick_waits_for_its_last_sample(lockstep: Graph) -> None:
    assert lockstep.start().success
    lockstep.observe(START, skip=("object/odometry",))
    for _ in range(10):
        lockstep.executor.spin_once(timeout_sec=0.01)
    assert START not in lockstep.ticks_done
    lockstep.send("object/odometry", START)
    lockstep.finish_tick(START)


def test_a_stream_that_died_does_not_stop_time_for_ever(make: Callable[..., Graph]) -> None:
    lockstep = begin(make(lockstep=True, use_sim_time=True, tick_timeout=0.1))
    assert lockstep.start().success
    lockstep.observe(START)
    lockstep.finish_tick(START)
    for tick in (START + TICK, START + 2 * TICK):
        lockstep.observe(tick, skip=("camera/image_raw",))
        lockstep.finish_tick(tick)
    lockstep.spin_until(lambda: any("'camera/image_raw'" in status.message for status in lockstep.statuses))
    assert lockstep.stop().success


def test_without_camera_the_start_is_refused(make: Callable[..., Graph], tmp_path: Path) -> None:
    graph = make(lockstep=True, use_sim_time=True, start_timeout=0.1)
    graph.up()
    graph.connect(START, skip=("camera/image_raw",))
    answer = graph.start()
    assert not answer.success
    assert "no data on 'camera/image_raw'" in answer.message
    assert list(tmp_path.iterdir()) == []


def test_a_best_effort_camera_is_recorded_in_real_time(make: Callable[..., Graph]) -> None:
    graph = make(start_timeout=0.05)
    graph.up({"camera/image_raw": qos.SENSOR_IN})
    deadline = time.monotonic() + PATIENCE
    answer = StartEpisode.Response()
    while not answer.success:
        assert time.monotonic() < deadline, answer.message
        graph.observe_now()
        graph.executor.spin_once(timeout_sec=0.02)
        answer = graph.start()
    before = time.time_ns()
    for _ in range(5):
        graph.observe_now()
    after = time.time_ns()
    stopped = graph.stop()
    images = [m for m in open_episode(stopped.path).messages(["camera/image_raw"]) if m.received_ns >= before]
    assert len(images) == 5
    assert all(to_ns(m.msg.header.stamp) <= m.received_ns for m in images)
    assert images[0].received_ns <= after + 1000 * MS


def test_an_overflow_is_counted(lockstep: Graph) -> None:
    """Nobody spins the recorder while more arrives than its queues hold."""
    assert lockstep.start().success
    lockstep.observe(START)
    lockstep.finish_tick(START)
    for index in range(1, qos.record(200.0).depth + 301):
        lockstep.send("joint_states", START + index * 5 * MS)
    stopped = lockstep.stop()
    assert stopped.lost >= 300
    account = open_episode(stopped.path).info["topics"]["joint_states"]
    assert account["written"] + account["lost"] == 10 + qos.record(200.0).depth + 300
    assert any("'joint_states' were lost" in status.message for status in lockstep.statuses)


def test_what_has_arrived_is_recorded_however_little_is_taken_at_once(
    lockstep: Graph, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bc_teleop.episode_recorder.TAKE_SECONDS", 0.0)  # one message of every topic
    assert lockstep.start().success
    lockstep.observe(START)
    lockstep.finish_tick(START)
    for index in range(1, 301):
        lockstep.send("joint_states", START + index * 5 * MS)
    stopped = lockstep.stop()
    assert stopped.lost == 0
    assert open_episode(stopped.path).topics["joint_states"].count == 310


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


def test_a_topic_of_another_type_is_named(make: Callable[..., Graph], domain: int, tmp_path: Path) -> None:
    graph = make(lockstep=True, use_sim_time=True, start_timeout=0.1)
    graph.up()
    elsewhere = rclpy.Context()  # one process cannot have two types of one topic
    rclpy.init(context=elsewhere, domain_id=domain)
    stranger = Node("stranger", context=elsewhere)
    try:
        stranger.create_publisher(JointState, "camera/image_raw", qos.stream_out(200))
        graph.spin_until(lambda: graph.peer.count_publishers("camera/image_raw") == 2)
        graph.connect(START, skip=("camera/image_raw",))
        answer = graph.start()
    finally:
        stranger.destroy_node()
        rclpy.try_shutdown(context=elsewhere)
    assert not answer.success
    assert "'camera/image_raw' is published as sensor_msgs/msg/JointState, the contract says" in answer.message
    assert list(tmp_path.iterdir()) == []


def test_an_episode_is_paused_resumed_and_recorded_again(lockstep: Graph) -> None:
    pause = lockstep.peer.create_client(SetBool, "episode/pause")
    again = lockstep.peer.create_client(Trigger, "episode/rerecord")
    lockstep.spin_until(lambda: pause.service_is_ready() and again.service_is_ready())
    assert not lockstep.call(pause, SetBool.Request(data=True)).success
    assert not lockstep.call(again, Trigger.Request()).success
    started = lockstep.start(task="pick")
    assert lockstep.call(again, Trigger.Request()).message == started.path
    for number, paused in enumerate((False, True, False)):
        if number:
            assert lockstep.call(pause, SetBool.Request(data=paused)).success
        lockstep.observe(START + number * TICK)
        lockstep.finish_tick(START + number * TICK)
    assert any(status.state == EpisodeStatus.PAUSED for status in lockstep.statuses)
    episode = open_episode(lockstep.stop().path)
    assert episode.info["task"] == "pick"
    assert episode.topics["joint_states"].count == 20


def test_what_cannot_be_done_now_is_refused(lockstep: Graph, tmp_path: Path) -> None:
    assert "no episode is being recorded" in lockstep.stop().message
    assert lockstep.start().success
    assert "is being recorded: stop it first" in lockstep.start().message
    assert "unknown outcome 77" in lockstep.stop(77).message
    assert lockstep.stop(EpisodeOutcome.FAILURE, discard=True).path == ""
    assert list(tmp_path.iterdir()) == []


def test_shutting_down_keeps_the_episode_as_aborted(lockstep: Graph) -> None:
    started = lockstep.start()
    lockstep.observe(START)
    lockstep.finish_tick(START)
    assert lockstep.recorder is not None
    lockstep.recorder.close()
    info = open_episode(started.path).info
    assert (info["state"], info["outcome"], info["reason"]) == ("complete", "aborted", "the recorder was shut down")


def test_a_full_disk_ends_the_episode_and_says_so(lockstep: Graph) -> None:
    started = lockstep.start()
    lockstep.observe(START)
    lockstep.finish_tick(START)
    lockstep.spin_until(lambda: lockstep.statuses[-1].written and max(lockstep.statuses[-1].written) >= 10)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, hard))
    try:
        lockstep.send("camera/image_raw", START, data=os.urandom(2_000_000))
        lockstep.spin_until(lambda: lockstep.statuses[-1].state == EpisodeStatus.IDLE)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert f"recording to {started.path} ended: File too large" in lockstep.statuses[-1].message
    episode = open_episode(started.path)
    assert (episode.info["outcome"], episode.truncated, episode.topics["joint_states"].count) == ("aborted", False, 10)
    assert "ended: File too large" in lockstep.stop().message
    lockstep.observe(START + TICK)
    lockstep.finish_tick(START + TICK)  # the robot's time goes on


def test_inactive_it_does_nothing(make: Callable[..., Graph]) -> None:
    graph = make(lockstep=True, use_sim_time=True, autostart=False)
    graph.peer.create_publisher(TickDone, "sim/tick_done", qos.EVENT)
    recorder = graph.recorder = EpisodeRecorder()
    graph.executor.add_node(recorder)
    recorder.trigger_configure()
    graph.spin_until(graph.start_client.service_is_ready)
    assert "not active" in graph.start().message


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


@pytest.fixture
def process(domain: int, defaults: dict[str, Any]) -> Iterator[subprocess.Popen[bytes]]:
    """The recorder as a process of its own."""
    command = [sys.executable, "-m", "bc_teleop.episode_recorder"]
    command += arguments(defaults, {"lockstep": True, "use_sim_time": True})
    process = subprocess.Popen(command, env=os.environ | {"ROS_DOMAIN_ID": str(domain)})
    yield process
    if process.poll() is None:
        process.kill()
    process.wait()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_however_it_is_ended_the_episode_can_be_read(
    make: Callable[..., Graph], process: subprocess.Popen[bytes], number: int
) -> None:
    graph = make()
    graph.up(inside=False)
    graph.connect(START - TICK)
    started = graph.start()
    assert started.success, started.message
    graph.observe(START)
    graph.finish_tick(START)
    graph.statuses.clear()
    graph.spin_until(lambda: len(graph.statuses) >= 2)  # flushed since
    process.send_signal(number)
    code = process.wait(PATIENCE)
    episode = open_episode(started.path)
    assert episode.topics["joint_states"].count == 10
    if number == signal.SIGKILL:
        assert episode.truncated
        assert episode.info["state"] == "recording"
    else:
        assert (code, episode.truncated, episode.info["outcome"]) == (0, False, "aborted")
