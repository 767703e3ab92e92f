"""A graph of its own domain for teleop_node: a peer that is robot, recorder and stick in one."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import rclpy
import yaml
from nav_msgs.msg import Odometry
from rclpy.experimental import EventsExecutor
from rclpy.node import Node
from sensor_msgs.msg import JointState, Joy, JoyFeedback

from bc_controllers import Robot
from bc_msgs.msg import ActionChunk, ChunkAck, ControllerState, ControlMode, EpisodeStatus, TaskState, TickDone
from bc_nodes import qos
from bc_nodes.convert import to_stamp
from bc_nodes.testing import collect_destroyed_nodes
from bc_teleop.teleop_node import TeleopNode

DOMAIN = 147
TICK = 50_000_000
PATIENCE = 20.0  # [s] before a message counts as missing; never waited for in a test that passes


class Graph:
    """The node under test, and a peer that publishes what a robot would and collects what comes."""

    def __init__(self, panda: Robot, config: Path, **parameters: Any) -> None:
        self.robot = panda
        collect_destroyed_nodes()
        rclpy.init(args=self._arguments(config, parameters), domain_id=DOMAIN)
        self.peer = Node("peer")
        self.chunks: list[ActionChunk] = []
        self.done: list[TickDone] = []
        self.peer.create_subscription(ActionChunk, "command/human", self.chunks.append, qos.RECORD)
        self.peer.create_subscription(TickDone, "sim/tick_done", self.done.append, qos.RECORD)
        self.felt: list[float] = []
        self.peer.create_subscription(
            JoyFeedback, "joy/set_feedback", lambda msg: self.felt.append(msg.intensity), qos.EVENT
        )
        self.publishers = {
            "controller/state": self.peer.create_publisher(ControllerState, "controller/state", qos.STATE),
            "controller/ack": self.peer.create_publisher(ChunkAck, "controller/ack", qos.EVENT),
            "object/odometry": self.peer.create_publisher(Odometry, "object/odometry", qos.stream_out(100)),
            "task/state": self.peer.create_publisher(TaskState, "task/state", qos.STATE),
            "episode/status": self.peer.create_publisher(EpisodeStatus, "episode/status", qos.STATE),
            "joy": self.peer.create_publisher(Joy, "joy", qos.stream_out(100)),
            "leader": self.peer.create_publisher(JointState, "leader/joint_states", qos.stream_out(100)),
        }
        self.executor = EventsExecutor()  # as in its process
        self.executor.add_node(self.peer)
        self.node = TeleopNode()
        self.executor.add_node(self.node)

    @staticmethod
    def _arguments(config: Path, parameters: dict[str, Any]) -> list[str]:
        device = parameters.get("device", "scripted")
        values = {
            "robot": config / "robots" / "panda.yaml",
            "contract": config / "contracts" / "panda_conveyor.yaml",
            "settings": config / "teleop" / f"{device}.yaml",
        } | parameters
        assignments = [
            f"{name}:={str(value).lower() if isinstance(value, bool) else value}" for name, value in values.items()
        ]
        return ["--ros-args", *(part for assignment in assignments for part in ("-p", assignment))]

    def up(self) -> None:
        """Bring the node up and wait until both sides know each other."""
        self.node.bring_up()
        wanted = [publisher for topic, publisher in self.publishers.items() if topic not in ("joy", "leader")]
        self.spin_until(lambda: all(publisher.get_subscription_count() for publisher in wanted))
        self.spin_until(lambda: self.peer.count_publishers("command/human") > 0)

    def spin_until(self, condition: Callable[[], bool]) -> None:
        end = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < end, "what was waited for did not come"
            self.executor.spin_once(timeout_sec=0.02)

    def spin(self, times: int) -> None:
        for _ in range(times):
            self.executor.spin_once(timeout_sec=0.01)

    def state(self, stamp_ns: int, **fields: Any) -> ControllerState:
        """A controller that stands at the robot's home."""
        home = list(self.robot.home)
        msg = ControllerState(
            mode=ControlMode.HOLD,
            mode_epoch=1,
            joint_names=list(self.robot.arm),
            position=home,
            velocity=[0.0] * 7,
            position_reference=home,
            velocity_reference=[0.0] * 7,
            gripper_position=0.08,
            gripper_reference=0.08,
        )
        msg.header.stamp = to_stamp(stamp_ns)
        msg.header.frame_id = "panda_link0"
        msg.tcp.position.x, msg.tcp.position.z, msg.tcp.orientation.x = 0.3, 0.5, 1.0
        msg.tcp.orientation.w = 0.0
        for name, value in fields.items():
            setattr(msg, name, value)
        return msg

    def publish_tick(self, tick: int, seed: int, elapsed: float, **outcome: bool) -> None:
        """Everything that the simulation publishes at a tick; the task's state comes first, the odometry last."""
        stamp = to_stamp(tick * TICK)
        task = TaskState(task="conveyor_pick", seed=seed, elapsed=elapsed, **outcome)
        odometry = Odometry(child_frame_id="object")
        odometry.pose.pose.position.x, odometry.pose.pose.position.y, odometry.pose.pose.position.z = 0.5, -0.3, 0.12
        odometry.twist.twist.linear.y = 0.1
        task.header.stamp = odometry.header.stamp = stamp
        self.publishers["task/state"].publish(task)
        mode = ControlMode.HUMAN if self.chunks else ControlMode.HOLD
        self.publishers["controller/state"].publish(self.state(tick * TICK, mode=mode))
        self.publishers["object/odometry"].publish(odometry)

    def close(self) -> None:
        self.executor.remove_node(self.node)
        self.node.close()
        self.node.destroy_node()
        self.peer.destroy_node()
        self.executor.shutdown()
        rclpy.shutdown()


