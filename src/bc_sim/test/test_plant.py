"""The native loop: MuJoCo and the controller in closed loop, in lock step and in real time."""

import threading
import time
from collections.abc import Callable
from typing import Any

import mujoco
import numpy as np
import numpy.typing as npt
import pytest

from bc_controllers import Controller, Robot
from bc_core.chunks import ActionChunk, ActionGroup, Space
from bc_msgs.msg import ChunkAck, ControllerState, ControlMode
from bc_msgs.srv import ChangeMode
from bc_sim import scene as scenes
from bc_sim._plant import Plant, timer_lateness
from bc_sim.task import ConveyorPick
from bc_sim.task_config import TaskConfig

Array = npt.NDArray[np.float64]
PERIOD = 1_000_000
START = 1_000_000_000


class Rig:
    """A scene, a controller and their plant."""

    def __init__(self, robot: Robot, task: TaskConfig, seed: int = 1) -> None:
        self.robot = robot
        self.scene = scenes.build(robot, task)
        ConveyorPick(task, self.scene.ids).reset(self.scene, seed)
        self.controller = Controller(robot.controller, str(robot.urdf))
        self.plant = self.make_plant()

    def make_plant(self, **changes: Any) -> Plant:
        wiring: dict[str, Any] = {
            "arm_joints": self.robot.arm,
            "arm_actuators": self.robot.arm,
            "finger_joints": self.robot.fingers,
            "finger_actuators": self.robot.fingers,
        }
        return Plant(self.controller, self.scene.model._address, self.scene.data._address, **{**wiring, **changes})

    def chunk(self, rows: Array, **fields: Any) -> ActionChunk:
        groups = (
            ActionGroup("arm", Space.JOINT_POSITION, self.robot.arm, 0, 7),
            ActionGroup("gripper", Space.GRIPPER, (self.robot.gripper,), 7, 1),
        )
        values: dict[str, Any] = {
            "dt_ns": 50_000_000,
            "groups": groups,
            "producer": "test",
            "producer_id": 1,
            "sequence": 1,
        }
        return ActionChunk(stamp_ns=self.plant.now_ns, actions=rows, **{**values, "mode_epoch": 1, **fields})


@pytest.fixture
def rig(robot: Robot, task: TaskConfig) -> Rig:
    return Rig(robot, task)


def swing(home: Array, rows: int = 60) -> Array:
    """A smooth swing of every joint with the gripper closing, shape (rows, 8), starting from a stand at `home`."""
    phase = np.linspace(0.0, 2 * np.pi, rows)[:, None]
    amplitude = np.array([0.2, 0.15, 0.2, 0.2, 0.3, 0.3, 0.4])
    return np.hstack([home + amplitude * 0.5 * (1 - np.cos(phase)), np.linspace(0.08, 0.03, rows)[:, None]])


def run(plant: Plant, periods: int, state: Callable[[], ControllerState]) -> tuple[Array, Array]:
    """Measured and reference positions of every period, each of shape (periods, 7)."""
    measured, reference = [], []
    for _ in range(periods):
        plant.advance(1)
        measured.append(state().position)
        reference.append(state().position_reference)
    return np.array(measured), np.array(reference)


def test_the_arm_stands_where_it_starts(rig: Rig) -> None:
    """Pinocchio's gravity holds MuJoCo's arm: both read the same description."""
    before = rig.plant.sample().position
    rig.plant.advance(2000)
    np.testing.assert_allclose(rig.plant.sample().position, before, atol=1e-4)
    assert rig.plant.now_ns == START + 2000 * PERIOD


