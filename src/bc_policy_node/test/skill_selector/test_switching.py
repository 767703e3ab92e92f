"""skill_selector, chunk_scheduler and policy_node over a real graph: policies change in HOLD, and only there."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from rclpy.parameter import Parameter
from std_srvs.srv import Trigger

from bc_core.errors import BcError
from bc_msgs.msg import ControlMode, SkillStatus
from bc_msgs.srv import ActivatePolicy, ChangeMode
from bc_nodes.convert import to_ns

from .graph import HORIZONS, Graph


@pytest.fixture
def graph(whole: Graph) -> Iterator[Graph]:
    """At rest, in HOLD, with nothing heard yet."""
    robot = whole.robot
    robot.mute, robot.position = False, [0.0, 0.0]
    whole.call(robot.stop, Trigger.Request())
    whole.until(lambda: robot.now.phase == SkillStatus.IDLE)
    if robot.mode != ControlMode.HOLD:
        robot.change(ControlMode.HOLD, "reset")
    whole.spin(0.2)
    for heard in (robot.chunks, robot.asked):
        heard.clear()
    return whole


def test_two_policies_take_turns_and_no_epoch_has_two(graph: Graph) -> None:
    robot = graph.robot
    before = len(robot.modes)
    for name, wanted in (("first", "long"), ("second", "short"), ("first", "long")):
        count = len(robot.chunks)
        assert graph.select(name).success
        graph.until(lambda count=count, h=HORIZONS[wanted]: sum(c.horizon == h for c in robot.chunks[count:]) >= 3)
        assert robot.now.skill == name
    assert [mode.mode for mode in robot.modes[before:]] == [
        ControlMode.POLICY, ControlMode.HOLD, ControlMode.POLICY, ControlMode.HOLD, ControlMode.POLICY,
    ]  # fmt: skip
    by_epoch: dict[int, set[int]] = {}
    for chunk in robot.chunks:
        by_epoch.setdefault(chunk.mode_epoch, set()).add(chunk.horizon)
    assert all(len(horizons) == 1 for horizons in by_epoch.values())
    assert [next(iter(by_epoch[epoch])) for epoch in sorted(by_epoch)] == [16, 12, 16]
    sequences = [chunk.sequence for chunk in robot.chunks]
    assert sequences == sorted(set(sequences))  # of one producer: the arbiter refuses anything else


def test_a_skill_ends_in_hold_when_its_condition_holds(graph: Graph) -> None:
    robot, count = graph.robot, graph.robot.now.ended
    assert graph.select("first").success
    graph.until(lambda: robot.now.phase == SkillStatus.RUNNING and len(robot.chunks) > 1)
    robot.position = [2.5, 0.0]
    status = graph.ended(count + 1)
    assert (status.last_skill, status.last_outcome, status.skill) == ("first", SkillStatus.SUCCESS, "")
    assert robot.mode == ControlMode.HOLD


def test_a_skill_that_never_ends_is_ended_into_hold(graph: Graph) -> None:
    robot, count = graph.robot, graph.robot.now.ended
    assert graph.select("endless").success
    status = graph.ended(count + 1)
    assert (status.last_outcome, status.last_reason) == (SkillStatus.TIMEOUT, "not over within 0.5 s")
    assert robot.mode == ControlMode.HOLD
    assert (ChangeMode.Request.HOLD, "skill 'endless': timeout") in robot.asked


def test_a_stale_observation_refuses_and_nothing_is_resumed(graph: Graph) -> None:
    robot, count = graph.robot, graph.robot.now.ended
    robot.mute = True
    graph.spin(0.3)
    assert graph.select("first").success
    status = graph.ended(count + 1)
    assert status.last_outcome == SkillStatus.REFUSED
    assert "observation 'arm'" in status.last_reason and "joint_states" in status.last_reason
    assert not robot.asked


def test_a_human_pre_empts_and_nothing_goes_on_by_itself(graph: Graph) -> None:
    robot, count = graph.robot, graph.robot.now.ended
    assert graph.select("first").success
    graph.until(lambda: robot.now.phase == SkillStatus.RUNNING)
    robot.change(ControlMode.HUMAN, "human chunk")
    assert graph.ended(count + 1).last_outcome == SkillStatus.PREEMPTED
    assert "a human drives" in graph.select("second").message
    robot.change(ControlMode.HOLD, "lease over")
    asked = len(robot.asked)
    graph.spin(0.5)
    assert len(robot.asked) == asked
    assert robot.mode == ControlMode.HOLD


def test_a_policy_does_not_change_while_it_drives(graph: Graph, folder: Path) -> None:
    robot = graph.robot
    assert graph.select("first").success
    graph.until(lambda: len(robot.chunks) > 1)
    response = graph.call(robot.activate, ActivatePolicy.Request(checkpoint=str(folder / "short")))
    assert not response.success
    assert "cannot change in POLICY: ask the controller for HOLD" in response.message
    robot.change(ControlMode.HOLD, "operator")
    graph.until(lambda: robot.now.phase == SkillStatus.IDLE)
    response = graph.call(robot.activate, ActivatePolicy.Request(checkpoint="elsewhere"))
    assert "no checkpoint 'elsewhere'" in response.message
    response = graph.call(robot.activate, ActivatePolicy.Request(checkpoint=str(folder / "long"), time_limit=-1.0))
    assert "time_limit is -1" in response.message


def test_without_a_skill_a_resume_moves_nothing(graph: Graph) -> None:
    """Nobody has chosen a policy for this stay in POLICY: the last one's time was over."""
    robot, scheduler = graph.robot, graph.nodes[1]
    scheduler._activation.active = None
    robot.change(ControlMode.POLICY, "operator")
    graph.until(lambda: "no policy is active: choose a skill" in scheduler._activation.message)
    graph.spin(0.4)
    assert not robot.chunks


def test_a_policy_whose_selector_is_gone_runs_out_of_time(graph: Graph, folder: Path) -> None:
    """Nobody is left who would end the skill: as if its process had been killed."""
    robot, scheduler = graph.robot, graph.nodes[1]
    request = ActivatePolicy.Request(checkpoint=str(folder / "long"), time_limit=0.6)
    assert graph.call(robot.activate, request).success
    robot.change(ControlMode.POLICY, "resumed")
    begun = to_ns(robot.modes[-1].header.stamp)
    graph.until(lambda: "are over and nobody has ended it" in scheduler._activation.message)
    graph.spin(0.3)
    assert robot.chunks
    assert all(to_ns(chunk.header.stamp) <= begun + 700_000_000 for chunk in robot.chunks)


def test_a_policy_that_policy_node_has_not_loaded_is_told(graph: Graph) -> None:
    robot, policy_node = graph.robot, graph.nodes[0]
    policies, policy_node._policies = policy_node._policies, {}
    try:
        assert graph.select("first").success
        graph.until(lambda: "has no checkpoint" in graph.nodes[1]._scheduler.message)
        assert not robot.chunks
    finally:
        policy_node._policies = policies


def test_an_ensemble_is_of_one_policy(graph: Graph) -> None:
    node = graph.nodes[0]
    before = node._parameters["help_threshold"]
    node._parameters["help_threshold"] = Parameter("help_threshold", value=0.5)  # read-only: as if given at start
    try:
        with pytest.raises(BcError, match="an ensemble is of one policy"):
            node._make_asking()
    finally:
        node._parameters["help_threshold"] = before
