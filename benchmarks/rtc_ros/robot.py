"""The other side of the two nodes: a robot of two joints that sends at the ticks and takes the time of what comes."""

import array
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import rclpy
from rclpy.experimental import EventsExecutor
from rclpy.node import Node
from rclpy.task import Future
from sensor_msgs.msg import JointState

from bc_core.grid import Grid
from bc_msgs.msg import ActionChunk, ChunkAck, ChunkRequest, ControllerState, ControlMode, PolicyChunk
from bc_nodes import qos
from bc_nodes.convert import to_ns, to_stamp
from benchmarks.rtc_ros.echo import COLUMNS, HORIZON

JOINTS = ["j1", "j2"]
DT_MS = 50
GRID = Grid(DT_MS * 1_000_000)
EPOCH = 2
WARM_UP = 20  # cycles that are not counted
AWAKE_NS = 1_000_000  # before a tick: the robot sends at the tick, and its own waking up is no cost of the nodes
PATIENCE = 60.0  # [s] for the nodes to come up
CONTRACT: dict[str, Any] = {
    "contract": "two_joints", "version": 1, "dt": DT_MS / 1e3, "robot": {"description": "x", "base_frame": "base"},
    "observations": {
        "arm": {
            "topic": "joint_states", "type": "sensor_msgs/msg/JointState", "fields": ["position"], "names": JOINTS,
            "rate": 1000 // DT_MS, "rule": "asof", "latency": 0.0, "max_age": 0.2,
        }
    },
    "actions": {"arm": {"space": "joint_position", "names": JOINTS}},
}  # fmt: skip


@dataclass
class Cycles:
    """Milliseconds. added: from the tick to the command, less inference. echo: there and back."""

    added: list[float] = field(default_factory=list)
    echo: list[float] = field(default_factory=list)
    inference: list[float] = field(default_factory=list)
    seconds: float = 0.0


class Robot(Node):
    """In POLICY mode from the beginning; acknowledges every chunk."""

    def __init__(self) -> None:
        super().__init__("robot")
        self.cycles = Cycles()
        self.came = 0  # chunks
        self._begin = 0.0
        self._inferred: dict[int, float] = {}  # tick -> [ms]
        self._arrived: dict[int, float] = {}
        self._pinged: dict[int, int] = {}  # sequence -> time [ns]
        self._joints = self.create_publisher(JointState, "joint_states", qos.stream_out(200))
        self._state = self.create_publisher(ControllerState, "controller/state", qos.STATE)
        self._mode = self.create_publisher(ControlMode, "controller/mode", qos.LATCHED)
        self._ack = self.create_publisher(ChunkAck, "controller/ack", qos.EVENT)
        self._out = self.create_publisher(ChunkRequest, "echo/out", qos.COMMAND)
        self.create_subscription(ActionChunk, "command/policy", self._on_chunk, qos.COMMAND)
        self.create_subscription(PolicyChunk, "policy/chunk", self._on_answer, qos.EVENT)
        self.create_subscription(PolicyChunk, "echo/back", self._on_echo, qos.COMMAND)
        self._mode.publish(ControlMode(mode=ControlMode.POLICY, epoch=EPOCH))

    def sample(self, number: int) -> JointState:
        """What it sends at a tick."""
        joints = JointState(name=JOINTS, position=[0.3, -0.4])
        joints.header.stamp = to_stamp(GRID.time(number))
        return joints

    def tick(self, joints: JointState) -> None:
        self._joints.publish(joints)

    def between(self, number: int) -> None:
        """Half a tick later: the controller's state, and the echo."""
        state = ControllerState(joint_names=JOINTS, position_reference=[0.3, -0.4], mode_epoch=EPOCH)
        state.header.stamp = to_stamp(time.time_ns())
        self._state.publish(state)
        request = ChunkRequest(sequence=number, prefix=array.array("d", [0.0] * HORIZON * COLUMNS))
        self._pinged[number] = time.time_ns()
        self._out.publish(request)

    def _on_chunk(self, msg: ActionChunk) -> None:
        now_ns = time.time_ns()
        ack = ChunkAck(source="policy", producer_id=msg.producer_id, sequence=msg.sequence, verdict=ChunkAck.IN_FORCE)
        ack.header.stamp = ack.effective = to_stamp(now_ns)
        self._ack.publish(ack)
        self.came += 1
        tick = GRID.floor(to_ns(msg.header.stamp))
        self._arrived[tick] = (now_ns - GRID.time(tick)) / 1e6
        self._join(tick)

    def _on_answer(self, msg: PolicyChunk) -> None:
        if msg.status == PolicyChunk.OK:
            self._inferred[msg.tick] = 1e3 * msg.inference_seconds
            self._join(msg.tick)

    def _join(self, tick: int) -> None:
        """Command and answer of a cycle come on two topics, in either order."""
        if tick not in self._arrived or tick not in self._inferred:
            return
        arrived, inferred = self._arrived.pop(tick), self._inferred.pop(tick)
        if self.came <= WARM_UP:
            self._begin = time.monotonic()
            return
        self.cycles.added.append(arrived - inferred)
        self.cycles.inference.append(inferred)
        self.cycles.seconds = time.monotonic() - self._begin

    def _on_echo(self, msg: PolicyChunk) -> None:
        sent = self._pinged.pop(msg.sequence, None)
        if sent is not None and self.came > WARM_UP:
            self.cycles.echo.append((time.time_ns() - sent) / 1e6)


def measure(cycles: int, seconds: float, ended: Callable[[], list[Any]]) -> Cycles:
    """So many cycles, or those of so many seconds. RuntimeError: a process has ended, or no chunk ever came."""
    rclpy.init(args=[])
    robot, executor = Robot(), EventsExecutor()
    executor.add_node(robot)
    stop = threading.Event()
    clock = threading.Thread(target=_beat, args=(robot, stop))
    clock.start()
    try:
        begin, first = time.monotonic(), None
        while len(robot.cycles.added) < cycles:
            executor.spin_until_future_complete(Future(), timeout_sec=0.2)
            now = time.monotonic()
            first = now if first is None and robot.came > WARM_UP else first
            if gone := ended():
                raise RuntimeError(f"a process has ended: {gone[0]}")
            if first is None and now - begin > PATIENCE:
                raise RuntimeError(f"{robot.came} chunks within {PATIENCE} s: the nodes do not answer")
            if first is not None and now - first > seconds:
                break
        return robot.cycles
    finally:
        stop.set()
        clock.join()
        executor.shutdown()
        robot.destroy_node()
        rclpy.shutdown()


def _beat(robot: Robot, stop: threading.Event) -> None:
    number = GRID.floor(time.time_ns()) + 2
    while not stop.is_set():
        joints = robot.sample(number)
        _sleep_until(GRID.time(number) - AWAKE_NS)
        while time.time_ns() < GRID.time(number):
            pass
        robot.tick(joints)
        _sleep_until(GRID.time(number) + GRID.dt_ns // 2)
        robot.between(number)
        number += 1


def _sleep_until(time_ns: int) -> None:
    time.sleep(max(0.0, (time_ns - time.time_ns()) / 1e9))
