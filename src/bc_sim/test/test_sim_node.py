"""Node `sim` over a real rclpy graph: lock step, chunks, services, real time, refusals."""

import re
from array import array
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rclpy
from builtin_interfaces.msg import Duration
from nav_msgs.msg import Odometry
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, Image, JointState

from bc_core.chunks import ActionChunk as CoreChunk
from bc_core.contract import Contract
from bc_core.errors import BcError
from bc_core.fields import extract
from bc_msgs.msg import (
    ActionChunk,
    ActionGroup,
    ChunkAck,
    ControllerState,
    ControllerStatus,
    ControlMode,
    TaskState,
    TickDone,
)
from bc_msgs.srv import ChangeMode, ResetScene
from bc_nodes import qos
from bc_nodes.convert import chunk_to_msg, pose_from_msg, to_ns
from bc_nodes.testing import collect_destroyed_nodes, domain_of_its_own
from bc_sim.sim_node import SimNode
from bc_sim.simulation import Array
from bc_sim.task import draw_start
from bc_sim.task_config import TaskConfig

CONFIG = Path(__file__).parents[3] / "config"
MS = 1_000_000
EASE = 0.5 - 0.5 * np.cos(np.linspace(0.0, np.pi, 9))  # from 0 to 1, at rest at both ends
JOINTS = [f"panda_joint{number}" for number in range(1, 8)]
TOPICS: dict[str, tuple[Any, Any]] = {
    "joint_states": (JointState, qos.SENSOR_IN_ALL),
    "object/odometry": (Odometry, qos.SENSOR_IN_ALL),
    "camera/image_raw": (Image, qos.SENSOR_IN_ALL),
    "camera/depth/image_raw": (Image, qos.SENSOR_IN_ALL),
    "camera/depth/camera_info": (CameraInfo, qos.SENSOR_IN_ALL),
    "task/state": (TaskState, qos.RECORD),
    "controller/state": (ControllerState, qos.RECORD),
    "controller/status": (ControllerStatus, qos.RECORD),
    "controller/ack": (ChunkAck, qos.RECORD),
    "controller/mode": (ControlMode, qos.LATCHED),
    "/clock": (Clock, qos.RECORD),
}


@pytest.fixture(scope="module", autouse=True)
def ros_domain() -> Iterator[None]:
    with domain_of_its_own():
        yield


class Graph:
    """Node `sim` and a probe that hears everything and, as participant "probe", answers ticks up to `last_tick`."""

    def __init__(self) -> None:
        self.sim = SimNode()
        self.probe = Node("probe")
        self.heard: dict[str, list[Any]] = defaultdict(list)
        self.last_tick = 2**62
        for topic, (kind, profile) in TOPICS.items():
            self.probe.create_subscription(kind, topic, self.heard[topic].append, profile)
        self.probe.create_subscription(TaskState, "task/state", self._answer, qos.RECORD)
        self.tick_done = self.probe.create_publisher(TickDone, "sim/tick_done", qos.EVENT)
        self.command = self.probe.create_publisher(ActionChunk, "command/human", qos.COMMAND)
        self.clients = {
            ResetScene: self.probe.create_client(ResetScene, "sim/reset"),
            ChangeMode: self.probe.create_client(ChangeMode, "controller/change_mode"),
        }
        self.sequence = 0
        self.executor = SingleThreadedExecutor()
        self.executor.add_node(self.sim)
        self.executor.add_node(self.probe)

    def _answer(self, msg: TaskState) -> None:
        if to_ns(msg.header.stamp) <= self.last_tick:
            done = TickDone(participant="probe", sequence=self.sequence)
            done.header.stamp = msg.header.stamp
            self.tick_done.publish(done)

    def until(self, condition: Callable[[], Any]) -> None:
        for _ in range(20_000):
            if condition():
                return
            self.executor.spin_once(timeout_sec=0.05)
        raise AssertionError("the graph never got there")

    def call(self, kind: Any, **fields: Any) -> Any:
        future = self.clients[kind].call_async(kind.Request(**fields))
        self.until(future.done)
        return future.result()

    def until_tick(self, time_ns: int) -> None:
        """Run to a tick, and stand there with everything of it heard."""
        self.last_tick = time_ns - 1
        for msg in self.heard["task/state"][-1:]:
            self._answer(msg)
        periodic = ("joint_states", "controller/state", "object/odometry", "task/state")
        self.until(lambda: all(self.stamps(topic)[-1:] == [time_ns] for topic in periodic))
        self.until(lambda: self.stamps("/clock")[-1] == time_ns + MS)

    def stamps(self, topic: str) -> list[int]:
        stamps = (msg.clock if topic == "/clock" else msg.header.stamp for msg in self.heard[topic])
        return [to_ns(stamp) for stamp in stamps]

    def positions(self) -> Array:
        return np.array([msg.position for msg in self.heard["joint_states"]])

    def close(self) -> None:
        self.sim.close()
        self.sim.destroy_node()
        self.probe.destroy_node()