def patient_joystick(config_folder: Path, folder: Path) -> Path:
    """The shipped file with the longest timeout: a loaded machine is not a dead joystick."""
    document = yaml.safe_load((config_folder / "teleop" / "joy.yaml").read_text())
    document["joy"]["timeout"] = 2.0
    (folder / "layouts").symlink_to(config_folder / "teleop" / "layouts")
    file = folder / "joy.yaml"
    file.write_text(yaml.safe_dump(document))
    return file


def joystick(graph: Graph, dead_man: int, stick: float, resume: int = 0, pressed: int | None = None) -> None:
    """Publish a reading of the pad of config/teleop/joy.yaml, and the controller's state with it."""
    until = time.monotonic() + 0.01  # a pad's rate: of thousands a second the executor would see nothing else
    while time.monotonic() < until:
        graph.executor.spin_once(timeout_sec=0.001)
    buttons = [0] * 11
    buttons[4], buttons[5] = dead_man, resume
    if pressed is not None:
        buttons[pressed] = 1
    graph.publishers["controller/state"].publish(
        graph.state(
            graph.peer.get_clock().now().nanoseconds, mode=ControlMode.HUMAN if graph.chunks else ControlMode.HOLD
        )
    )
    graph.publishers["joy"].publish(Joy(axes=[0.0, stick, *[0.0] * 6], buttons=buttons))


def spin_a_controller(world: Graph, until: Callable[[], bool], also: Callable[[], None] = lambda: None) -> None:
    """Publish the state of a controller that follows the first chunk, until a condition holds.

    50 times a second: an executor that takes one event a turn would fall behind a publisher that sends several.
    """
    due = 0.0

    def turn() -> bool:
        nonlocal due
        if time.monotonic() >= due:
            due = time.monotonic() + 0.02
            mode = ControlMode.HUMAN if world.chunks else ControlMode.HOLD
            stamp_ns = world.node.get_clock().now().nanoseconds
            world.publishers["controller/state"].publish(world.state(stamp_ns, mode=mode))
            also()
        return until()

    world.spin_until(turn)
