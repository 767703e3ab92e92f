"""teleop_node in a real graph of its own domain, against a controller that the test plays."""

import asyncio
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rclpy
import yaml
from diagnostic_msgs.msg import DiagnosticArray
from evdev import ecodes
from gamepad_stand_in import XBOX, Pad
from nav_msgs.msg import Odometry
from page_client import page_session
from rclpy.experimental import EventsExecutor
from rclpy.node import Node
from sensor_msgs.msg import JointState, Joy, JoyFeedbackArray
from std_srvs.srv import SetBool, Trigger

from bc_controllers import Robot
from bc_core.errors import BcError
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
from bc_msgs.srv import ChangeMode, StartEpisode, StopEpisode
from bc_nodes import qos
from bc_nodes.convert import chunk_from_msg, to_ns, to_stamp
from bc_teleop import device_shell
from bc_teleop.feedback import DENIED, WARNED
from bc_teleop.teleop_node import TeleopNode

DOMAIN = 147
TICK = 50_000_000
PATIENCE = 20.0  # [s] before a message counts as missing; never waited for in a test that passes


class Graph:
    """The node under test, and a peer that publishes what a robot would and collects what comes."""

    def __init__(self, panda: Robot, config: Path, **parameters: Any) -> None:
        self.robot = panda
        rclpy.init(args=self._arguments(config, parameters), domain_id=DOMAIN)
        self.peer = Node("peer")
        self.chunks: list[ActionChunk] = []
        self.done: list[TickDone] = []
        self.peer.create_subscription(ActionChunk, "command/human", self.chunks.append, qos.RECORD)
        self.peer.create_subscription(TickDone, "sim/tick_done", self.done.append, qos.RECORD)
        self.felt: list[float] = []
        self.peer.create_subscription(
            JoyFeedbackArray, "joy/set_feedback", lambda msg: self.felt.append(msg.array[0].intensity), qos.EVENT
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


@pytest.fixture
def graph(robot: Robot, config_folder: Path) -> Iterator[Callable[..., Graph]]:
    graphs: list[Graph] = []

    def make(**parameters: Any) -> Graph:
        graphs.append(Graph(robot, config_folder, **parameters))
        return graphs[-1]

    yield make
    for made in graphs:
        made.close()


def test_in_lock_step_every_tick_is_answered_from_its_own_observations(graph: Callable[..., Graph]) -> None:
    world = graph(lockstep=True, seed=3)
    world.up()
    for tick in range(20, 40):
        world.publish_tick(tick, seed=1, elapsed=(tick - 20) * 0.05)
        world.spin_until(lambda tick=tick: bool(world.done) and to_ns(world.done[-1].header.stamp) == tick * TICK)
    assert len(world.done) == 20
    assert {done.participant for done in world.done} == {"teleop"}
    world.spin_until(lambda: bool(world.chunks) and world.chunks[-1].sequence == world.done[-1].sequence)
    first = chunk_from_msg(world.chunks[0])
    assert first.stamp_ns % TICK == 0 and first.horizon >= 3 and first.producer == "teleop"
    assert first.producer_id == world.node.process_id
    assert list(first.actions[0][:7]) == pytest.approx(world.robot.home)
    assert [chunk.sequence for chunk in world.chunks] == list(range(1, len(world.chunks) + 1))


def test_time_stands_still_until_the_recorder_records(graph: Callable[..., Graph]) -> None:
    world = graph(lockstep=True, await_recording=True)
    world.up()
    world.publish_tick(20, seed=1, elapsed=0.0)
    world.spin(20)
    assert world.done == []
    world.publishers["episode/status"].publish(EpisodeStatus(state=EpisodeStatus.RECORDING))
    world.spin_until(lambda: len(world.done) == 1)


def test_a_decided_episode_ends_with_a_release(graph: Callable[..., Graph]) -> None:
    world = graph(lockstep=True)
    world.up()
    for tick in range(20, 36):
        world.publish_tick(tick, seed=1, elapsed=(tick - 20) * 0.05)
        world.spin_until(lambda tick=tick: bool(world.done) and to_ns(world.done[-1].header.stamp) == tick * TICK)
    world.publish_tick(36, seed=1, elapsed=0.8, success=True)
    world.spin_until(lambda: bool(world.chunks) and world.chunks[-1].release)
    world.publish_tick(37, seed=1, elapsed=0.85, success=True)
    world.spin_until(lambda: to_ns(world.done[-1].header.stamp) == 37 * TICK)
    assert world.done[-1].sequence == world.chunks[-1].sequence


def patient_joystick(config_folder: Path, folder: Path) -> Path:
    """The shipped file with the longest timeout: a loaded machine is not a dead joystick."""
    document = yaml.safe_load((config_folder / "teleop" / "joy.yaml").read_text())
    document["joy"]["timeout"] = 2.0
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


def test_a_joystick_drives_and_letting_go_releases(
    graph: Callable[..., Graph], config_folder: Path, tmp_path: Path
) -> None:
    world = graph(device="joy", settings=patient_joystick(config_folder, tmp_path), max_age=PATIENCE)
    world.up()
    world.spin_until(lambda: world.publishers["joy"].get_subscription_count() > 0)

    def drive(dead_man: int, until: Callable[[], bool]) -> None:
        def turn() -> bool:
            joystick(world, dead_man, 1.0)
            return until()

        world.spin_until(turn)

    drive(0, lambda: world.node.session.armed)
    drive(1, lambda: len(world.chunks) >= 3)
    chunk = chunk_from_msg(world.chunks[0])
    assert not chunk.release and chunk.horizon >= 3
    assert abs(chunk.actions[-1][:7] - chunk.actions[0][:7]).max() > 1e-3
    world.spin_until(lambda: bool(world.felt))
    assert world.felt[0] > 0.0
    drive(0, lambda: world.chunks[-1].release)


def test_a_button_asks_the_controller(graph: Callable[..., Graph]) -> None:
    world = graph(device="joy")
    asked: list[int] = []

    def answer(request: ChangeMode.Request, response: ChangeMode.Response) -> ChangeMode.Response:
        asked.append(request.request)
        response.success = True
        return response

    world.peer.create_service(ChangeMode, "controller/change_mode", answer)
    world.up()
    world.spin_until(lambda: world.node.count_services("controller/change_mode") > 0)
    world.spin_until(lambda: world.publishers["joy"].get_subscription_count() > 0)

    def press() -> bool:
        joystick(world, 0, 0.0, resume=len(asked) == 0)
        return bool(asked)

    world.spin_until(press)
    assert asked == [ChangeMode.Request.RESUME]


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


def test_one_button_begins_an_episode_and_ends_it_and_warnings_are_felt(graph: Callable[..., Graph]) -> None:
    world = graph(device="joy", operator="me")
    asked: list[Any] = []

    def answer(request: Any, response: Any) -> Any:
        asked.append(request)
        response.success = True
        return response

    world.peer.create_service(StartEpisode, "episode/start", answer)
    world.peer.create_service(StopEpisode, "episode/stop", answer)
    world.peer.create_service(SetBool, "episode/pause", answer)
    world.peer.create_service(Trigger, "episode/rerecord", answer)
    world.up()
    world.spin_until(lambda: world.node.count_services("episode/rerecord") > 0)
    world.spin_until(lambda: world.publishers["joy"].get_subscription_count() > 0)
    world.publishers["task/state"].publish(TaskState(task="pick", seed=7))

    def press(button: int) -> Any:
        """Hold a button until something was asked, and let it go."""
        before = len(asked)

        def held() -> bool:
            joystick(world, 0, 0.0, pressed=button)
            return len(asked) > before

        world.spin_until(held)
        for _ in range(5):
            joystick(world, 0, 0.0)
            world.spin(4)
        assert len(asked) == before + 1
        return asked[-1]

    def status(state: int, **fields: Any) -> None:
        world.publishers["episode/status"].publish(EpisodeStatus(state=state, **fields))
        world.spin_until(lambda: world.node.episode_state == state)

    began = press(7)
    assert (began.task, began.operator_name, began.seed) == ("pick", "me", 7)
    world.felt.clear()
    status(EpisodeStatus.RECORDING, warnings=["'camera' is silent"])
    world.spin_until(lambda: WARNED.intensity in world.felt)
    assert press(8) == SetBool.Request(data=True)
    status(EpisodeStatus.PAUSED)
    assert press(8) == SetBool.Request(data=False)
    assert press(2) == Trigger.Request()
    status(EpisodeStatus.RECORDING)
    assert press(7).outcome == EpisodeOutcome.SUCCESS
    assert press(6).outcome == EpisodeOutcome.FAILURE
    assert press(2).discard


def test_a_gamepad_drives_without_a_joy_node(graph: Callable[..., Graph], monkeypatch: pytest.MonkeyPatch) -> None:
    """Events of the kernel, the thread that reads them, the node, a chunk; and pulling the cable lets go."""
    pad = Pad(XBOX)

    def find(name: str) -> Pad:
        if pad.pulled:
            raise BcError("no gamepad")
        return pad

    monkeypatch.setattr(device_shell, "open_gamepad", find)
    world = graph(device="gamepad", layout="xbox", max_age=PATIENCE)
    world.up()
    look_until = partial(spin_a_controller, world)
    look_until(lambda: world.node.session.armed)  # the dead-man was seen released
    assert not world.chunks
    pad.emit((ecodes.EV_ABS, ecodes.ABS_Y, -32768), (ecodes.EV_KEY, ecodes.BTN_TL, 1))
    look_until(lambda: len(world.chunks) >= 5)
    forward = chunk_from_msg(world.chunks[-1]).actions
    assert np.abs(forward[-1, :7] - forward[0, :7]).max() > 1e-3
    pad.pull()
    look_until(lambda: world.chunks[-1].release)


def test_a_leader_arm_takes_hold_where_the_robot_is(
    graph: Callable[..., Graph], config_folder: Path, tmp_path: Path
) -> None:
    """The shipped file, with patient timeouts: JointState and a pedal's Joy in, chunks out, obstacles told."""
    document = yaml.safe_load((config_folder / "teleop" / "leader.yaml").read_text())
    document["leader"]["timeout"], document["joy"]["timeout"] = 0.5, 2.0
    (tmp_path / "leader.yaml").write_text(yaml.safe_dump(document))
    world = graph(device="leader", settings=tmp_path / "leader.yaml", max_age=PATIENCE)
    told: list[str] = []
    world.peer.create_subscription(
        DiagnosticArray, "/diagnostics", lambda msg: told.append(msg.status[0].message), qos.RECORD
    )
    world.up()
    names, home = document["leader"]["joints"], list(world.robot.home)
    pedal, angle = 0, 0.4

    def move() -> None:
        joints = [home[0], home[1], home[2], home[3] + angle, *home[4:]]
        world.publishers["leader"].publish(JointState(name=names, position=joints))
        world.publishers["joy"].publish(Joy(axes=[], buttons=[int(index == 4 and pedal) for index in range(9)]))

    spin_a_controller(world, lambda: any("panda_joint4 by -0.40" in text for text in told), move)
    pedal = 1
    spin_a_controller(world, lambda: bool(world.felt), move)
    assert world.felt[0] == pytest.approx(DENIED.intensity) and not world.chunks
    pedal, angle = 0, 0.05
    spin_a_controller(world, lambda: any("aligned" in text for text in told), move)
    pedal = 1
    spin_a_controller(world, lambda: len(world.chunks) >= 4, move)
    angle = 0.3
    sent = len(world.chunks)
    spin_a_controller(world, lambda: len(world.chunks) >= sent + 3, move)
    rows = chunk_from_msg(world.chunks[-1]).actions
    assert rows[-1, 3] - rows[0, 3] > 1e-3 and np.ptp(rows[:, [0, 1, 2, 4, 5, 6]], axis=0).max() < 1e-9


def test_a_page_drives_and_its_end_releases(
    graph: Callable[..., Graph], config_folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    document = yaml.safe_load((config_folder / "teleop" / "browser.yaml").read_text())
    document["browser"]["port"], document["joy"]["timeout"] = 0, 2.0
    document["browser"]["lateness"] = 1.0
    (tmp_path / "browser.yaml").write_text(yaml.safe_dump(document))
    (tmp_path / "layouts").symlink_to(config_folder / "teleop" / "layouts")
    world = graph(device="browser", settings=tmp_path / "browser.yaml", max_age=PATIENCE)
    world.up()
    found = re.search(r"drive at (https://\S+)/\?token=(\S+)", capfd.readouterr().err)
    assert found is not None
    open_line, pressed, ended = threading.Event(), threading.Event(), threading.Event()

    async def drive() -> None:
        async with page_session() as session:
            await session.get(f"{found[1]}/?token={found[2]}")
            line = await session.ws_connect(f"{found[1]}/drive", origin=found[1])
            while not ended.is_set():
                buttons = [int(index == 4 and pressed.is_set()) for index in range(17)]
                await line.send_json({"t": 1000 * time.monotonic(), "axes": [0, -1.0, 0, 0], "buttons": buttons})
                with suppress(TimeoutError):
                    if (await line.receive_json(timeout=0.02)).get("open"):
                        open_line.set()

    visitor = threading.Thread(target=lambda: asyncio.run(drive()))
    visitor.start()
    try:
        spin_a_controller(world, lambda: open_line.is_set() and world.node.session.armed)
        assert not world.chunks
        pressed.set()
        spin_a_controller(world, lambda: len(world.chunks) >= 4)
        forward = chunk_from_msg(world.chunks[-1]).actions
        assert np.abs(forward[-1, :7] - forward[0, :7]).max() > 1e-3
    finally:
        ended.set()  # with the dead-man held
        visitor.join()
    spin_a_controller(world, lambda: world.chunks[-1].release)


def test_a_gamepad_that_lacks_a_button_of_its_settings_ends_the_node(
    graph: Callable[..., Graph], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What goes wrong with a reading from a device's own thread is not swallowed."""
    monkeypatch.setattr(
        device_shell, "open_gamepad", lambda name: Pad({**XBOX, ecodes.EV_KEY: XBOX[ecodes.EV_KEY][:5]})
    )
    world = graph(device="gamepad", layout="xbox")
    world.up()
    with pytest.raises(BcError, match="joystick has 5 of kind 'button'"):
        world.spin_until(lambda: False)


def test_deactivating_gives_the_lease_back(graph: Callable[..., Graph]) -> None:
    world = graph(lockstep=True)
    world.up()
    for tick in range(20, 36):
        world.publish_tick(tick, seed=1, elapsed=(tick - 20) * 0.05)
        world.spin_until(lambda tick=tick: bool(world.done) and to_ns(world.done[-1].header.stamp) == tick * TICK)
    assert world.node.session.engaged
    world.node.trigger_deactivate()
    world.spin_until(lambda: world.chunks[-1].release)
    sent = len(world.chunks)
    world.publish_tick(36, seed=1, elapsed=0.8)
    world.spin_until(lambda: to_ns(world.done[-1].header.stamp) == 36 * TICK)
    assert len(world.chunks) == sent


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"device": "telepathy"}, "telepathy"),
        ({"robot": "nowhere.yaml"}, r"nowhere\.yaml"),
        ({"contract": "nowhere.yaml"}, r"nowhere\.yaml"),
        ({"knots": 2}, "knots"),
        ({"row_dt": 1.0}, "row_dt"),
        ({"period": 2.0}, "period"),
    ],
)
def test_a_wrong_parameter_is_one_clear_error(
    graph: Callable[..., Graph], parameters: dict[str, Any], message: str
) -> None:
    world = graph(**parameters)
    with pytest.raises(BcError, match=message):
        world.node.bring_up()


def test_another_robots_joints_are_an_error(graph: Callable[..., Graph]) -> None:
    world = graph()
    world.up()
    stranger = world.state(world.peer.get_clock().now().nanoseconds, joint_names=[f"ur_{i}" for i in range(7)])

    def spin() -> bool:
        stranger.header.stamp = world.peer.get_clock().now().to_msg()
        world.publishers["controller/state"].publish(stranger)
        return False

    with pytest.raises(BcError, match="panda_joint1"):
        world.spin_until(spin)
