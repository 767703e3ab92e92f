"""The plugins in a real controller_manager: torques on rigid-body dynamics."""

from collections.abc import Iterator

import numpy as np
import pytest
from action_msgs.msg import GoalStatus
from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import SetParameters

from bc_msgs.msg import ChunkAck, ControlMode
from bc_msgs.srv import ChangeMode

pytest.importorskip("controller_manager_msgs", reason="ros2_control is not installed: its plugins are not built")
from control_msgs.action import FollowJointTrajectory
from control_rig import ControlRig, running

pytestmark = pytest.mark.usefixtures("context")
PLUGINS = {
    f"bc_controllers/{name}"
    for name in ("JointImpedanceController", "CartesianImpedanceController", "PositionChunkController")
}
JTC = "joint_trajectory_controller/JointTrajectoryController"
ARM = [f"panda_joint{i}" for i in range(1, 8)]
TRAJECTORY = {"joints": ARM, "command_interfaces": ["position"], "state_interfaces": ["position", "velocity"]}


@pytest.fixture(scope="module")
def sim(context: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlRig]:
    """A Panda that moves by its torques; the controller is active, another one waits."""
    parameters = {
        "controller_manager": {
            "controller": {"type": "bc_controllers/JointImpedanceController"},
            "cartesian": {"type": "bc_controllers/CartesianImpedanceController"},
            "nowhere": {"type": "bc_controllers/JointImpedanceController"},
            "negative": {"type": "bc_controllers/JointImpedanceController"},
            "trajectory": {"type": JTC},
        },
        "nowhere": {"like": "controller", "tcp_frame": "nowhere"},
        "negative": {"like": "controller", "impedance": {"damping": [-1.0] * 7}},
        "cartesian": {"like": "controller"},
        "trajectory": TRAJECTORY,
    }
    with running("panda", "sim", parameters, tmp_path_factory.mktemp("sim")) as rig:
        assert rig.load("controller") and rig.configure("controller")
        assert rig.load("trajectory") and rig.configure("trajectory")
        assert rig.switch(activate=["controller"])
        yield rig


@pytest.fixture(autouse=True)
def in_hold(request: pytest.FixtureRequest) -> None:
    """Tests that share a robot begin in HOLD, standing."""
    if "sim" in request.fixturenames:
        rig = request.getfixturevalue("sim")
        rig.until(lambda: rig.mode() == ControlMode.HOLD, "HOLD")
        rig.until(lambda: max(map(abs, rig.fresh_state().velocity)) < 0.01, "standstill")


def ramp(start: np.ndarray, joint: int, by: float, rows: int = 21) -> np.ndarray:
    return start + by * np.linspace(0.0, 1.0, rows)[:, None] * np.eye(len(start))[joint]


def reference(rig: ControlRig) -> np.ndarray:
    return np.array(rig.fresh_state().position_reference)


def test_the_controller_manager_knows_the_plugins(sim: ControlRig) -> None:
    assert set(sim.controller_types()) >= PLUGINS


def test_activation_holds_the_arm_where_it_is(sim: ControlRig) -> None:
    """No step, no sag: the first torque is the one that holds it."""
    home = np.array(sim.robot.home)
    np.testing.assert_allclose(sim.position(), home, atol=2e-3)
    np.testing.assert_allclose(reference(sim), home, atol=2e-3)
    assert sim.modes[0].mode == ControlMode.HOLD


def test_a_human_chunk_takes_over_moves_the_arm_and_gives_it_back(sim: ControlRig) -> None:
    start = reference(sim)
    sequence = sim.send("human", np.vstack([start, ramp(start, 0, 0.2)]))  # it arrives while it still stands
    ack = sim.ack_of(sequence)
    assert (ack.verdict, ack.source, ack.raw_jump) == (ChunkAck.IN_FORCE, "human", pytest.approx(0.0, abs=1e-3))
    sim.until(lambda: sim.mode() == ControlMode.HUMAN, "HUMAN")
    sim.until(lambda: sim.mode() == ControlMode.HOLD, "HOLD")
    assert sim.modes[-1].reason == "lease over"
    np.testing.assert_allclose(reference(sim), ramp(start, 0, 0.2)[-1], atol=2e-2)
    sim.until(lambda: np.allclose(sim.position(), reference(sim), atol=2e-3), "the arm follows")


