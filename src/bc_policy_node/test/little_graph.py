"""policy_node and chunk_scheduler in one executor with a robot that is a few lines long."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.experimental import EventsExecutor
from rclpy.node import Node
from sensor_msgs.msg import JointState
from two_joints import JOINTS

from bc_msgs.msg import (
    ActionChunk,
    ChunkAck,
    ChunkRequest,
    ControllerState,
    ControlMode,
    FrameManifest,
    PolicyChunk,
    SchedulerStatus,
)
from bc_nodes import qos
from bc_nodes.convert import pose_to_msg
from bc_nodes.testing import domain_of_its_own
from bc_policy_node.chunk_scheduler import ChunkScheduler
from bc_policy_node.policy_node import PolicyNode

RAW_JUMP = 0.125  # [rad], as this robot claims
PATIENCE = 20.0  # s, far beyond what is needed: a bound for a broken build, no expectation of speed


class Robot(Node):
    """Sends joint states and the controller's topics; acknowledges every chunk. refusal: or refuses it, why."""

    def __init__(self) -> None:
        super().__init__("robot")
        self.mute = False
        self.refusal: str | None = None
        self.state_epoch = 0
        self.sent: list[JointState] = []
        self.chunks: list[ActionChunk] = []
        self.manifests: list[FrameManifest] = []
        self.answers: list[PolicyChunk] = []
        self.status: list[SchedulerStatus] = []
        self.requests: list[ChunkRequest] = []
        self.acks: dict[int, ChunkAck] = {}
        self.told: list[DiagnosticStatus] = []
        self.position = [0.3, -0.4]
        self.tool = np.array([0.4, 0.1, 0.2, 0.0, 0.6, 0.0, 0.8])  # in the base frame
        self._joints = self.create_publisher(JointState, "joint_states", qos.stream_out(200))
        self._state = self.create_publisher(ControllerState, "controller/state", qos.STATE)
        self._mode = self.create_publisher(ControlMode, "controller/mode", qos.LATCHED)
        self._ack = self.create_publisher(ChunkAck, "controller/ack", qos.EVENT)
        self.create_subscription(ActionChunk, "command/policy", self._on_chunk, qos.COMMAND)
        self.create_subscription(FrameManifest, "policy/manifest", self.manifests.append, qos.EVENT)
        self.create_subscription(ChunkRequest, "policy/request", self.requests.append, qos.EVENT)
        self.create_subscription(PolicyChunk, "policy/chunk", self.answers.append, qos.EVENT)
        self.create_subscription(SchedulerStatus, "scheduler/status", self.status.append, qos.EVENT)
        self.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, qos.EVENT)
        self.create_timer(0.01, self._send)

    def mode(self, mode: int, epoch: int, told_by_state: bool = True) -> None:
        """Change mode; told_by_state: the states say so, too."""
        if told_by_state:
            self.state_epoch = epoch
        self._mode.publish(ControlMode(mode=mode, epoch=epoch))

    def _send(self) -> None:
        stamp = self.get_clock().now().to_msg()
        state = ControllerState(joint_names=JOINTS, position_reference=self.position, mode_epoch=self.state_epoch)
        state.tcp_reference = pose_to_msg(self.tool)
        state.header.stamp, state.header.frame_id = stamp, "base"
        self._state.publish(state)
        if not self.mute:
            joints = JointState(name=JOINTS, position=(np.array(self.position) + 1e-3 * np.random.rand(2)).tolist())
            joints.header.stamp = stamp
            self.sent.append(joints)
            self._joints.publish(joints)

    def _on_chunk(self, msg: ActionChunk) -> None:
        self.chunks.append(msg)
        ack = ChunkAck(source="policy", producer_id=msg.producer_id, sequence=msg.sequence, verdict=ChunkAck.IN_FORCE)
        ack.header.stamp = ack.effective = self.get_clock().now().to_msg()
        ack.raw_jump = RAW_JUMP
        if self.refusal is not None:
            ack.verdict, ack.detail = ChunkAck.REFUSED, self.refusal
        self.acks[msg.sequence] = ack
        self._ack.publish(ack)

    def _on_diagnostics(self, msg: DiagnosticArray) -> None:
        self.told += msg.status

    def heard(self, level: bytes, words: str) -> bool:
        """Whether a node has said such a thing on /diagnostics, at this level."""
        return any(status.level == level and words in status.message for status in self.told)


class Graph:
    """Both nodes and the robot in one executor."""

    def __init__(self, robot: type[Robot] = Robot) -> None:
        self.executor = EventsExecutor()  # as in their processes
        self.robot = robot()
        self.nodes = [PolicyNode(), ChunkScheduler()]
        for node in (self.robot, *self.nodes):
            self.executor.add_node(node)

    def bring_up(self) -> None:
        for node in self.nodes:
            node.bring_up()

    def until(self, condition: Callable[[], bool]) -> None:
        end = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < end, "it never happened"
            self.executor.spin_once(timeout_sec=0.05)

    def close(self) -> None:
        self.executor.shutdown()
        for node in (*self.nodes, self.robot):
            if hasattr(node, "close"):
                node.close()
            node.destroy_node()


@contextmanager
def running(checkpoint: Path, contract: Path, robot: type[Robot] = Robot) -> Iterator[Graph]:
    """The graph, not yet brought up, with a policy."""
    with domain_of_its_own():
        parameters = {
            "policy_node:checkpoint": checkpoint,
            "policy_node:contract": contract,
            "chunk_scheduler:checkpoint": checkpoint,
            "chunk_scheduler:s_min": 3,
            "chunk_scheduler:delay_init": 2,
        }
        overrides = [word for key, value in parameters.items() for word in ("-p", f"{key}:={value}")]
        rclpy.init(args=["--ros-args", *overrides])
        graph = Graph(robot)
        yield graph
        graph.close()
        rclpy.shutdown()