@contextmanager
def graph(**parameters: Any) -> Iterator[Graph]:
    files = {
        "robot": CONFIG / "robots" / "panda.yaml",
        "contract": CONFIG / "contracts" / "panda_conveyor.yaml",
        "task": CONFIG / "tasks" / "conveyor_pick.yaml",
    }
    args = ["--ros-args"]
    for name, value in {**files, "participants": "[probe]", **parameters}.items():
        args += ["-p", f"sim:{name}:={value}"]
    collect_destroyed_nodes()
    rclpy.init(args=args)
    try:
        result = Graph()
        try:
            result.sim.bring_up()
            yield result
        finally:
            result.close()
    finally:
        rclpy.try_shutdown()


def chunk(graph: Graph, rows: Array, start_ns: int, **changes: Any) -> ActionChunk:
    """Rows (H, 8) from the probe, 50 ms apart."""
    graph.sequence += 1
    msg = ActionChunk(
        dt=Duration(nanosec=50 * MS),
        horizon=len(rows),
        producer="probe",
        producer_id=4711,
        sequence=graph.sequence,
        mode_epoch=1,
        groups=[
            ActionGroup(name="arm", space=ActionGroup.JOINT_POSITION, names=JOINTS, offset=0, width=7),
            ActionGroup(name="gripper", space=ActionGroup.GRIPPER, names=["panda_gripper"], offset=7, width=1),
        ],
        actions=array("d", np.asarray(rows, dtype=float).ravel()),
    )
    msg.header.stamp.sec, msg.header.stamp.nanosec = divmod(start_ns, 1000 * MS)
    for name, value in changes.items():
        setattr(msg, name, value)
    return msg


def test_lock_step_keeps_every_rate_exactly_and_stands_still_at_a_tick() -> None:
    with graph(lockstep=True, seed=3) as g:
        g.until_tick(2_000 * MS)
        for topic, step in (("joint_states", 5), ("controller/state", 10), ("object/odometry", 10), ("task/state", 50)):
            steps = set(np.diff(sorted(set(g.stamps(topic)))))
            assert steps == {step * MS}, topic
            assert g.stamps(topic)[-1] == 2_000 * MS, topic
        images = sorted(set(g.stamps("camera/image_raw")))
        assert len(images) == 16, "15 Hz over one second, both ends included"
        assert set(np.diff(images)) <= {66 * MS, 67 * MS}
        image = g.heard["camera/image_raw"][-1]
        assert (image.height, image.width, image.encoding, image.step) == (96, 96, "rgb8", 288)
        assert np.ptp(np.array(image.data)) > 100
        before = g.sim._simulation.plant.now_ns
        for _ in range(20):
            g.executor.spin_once(timeout_sec=0.02)
        assert g.sim._simulation.plant.now_ns == before == 2_001 * MS
        assert g.heard["joint_states"][-1].name == [*JOINTS, "panda_gripper"]
        assert g.heard["controller/mode"][0].mode == ControlMode.HOLD