def test_a_policy_commands_after_a_resume_only(sim: ControlRig) -> None:
    start = reference(sim)
    refused = sim.ack_of(sim.send("policy", ramp(start, 1, 0.1)))
    assert (refused.verdict, refused.reason) == (ChunkAck.REFUSED, ChunkAck.WRONG_SOURCE)
    assert sim.change_mode(ChangeMode.Request.RESUME).mode == ControlMode.POLICY
    sim.until(lambda: sim.mode() == ControlMode.POLICY, "POLICY")
    assert sim.ack_of(sim.send("policy", ramp(start, 1, 0.1))).verdict == ChunkAck.IN_FORCE
    sim.until(lambda: sim.mode() == ControlMode.HOLD, "HOLD")
    assert sim.modes[-1].reason == "starved"


def test_a_stop_is_latched_until_it_is_reset(sim: ControlRig) -> None:
    assert sim.change_mode(ChangeMode.Request.STOP).mode == ControlMode.STOPPED
    sim.until(lambda: sim.mode() == ControlMode.STOPPED, "STOPPED")
    refused = sim.ack_of(sim.send("human", ramp(reference(sim), 0, 0.1)))
    assert (refused.verdict, refused.reason) == (ChunkAck.REFUSED, ChunkAck.WRONG_SOURCE)
    assert not sim.change_mode(ChangeMode.Request.RESUME).success
    assert sim.change_mode(ChangeMode.Request.RESET).mode == ControlMode.HOLD


def test_a_planner_moves_the_arm_through_the_action(sim: ControlRig) -> None:
    start = reference(sim)
    target = start + 0.15
    order = list(reversed(range(7)))
    goal = sim.goal([(0.0, start[order]), (1.0, target[order])], [ARM[i] for i in order])
    handle = sim.result(sim.follow.send_goal_async(goal), "goal")
    assert handle.accepted
    sim.until(lambda: sim.mode() == ControlMode.PLANNER, "PLANNER")
    outcome = sim.result(handle.get_result_async(), "result")
    assert outcome.result.error_string == ""
    assert (outcome.status, outcome.result.error_code) == (GoalStatus.STATUS_SUCCEEDED, 0)
    np.testing.assert_allclose(sim.position(), target, atol=0.05)
    assert sim.modes[-1].reason == "released"


def test_a_goal_that_is_cancelled_stops_the_arm(sim: ControlRig) -> None:
    start = reference(sim)
    goal = sim.goal([(0.0, start), (8.0, start - 0.4)])
    handle = sim.result(sim.follow.send_goal_async(goal), "goal")
    sim.until(lambda: sim.mode() == ControlMode.PLANNER, "PLANNER")
    sim.result(handle.cancel_goal_async(), "cancellation")
    outcome = sim.result(handle.get_result_async(), "result")
    assert outcome.status == GoalStatus.STATUS_CANCELED
    sim.until(lambda: sim.mode() == ControlMode.HOLD, "HOLD")
    assert np.all(np.abs(reference(sim) - start) < 0.3)


def test_a_human_takes_a_goal_over(sim: ControlRig) -> None:
    start = reference(sim)
    handle = sim.result(sim.follow.send_goal_async(sim.goal([(0.0, start), (8.0, start + 0.3)])), "goal")
    sim.until(lambda: sim.mode() == ControlMode.PLANNER, "PLANNER")
    sim.send("human", np.tile(reference(sim), (3, 1)))
    outcome = sim.result(handle.get_result_async(), "result")
    assert outcome.status == GoalStatus.STATUS_ABORTED
    assert outcome.result.error_string == "the mode is HUMAN now (human chunk)"