def test_a_chunk_is_tracked_in_closed_loop(rig: Rig) -> None:
    home = rig.plant.sample().position
    rig.plant.advance(10)
    rig.controller.submit("human", rig.chunk(swing(home)))
    measured, reference = run(rig.plant, 2900, rig.controller.state)
    assert np.abs(reference - home).max() > 0.35
    error = np.abs(measured - reference)
    assert error.max() < 0.02 and np.sqrt(np.mean(error**2)) < 0.006
    opening = rig.plant.sample().gripper
    assert opening == pytest.approx(rig.controller.state().gripper_reference, abs=2e-3)
    status = rig.controller.status()
    assert (status.velocity_limited, status.torque_limited) == (0, 0)
    assert rig.plant.status().physics_warnings == 0


@pytest.mark.parametrize(("noise", "limited"), [(0.0, 0.0), (0.003, 0.02)])
def test_rows_of_20_hz_hardly_ever_meet_the_limit_of_the_torque_rate(rig: Rig, noise: float, limited: float) -> None:
    """A policy's rows, with noise [rad] as a network has it. Linear interpolation met it in 17 % of the periods."""
    rows = swing(rig.plant.sample().position)
    rows[1:, :7] += np.random.default_rng(0).normal(0.0, noise, (len(rows) - 1, 7))
    rig.plant.advance(10)
    rig.controller.submit("human", rig.chunk(rows))
    rig.plant.advance(2900)
    assert rig.controller.status().torque_rate_limited <= limited * 2900


def test_a_push_is_followed_and_recovered_from(rig: Rig) -> None:
    """Compliance: a constant force at the hand moves it as far as the stiffness says, and not for good."""
    rig.plant.advance(10)
    rest = rig.controller.state().tcp
    hand = rig.scene.model.body("panda_hand").id
    rig.scene.data.xfrc_applied[hand, 0] = 20.0
    rig.plant.advance(1500)
    pushed = rig.controller.state().tcp
    rig.scene.data.xfrc_applied[hand, 0] = 0.0
    rig.plant.advance(2000)
    released = rig.controller.state().tcp
    assert 0.005 < pushed[0] - rest[0] < 0.1
    np.testing.assert_allclose(released[:3], rest[:3], atol=5e-4)


def test_lock_step_is_deterministic(robot: Robot, task: TaskConfig) -> None:
    states = []
    for _ in range(2):
        rig = Rig(robot, task)
        rig.plant.advance(5)
        rig.controller.submit("human", rig.chunk(swing(rig.plant.sample().position)))
        rig.plant.advance(1500)
        states.append(np.concatenate([rig.scene.data.qpos, rig.scene.data.qvel]))
    np.testing.assert_array_equal(states[0], states[1])


def test_samples_lie_on_multiples_of_5_ms(rig: Rig) -> None:
    rig.plant.advance(101)
    samples = rig.plant.samples()
    assert [sample.now_ns for sample in samples] == [START + i * 5 * PERIOD for i in range(21)]
    assert rig.plant.samples() == []
    assert [sample.period for sample in samples] == list(range(0, 101, 5))


def test_read_gives_the_state_of_the_newest_sample(rig: Rig) -> None:
    other = mujoco.MjData(rig.scene.model)
    assert rig.plant.read(other._address).now_ns == START  # before anything ran
    np.testing.assert_array_equal(other.qpos, rig.scene.data.qpos)
    rig.plant.advance(500)
    sample = rig.plant.read(other._address)
    assert sample.now_ns == START + 499 * PERIOD
    assert other.time == sample.simulation_time
    np.testing.assert_array_equal(other.qpos[list(rig.scene.ids.arm_qpos)], sample.position)