def test_a_human_chunk_moves_the_arm_and_the_same_run_again_is_the_same_to_the_bit() -> None:
    def run() -> tuple[Array, list[Any]]:
        with graph(lockstep=True, camera=False, seed=3) as g:
            g.until_tick(1_200 * MS)
            start = np.array([*g.heard["controller/state"][-1].position_reference, 0.08])
            rows = start + EASE[:, None] * np.array([0.2, 0, 0, 0, 0, 0, 0, -0.04])
            g.command.publish(chunk(g, rows, 1_250 * MS))
            g.until_tick(1_800 * MS)
            return g.positions()[g.stamps("joint_states").index(1_200 * MS) :], g.heard["controller/ack"]

    (first, acks), (second, _) = run(), run()
    assert [(ack.verdict, ack.source, ack.sequence) for ack in acks] == [(ChunkAck.IN_FORCE, "human", 1)]
    assert to_ns(acks[0].effective) == 1_250 * MS
    assert first[-1, 0] - first[0, 0] == pytest.approx(0.2, abs=0.02)
    assert first[-1, 7] == pytest.approx(0.04, abs=0.005)
    np.testing.assert_array_equal(first, second)


def test_where_the_contract_commands_poses_a_chunk_of_them_moves_the_tool_and_one_of_joints_is_refused() -> None:
    contract = CONFIG / "contracts" / "panda_conveyor_pose.yaml"
    with graph(lockstep=True, camera=False, seed=3, contract=contract) as g:
        g.until_tick(1_200 * MS)
        state = g.heard["controller/state"][-1]
        start = np.append(pose_from_msg(state.tcp_reference), 0.08)
        rows = start + EASE[:, None] * np.array([0.02, 0.08, -0.03, 0, 0, 0, 0, -0.04])
        poses = chunk_to_msg(CoreChunk(0, 50 * MS, Contract.load(contract).groups, rows)).groups
        g.command.publish(chunk(g, rows, 1_250 * MS, groups=poses))
        g.command.publish(chunk(g, np.tile([*state.position_reference, 0.08], (9, 1)), 1_250 * MS))
        g.until_tick(1_800 * MS)
        acks = g.heard["controller/ack"]
        assert [(ack.sequence, ack.verdict) for ack in acks] == [(2, ChunkAck.REFUSED), (1, ChunkAck.IN_FORCE)]
        assert acks[0].reason == ChunkAck.LAYOUT
        reached = pose_from_msg(g.heard["controller/state"][-1].tcp)
        np.testing.assert_allclose(reached[:3], rows[-1, :3], atol=5e-3)
        assert abs(float(reached[3:] @ start[3:7])) > 0.9999
        assert g.positions()[-1, 7] == pytest.approx(0.04, abs=0.005)


def test_an_announced_chunk_is_waited_for() -> None:
    with graph(lockstep=True, camera=False) as g:
        g.until_tick(1_100 * MS)
        reference = np.array([*g.heard["controller/state"][-1].position_reference, 0.08])
        msg = chunk(g, np.tile(reference, (9, 1)), 1_150 * MS)  # announced by its sequence, not yet sent
        g.last_tick = 2**62
        g._answer(g.heard["task/state"][-1])
        for _ in range(20):
            g.executor.spin_once(timeout_sec=0.02)
        assert g.sim._simulation.plant.now_ns == 1_101 * MS
        g.command.publish(msg)
        g.until(lambda: g.stamps("task/state")[-1] > 1_500 * MS)
        assert [ack.verdict for ack in g.heard["controller/ack"]] == [ChunkAck.IN_FORCE]


def test_a_malformed_chunk_is_refused_and_the_motion_goes_on() -> None:
    with graph(lockstep=True, camera=False) as g:
        g.until_tick(1_100 * MS)
        start = np.array([*g.heard["controller/state"][-1].position_reference, 0.08])
        good = start + EASE[:, None] * np.array([0.2, 0, 0, 0, 0, 0, 0, 0.0])
        g.command.publish(chunk(g, good, 1_150 * MS))
        g.until_tick(1_250 * MS)
        g.command.publish(chunk(g, good, 1_250 * MS, horizon=10))
        bad = good.copy()
        bad[3, 2] = np.nan
        g.command.publish(chunk(g, bad, 1_250 * MS))
        g.until_tick(1_550 * MS)
        refused = [ack for ack in g.heard["controller/ack"] if ack.verdict == ChunkAck.REFUSED]
        assert [ack.reason for ack in refused] == [ChunkAck.SIZE, ChunkAck.NOT_FINITE]
        assert all(ack.detail for ack in refused)
        assert g.positions()[-1, 0] - start[0] == pytest.approx(0.2, abs=0.02)


