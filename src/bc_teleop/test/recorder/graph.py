"""The graph: a peer that plays the robot, and the recorder."""

import time
from collections.abc import Callable
from typing import Any

import rclpy
from nav_msgs.msg import Odometry
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import QoSProfile
from sensor_msgs.msg import Image, JointState

from bc_msgs.msg import (
    ActionChunk,
    ChunkAck,
    ControllerState,
    ControlMode,
    EpisodeOutcome,
    EpisodeStatus,
    TaskState,
    TickDone,
)
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
    "controller/ack": (ChunkAck, qos.EVENT),
    "controller/mode": (ControlMode, qos.RECORD_LATCHED),
}
SIZE = 96  # pixels of the contract's camera
JOINTS = [*(f"panda_joint{number}" for number in range(1, 8)), "panda_gripper"]
CONTENT: dict[str, dict[str, Any]] = {  # what the contract asks for, and bare messages lack
    "joint_states": {"name": JOINTS, "position": [0.1] * 8},
    "camera/image_raw": {
        "height": SIZE, "width": SIZE, "step": 3 * SIZE, "encoding": "rgb8", "data": bytes(3 * SIZE * SIZE)
    },
}  # fmt: skip
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
        msg = TYPES[topic][0](**CONTENT.get(topic, {}) | fields)
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


def begin(graph: Graph) -> Graph:
    graph.up()
    graph.send("controller/mode", START - TICK, epoch=1)
    graph.connect(START - TICK)
    graph.sent = 0
    return graph