def test_write_puts_the_robot_elsewhere_without_a_jolt(rig: Rig) -> None:
    home = rig.plant.sample().position
    rig.plant.advance(20)
    rig.controller.submit("human", rig.chunk(swing(home)))
    rig.plant.advance(100)
    assert rig.controller.state().mode == ControlMode.HUMAN
    other = mujoco.MjData(rig.scene.model)
    rig.plant.read(other._address)
    other.qpos[list(rig.scene.ids.arm_qpos)] = home + 0.3
    other.qvel[:] = 0.0
    rig.plant.write(other._address, "scene reset")
    rig.plant.advance(1000)
    state = rig.controller.state()
    assert state.mode == ControlMode.HOLD
    assert rig.controller.poll_modes()[-1].reason == "scene reset"
    np.testing.assert_allclose(state.position, home + 0.3, atol=1e-4)
    np.testing.assert_allclose(state.position_reference, home + 0.3)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"arm_joints": ["panda_joint9"] * 7}, "joint 'panda_joint9' is not in the MuJoCo model"),
        ({"finger_actuators": ["thumb"]}, "actuator 'thumb' is not in the MuJoCo model"),
        ({"arm_joints": ["panda_joint1"]}, "the controller has 7 joints, the wiring 1 and 7 actuators"),
        ({"period_ns": 1_500_000}, "is no multiple of the model's"),
    ],
)
def test_wiring_that_does_not_fit_is_refused(rig: Rig, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        rig.make_plant(**changes)


def test_lock_step_leaves_other_python_threads_alone(rig: Rig) -> None:
    """advance() holds no GIL: a counter in another thread goes on while a long one runs."""
    counts, stop = [0], threading.Event()

    def count() -> None:
        while not stop.is_set():
            counts[0] += 1

    thread = threading.Thread(target=count)
    thread.start()
    before = counts[0]
    rig.plant.advance(3000)
    after = counts[0]
    stop.set()
    thread.join()
    assert after - before > 100


def test_real_time_runs_resets_and_stops(rig: Rig) -> None:
    """No judgement of the machine's speed here: that everything happens, and that time is the system's."""
    home = rig.plant.sample().position
    other = mujoco.MjData(rig.scene.model)
    rig.plant.start()
    try:
        with pytest.raises(RuntimeError, match=r"stop\(\) it first"):
            rig.plant.advance(1)
        with pytest.raises(RuntimeError, match=r"stop\(\) it first"):
            rig.plant.start()
        wait_for(lambda: rig.plant.status().periods >= 50)
        ticket = rig.controller.change_mode(ChangeMode.Request.RESUME, "test")
        results = wait_for(rig.controller.poll_results)
        assert (results[0].ticket, results[0].success) == (ticket, True)
        rig.controller.submit("policy", rig.chunk(swing(home), mode_epoch=2))
        acks = wait_for(rig.controller.poll_acks)
        assert acks[0].verdict == ChunkAck.IN_FORCE, acks[0].detail
        assert abs(acks[0].stamp_ns - time.time_ns()) < 60_000_000_000
        rig.plant.read(other._address)
        other.qpos[list(rig.scene.ids.arm_qpos)] = home
        rig.plant.write(other._address)
        wait_for(lambda: rig.controller.state().mode == ControlMode.HOLD)
        assert rig.plant.status().scheduling.startswith(("fifo 80", "normal (SCHED_FIFO 80 refused"))
    finally:
        rig.plant.stop()
    assert not rig.plant.running
    periods = rig.plant.status().periods
    rig.plant.advance(10)  # the same plant goes on in lock step
    assert rig.plant.status().periods == periods + 10
    assert len(rig.plant.samples()) > 0


def test_the_machine_s_own_lateness_is_counted_per_period() -> None:
    timer = timer_lateness(0.05)
    assert timer.periods == 50
    assert timer.late_over_1ms <= timer.periods
    assert timer.late_max_us >= timer.late_p99_us > 0
    assert timer.scheduling.startswith(("fifo 80", "normal (SCHED_FIFO 80 refused"))


def wait_for(poll: Callable[[], Any], seconds: float = 30.0) -> Any:
    """Poll until there is something, and return it; the limit is for a loop that is dead, not for one that is slow."""
    deadline = time.monotonic() + seconds
    while not (found := poll()):
        assert time.monotonic() < deadline, "the loop does not answer"
        time.sleep(0.002)
    return found