def test_reset_brings_the_scene_of_the_seed_and_the_controller_to_hold(task: TaskConfig) -> None:
    with graph(lockstep=True, camera=False, seed=3) as g:
        g.until_tick(1_400 * MS)
        g.heard["object/odometry"].clear()
        answer = g.call(ResetScene, seed=11)
        assert answer.success
        assert to_ns(answer.stamp) == 1_401 * MS
        g.until(lambda: g.heard["task/state"][-1].seed == 11)
        assert g.heard["task/state"][-1].elapsed == 0.0
        start = draw_start(task, 11)
        g.until(lambda: g.heard["object/odometry"])
        seen = g.heard["object/odometry"][0]
        position, twist = seen.pose.pose.position, seen.twist.twist.linear
        np.testing.assert_allclose([position.x, position.y, position.z], start.cube_position, atol=1e-3)
        assert np.hypot(twist.x, twist.y) == pytest.approx(start.belt_speed, rel=1e-3)
        yaw = 2 * np.arctan2(seen.pose.pose.orientation.z, seen.pose.pose.orientation.w)
        assert yaw == pytest.approx(start.cube_yaw, abs=1e-6)
        direction = [np.cos(yaw) * twist.x - np.sin(yaw) * twist.y, np.sin(yaw) * twist.x + np.cos(yaw) * twist.y]
        np.testing.assert_allclose(direction, [0.0, start.belt_speed], atol=1e-3)  # the belt runs along +y
        g.until_tick(1_500 * MS)
        np.testing.assert_allclose(g.heard["joint_states"][-1].position[:7], start.arm, atol=5e-3)
        assert g.heard["controller/mode"][-1].mode == ControlMode.HOLD


def test_the_scene_is_not_reset_before_everybody_has_been_heard_of() -> None:
    with graph(lockstep=True, camera=False, participants="[probe, latecomer]") as g:
        g.until(lambda: g.heard["task/state"])
        answer = g.call(ResetScene, seed=11)
        assert not answer.success
        assert "latecomer" in answer.message
        assert "probe" not in answer.message
        g.tick_done.publish(TickDone(participant="latecomer"))  # stamp zero: there, and not yet done with any tick
        g.until(lambda: g.call(ResetScene, seed=11).success)


def test_change_mode_answers_what_the_controller_decides() -> None:
    with graph(lockstep=True, camera=False) as g:
        g.until_tick(1_100 * MS)
        refused = g.call(ChangeMode, request=ChangeMode.Request.RESET, reason="nothing to reset")
        assert not refused.success
        assert refused.message
        resumed = g.call(ChangeMode, request=ChangeMode.Request.RESUME, reason="test")
        assert resumed.success
        assert resumed.mode == ControlMode.POLICY
        g.until(lambda: g.heard["controller/mode"][-1].mode == ControlMode.POLICY)
        assert g.heard["controller/mode"][-1].epoch == resumed.epoch


def test_what_arrives_while_inactive_never_moves_the_robot() -> None:
    with graph(lockstep=True, camera=False) as g:
        g.until_tick(1_100 * MS)
        start = np.array([*g.heard["controller/state"][-1].position_reference, 0.08])
        g.sim.trigger_deactivate()
        g.command.publish(chunk(g, start + EASE[:, None] * np.array([0.2, 0, 0, 0, 0, 0, 0, 0]), 1_100 * MS))
        g.until(lambda: g.sim.dropped_chunks == 1)
        refused = g.call(ResetScene, seed=5)
        assert not refused.success
        assert "activate node 'sim' first" in refused.message
        g.sequence = 0
        g.sim.trigger_activate()
        g.until(lambda: g.stamps("task/state")[-1] == 1_150 * MS)
        g.until_tick(1_600 * MS)
        assert not g.heard["controller/ack"]
        assert g.positions()[-1, 0] == pytest.approx(start[0], abs=1e-3)


def test_the_task_fails_when_its_time_is_up(task: TaskConfig) -> None:
    with graph(lockstep=True, camera=False, participants="['']") as g:
        g.until(lambda: g.heard["task/state"] and g.heard["task/state"][-1].failure)
        verdicts = [msg for msg in g.heard["task/state"] if msg.failure]
        assert "out of reach" in verdicts[0].detail or "time limit" in verdicts[0].detail
        assert verdicts[0].elapsed <= task.time_limit + 0.1