def test_goals_that_cannot_be_followed_say_why(sim: ControlRig) -> None:
    start = reference(sim)
    stale = sim.goal([(1.0, start)])
    stale.trajectory.header.stamp.sec = -5
    wrong = {
        "the goal moves elbow": sim.goal([(1.0, start[:1])], ["elbow"]),
        "starts elsewhere: panda_joint1": sim.goal([(0.0, start + 0.5), (1.0, start)]),
        "lies at 0.500000 s: times start at zero or later, and increase": sim.goal([(1.0, start), (0.5, start)]),
        "the trajectory has no points": sim.goal([]),
        "the trajectory was to start": stale,
    }
    codes = [-2, -1, -1, -1, -3]
    for (text, goal), code in zip(wrong.items(), codes, strict=True):
        handle = sim.result(sim.follow.send_goal_async(goal), "goal")
        outcome = sim.result(handle.get_result_async(), "result")
        assert (outcome.status, outcome.result.error_code) == (GoalStatus.STATUS_ABORTED, code)
        assert text in outcome.result.error_string
    assert sim.mode() == ControlMode.HOLD
    assert FollowJointTrajectory.Result.INVALID_JOINTS == -2


def test_gains_may_change_while_it_runs_and_are_judged_first(sim: ControlRig) -> None:
    def set_stiffness(values: list[float]) -> str:
        value = ParameterValue(type=ParameterType.PARAMETER_DOUBLE_ARRAY, double_array_value=values)
        parameters = [Parameter(name="impedance.stiffness", value=value)]
        (result,) = sim.call(SetParameters, "controller/set_parameters", parameters=parameters).results
        return "" if result.successful else str(result.reason)

    assert set_stiffness([500.0] * 4 + [150.0] * 3) == ""
    assert "6 values" in set_stiffness([500.0] * 6)
    assert set_stiffness([1e6] * 7) != ""
    assert set_stiffness([-1.0] * 7) != ""
    assert sim.mode() == ControlMode.HOLD


def test_what_is_sent_to_an_inactive_controller_never_moves_it(sim: ControlRig) -> None:
    """Another controller takes the arm over and gives it back, without a step."""
    before = sim.position()
    epoch = sim.fresh_state().mode_epoch
    assert sim.switch(activate=["trajectory"], deactivate=["controller"])
    sim.until(lambda: sim.modes[-1].reason == "deactivated", "mode 'deactivated'")
    answer = sim.change_mode(ChangeMode.Request.RESUME)
    assert (answer.success, answer.message) == (False, "the controller is not active: activate it first")
    rows = ramp(before, 2, 0.5)
    sim.state = sim.state or None
    sequence = _send_blind(sim, rows, epoch + 1)
    sim.spin(0.3)
    assert sim.switch(activate=["controller"], deactivate=["trajectory"])
    sim.spin(0.5)
    assert sim.mode() == ControlMode.HOLD
    assert [ack for ack in sim.acks if ack.sequence == sequence] == []
    np.testing.assert_allclose(sim.position(), before, atol=5e-3)
    np.testing.assert_allclose(reference(sim), before, atol=5e-3)


def _send_blind(rig: ControlRig, rows: np.ndarray, epoch: int) -> int:
    """To a controller that publishes no state: it is inactive."""
    state = rig.state
    assert state is not None
    rig.fresh_state = lambda: state  # type: ignore[method-assign]
    try:
        return rig.send("human", rows, epoch)
    finally:
        del rig.fresh_state  # type: ignore[method-assign]


def test_a_configuration_that_cannot_be_is_refused_by_name(sim: ControlRig) -> None:
    assert not sim.load("negative")
    assert "impedance.damping" in sim.said()
    assert sim.load("nowhere") and not sim.configure("nowhere")
    assert "frame 'nowhere' is not in the URDF" in sim.said()


def test_cartesian_impedance_holds_and_follows(sim: ControlRig) -> None:
    start = sim.position()
    assert sim.load("cartesian") and sim.configure("cartesian")
    assert sim.switch(activate=["cartesian"], deactivate=["controller"])
    with sim.beside("cartesian") as rig:
        np.testing.assert_allclose(rig.position(), start, atol=1e-2)
        assert rig.ack_of(rig.send("human", ramp(reference(rig), 0, -0.1))).verdict == ChunkAck.IN_FORCE
        rig.until(lambda: rig.mode() == ControlMode.HUMAN, "HUMAN")
        rig.until(lambda: rig.mode() == ControlMode.HOLD, "HOLD")
        start = ramp(start, 0, -0.1)[-1]
        rig.until(lambda: np.allclose(rig.position(), start, atol=2e-2), "the arm follows")
    assert sim.switch(activate=["controller"], deactivate=["cartesian"])
    np.testing.assert_allclose(sim.position(), start, atol=2e-2)