def test_real_time_publishes_everything_on_the_system_clock() -> None:
    with graph(lockstep=False) as g:
        g.until(lambda: len(g.heard["joint_states"]) > 100 and len(g.heard["camera/image_raw"]) > 5)
        g.until(lambda: g.heard["controller/status"])
        stamps = g.stamps("joint_states")
        assert stamps == sorted(set(stamps))
        assert all(stamp % (5 * MS) == 0 for stamp in stamps[1:]), "on ticks of the system clock, from the second on"
        assert g.stamps("task/state")[0] % (50 * MS) == 0
        assert g.stamps("object/odometry") == sorted(g.stamps("object/odometry"))
        assert g.heard["controller/mode"][0].mode == ControlMode.HOLD
        assert g.heard["controller/status"][-1].periods > 0
        assert not g.heard["/clock"]
        assert g.call(ResetScene, seed=21).success
        g.until(lambda: g.heard["task/state"][-1].seed == 21)
        assert g.call(ChangeMode, request=ChangeMode.Request.STOP, reason="test").mode == ControlMode.STOPPED


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"task": "/nowhere/fold_towel.yaml"}, "task file '/nowhere/fold_towel.yaml' does not exist"),
        ({"contract": "/nowhere/none.yaml"}, "contract '/nowhere/none.yaml' cannot be read"),
        ({"robot": "/nowhere/arm.yaml"}, "robot file '/nowhere/arm.yaml' does not exist"),
        ({"task": "''"}, "parameter 'task' of node 'sim' is empty"),
        ({"seed": -1}, "parameter 'seed' of node 'sim' is -1"),
        ({"viewer": True}, "viewer:=true needs a display"),
    ],
)
def test_what_cannot_be_is_refused(monkeypatch: pytest.MonkeyPatch, parameters: dict[str, Any], message: str) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    with pytest.raises(BcError, match=re.escape(message)), graph(camera=False, **parameters):
        pass


@pytest.mark.parametrize(
    ("promised", "other", "message"),
    [
        ("[96, 96, 3]", "[64, 64, 3]", "camera.shape = (64, 64, 3), but task 'conveyor_pick' gives (96, 96, 3)"),
        ("description: panda", "description: ur5e", "robot.description = ur5e, but the robot file gives panda"),
        ("[panda_gripper]\n\nrecord", "[hand]\n\nrecord", "actions = "),
        (
            f"joint_position\n    names: [{', '.join(JOINTS)}]",
            "cartesian_pose\n    tip: panda_link7\n    frame_id: panda_link0",
            "group 'arm' commands 'panda_link7' in 'panda_link0': the controller moves 'panda_hand_tcp'",
        ),
    ],
)
def test_a_contract_that_promises_something_else_is_refused(
    tmp_path: Path, promised: str, other: str, message: str
) -> None:
    text = (CONFIG / "contracts" / "panda_conveyor.yaml").read_text()
    assert promised in text
    (tmp_path / "other.yaml").write_text(text.replace(promised, other))
    with pytest.raises(BcError, match=re.escape(message)), graph(contract=tmp_path / "other.yaml"):
        pass


def test_depth_comes_with_the_colours_and_where_the_contract_wants_it() -> None:
    with_depth = {"contract": CONFIG / "contracts" / "panda_conveyor_depth.yaml"}
    refusal = re.escape("depth.encoding = 16UC1, but the simulated camera gives no depth")
    with pytest.raises(BcError, match=refusal), graph(**with_depth):
        pass
    with graph(lockstep=True, task=CONFIG / "tasks" / "conveyor_depth.yaml", **with_depth) as g:
        g.until_tick(1_200 * MS)
        depth, info = g.heard["camera/depth/image_raw"], g.heard["camera/depth/camera_info"]
        g.until(lambda: len(depth) == len(info) == len(g.heard["camera/image_raw"]) >= 3)
        assert (
            g.stamps("camera/depth/image_raw") == g.stamps("camera/image_raw") == g.stamps("camera/depth/camera_info")
        )
        assert (info[-1].width, info[-1].height, info[-1].header.frame_id) == (96, 96, depth[-1].header.frame_id)
        metres = extract(Contract.load(with_depth["contract"]).observations["depth"], depth[-1])
        assert 0.5 < np.median(metres[metres > 0.0]) < 1.6
