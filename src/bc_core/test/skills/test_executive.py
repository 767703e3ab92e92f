"""The life of a skill in virtual time: never from one into the next but through HOLD, and whatever fails ends there."""

from pathlib import Path

import numpy as np
import pytest

from bc_core.errors import BcError
from bc_core.modes import Mode
from bc_core.skills.executive import MARGIN, Outcome, Phase

from .cell import HOME, PICK, PLACE, Cell, write_library


def begin(cell: Cell, skill: str, seconds: float = 0.5) -> None:
    cell.executive.select(skill, cell.now_ns)
    cell.run(seconds)


def ended(cell: Cell) -> tuple[str, Outcome, str]:
    """The last skill, once the robot holds."""
    cell.run(1.0)
    assert cell.executive.phase is Phase.IDLE
    assert cell.mode not in (Mode.POLICY, Mode.PLANNER)
    assert cell.executive.last is not None
    return cell.executive.last


def test_a_policy_skill_from_begin_to_end(cell: Cell) -> None:
    begin(cell, "pick")
    assert cell.executive.phase is Phase.RUNNING
    assert cell.robot.calls == [("activate", "out/pick", 4.0 + MARGIN), ("resume", "skill 'pick'")]
    cell.seen["object"] = np.array([0.5, 0.3, 0.0])
    cell.run(0.2)
    assert cell.executive.phase is Phase.RUNNING  # it has to last
    cell.run(0.1)
    assert ended(cell) == ("pick", Outcome.SUCCESS, "")
    assert cell.modes == [Mode.HOLD, Mode.POLICY, Mode.HOLD]


def test_an_end_that_does_not_last_is_none(cell: Cell) -> None:
    begin(cell, "pick")
    for _ in range(4):
        cell.seen["object"] = np.array([0.5, 0.3, 0.0])
        cell.run(0.2)
        cell.seen["object"] = np.array([0.5, 0.1, 0.0])
        cell.run(0.05)
    assert cell.executive.phase is Phase.RUNNING


def test_skills_switch_through_hold(cell: Cell) -> None:
    begin(cell, "pick")
    begin(cell, "place")
    assert cell.executive.skill is not None and cell.executive.skill.name == "place"
    assert cell.modes == [Mode.HOLD, Mode.POLICY, Mode.HOLD, Mode.POLICY]
    held = cell.robot.calls.index(("hold", "skill 'pick': preempted"))
    assert cell.robot.calls[held + 1][:2] == ("activate", "out/place")  # not before the robot was asked to hold
    assert cell.executive.last is not None
    assert cell.executive.last[1:] == (Outcome.PREEMPTED, "skill 'place' was chosen")


def test_another_policy_is_activated_in_hold_only(cell: Cell) -> None:
    begin(cell, "pick")
    cell.robot.deaf = {"hold"}
    begin(cell, "place", 5.0)
    assert len(cell.robot.asked("activate")) == 1
    assert len(cell.robot.asked("hold")) == 11  # asked again and again
    cell.change(Mode.HOLD, "at last")
    cell.robot.deaf.clear()
    cell.run(0.5)
    assert cell.robot.asked("activate") == ["out/pick", "out/place"]
    assert cell.executive.phase is Phase.RUNNING


def test_a_skill_that_never_ends_is_ended(cell: Cell) -> None:
    begin(cell, "pick", 3.0)
    assert cell.executive.phase is Phase.RUNNING
    cell.run(1.5)
    assert ended(cell) == ("pick", Outcome.TIMEOUT, "not over within 4 s")


def test_a_precondition_that_does_not_hold_refuses(cell: Cell) -> None:
    cell.seen["object"] = np.array([0.9, 0.0, 0.0])
    begin(cell, "pick", 1.0)
    skill, outcome, reason = ended(cell)
    assert (skill, outcome) == ("pick", Outcome.REFUSED)
    assert "object position.x is 0.900, not within [0.3, 0.7]" in reason
    assert not cell.robot.asked("activate", "resume")


def test_a_stale_observation_refuses_though_the_last_one_was_good(cell: Cell) -> None:
    cell.run(0.5)
    cell.seen["object"] = None
    cell.run(0.2)
    begin(cell, "pick", 1.0)
    _, outcome, reason = ended(cell)
    assert outcome is Outcome.REFUSED
    assert "not known" in reason and "object" in reason and "0.1 s" in reason
    assert not cell.robot.asked("activate", "resume")


def test_what_was_seen_before_the_last_change_of_mode_does_not_count(cell: Cell) -> None:
    """A human moved things: the newest sample is young enough, but from before they let go."""
    cell.change(Mode.HUMAN, "human chunk")
    cell.step()
    cell.seen["object"] = None
    cell.tick += 1
    cell.change(Mode.HOLD, "released")
    cell.executive.select("pick", cell.now_ns)
    cell.step()
    assert cell.executive.phase is Phase.CHECKING
    cell.run(1.0)
    assert "no sample between the change of mode" in ended(cell)[2] or "is 0." in ended(cell)[2]


def test_a_precondition_is_waited_for_as_long_as_the_skill_says(tmp_path: Path) -> None:
    cell = Cell(write_library(tmp_path, {**PICK, "patience": 3.0}))
    cell.seen["object"] = np.array([0.9, 0.0, 0.0])
    begin(cell, "pick", 2.0)
    assert cell.executive.phase is Phase.CHECKING
    cell.seen["object"] = np.array([0.5, 0.0, 0.0])
    cell.run(0.5)
    assert cell.executive.phase is Phase.RUNNING


def test_an_end_that_cannot_be_judged_any_more_ends_the_skill(cell: Cell) -> None:
    begin(cell, "pick")
    cell.seen["object"] = None
    cell.run(1.5)
    _, outcome, reason = ended(cell)
    assert outcome is Outcome.FAILURE
    assert "its end cannot be judged" in reason and "observation 'object'" in reason


def test_a_short_gap_of_observations_is_survived(cell: Cell) -> None:
    begin(cell, "pick")
    good, cell.seen["object"] = cell.seen["object"], None
    cell.run(0.8)
    cell.seen["object"] = good
    cell.run(0.8)
    assert cell.executive.phase is Phase.RUNNING


def test_the_task_tells_failure(cell: Cell) -> None:
    begin(cell, "place")
    cell.seen["task/state"] = np.array([0.0, 1.0])
    cell.run(0.2)
    assert ended(cell) == ("place", Outcome.FAILURE, "its condition of failure holds")


def test_a_skill_may_end_by_time(cell: Cell) -> None:
    begin(cell, "place", 0.5)
    cell.run(0.8)
    assert ended(cell) == ("place", Outcome.SUCCESS, "")


def test_a_human_pre_empts_and_nothing_goes_on_by_itself(cell: Cell) -> None:
    begin(cell, "pick")
    calls = len(cell.robot.calls)
    cell.change(Mode.HUMAN, "human chunk")
    cell.run(1.0)
    assert cell.executive.last == ("pick", Outcome.PREEMPTED, "a human took over")
    with pytest.raises(BcError, match="a human drives"):
        cell.executive.select("pick", cell.now_ns)
    cell.change(Mode.HOLD, "lease over")
    cell.run(2.0)
    assert cell.executive.phase is Phase.IDLE
    assert len(cell.robot.calls) == calls
    begin(cell, "pick")  # explicitly
    assert cell.executive.phase is Phase.RUNNING


@pytest.mark.parametrize("ticks", range(6))
def test_a_human_pre_empts_at_every_moment_of_a_beginning(cell: Cell, ticks: int) -> None:
    """Short takeovers, too: a RESUME that is under way must not let the policy go on when they have let go."""
    cell.executive.select("pick", cell.now_ns)
    cell.run(0.05 * ticks)
    cell.change(Mode.HUMAN, "human chunk")
    late, cell.robot.under_way = cell.robot.under_way, []
    cell.run(0.3)
    cell.change(Mode.HOLD, "released")
    cell.robot.under_way = late  # answered only now
    cell.run(2.0)
    assert cell.mode is Mode.HOLD
    assert cell.executive.phase is Phase.IDLE
    last = cell.executive.last
    assert last is not None and last.outcome is Outcome.PREEMPTED


def test_a_stopped_robot_runs_no_skill(cell: Cell) -> None:
    begin(cell, "pick")
    cell.change(Mode.STOPPED, "e-stop")
    assert ended(cell) == ("pick", Outcome.PREEMPTED, "the robot was stopped: e-stop")
    with pytest.raises(BcError, match="is stopped: reset it"):
        cell.executive.select("pick", cell.now_ns)


def test_a_starved_policy_is_a_failure_and_a_hold_by_others_is_not(cell: Cell) -> None:
    begin(cell, "pick")
    cell.change(Mode.HOLD, "starved")
    assert ended(cell)[1] is Outcome.FAILURE
    begin(cell, "pick")
    cell.change(Mode.HOLD, "operator")
    assert ended(cell) == ("pick", Outcome.PREEMPTED, "the controller holds: operator")


def test_a_policy_that_someone_else_resumed_is_made_to_hold_first(cell: Cell) -> None:
    cell.change(Mode.POLICY, "operator")
    cell.run(1.0)
    assert not cell.robot.calls  # nobody has chosen a skill: it is their business
    begin(cell, "pick")
    assert cell.robot.calls[0][0] == "hold"
    assert cell.modes == [Mode.HOLD, Mode.POLICY, Mode.HOLD, Mode.POLICY]


@pytest.mark.parametrize(
    ("call", "words"), [("activate", "chunk_scheduler did not answer"), ("resume", "did not enter POLICY")]
)
def test_a_call_that_nobody_answers_fails_the_skill(cell: Cell, call: str, words: str) -> None:
    cell.robot.deaf = {call}
    begin(cell, "pick", 5.0)
    _, outcome, reason = ended(cell)
    assert outcome is Outcome.FAILURE
    assert words in reason


@pytest.mark.parametrize("call", ["activate", "resume"])
def test_a_call_that_is_refused_fails_the_skill_with_the_reason(cell: Cell, call: str) -> None:
    cell.robot.broken = {call}
    begin(cell, "pick")
    assert ended(cell) == ("pick", Outcome.FAILURE, "refused")


def test_a_resume_that_comes_too_late_is_taken_back(cell: Cell) -> None:
    cell.robot.deaf = {"resume"}
    begin(cell, "pick", 1.0)
    cell.executive.hold(cell.now_ns, "changed my mind")
    cell.run(0.5)
    assert cell.executive.phase is Phase.HOLDING  # the call is still under way
    cell.change(Mode.POLICY, "resumed at last")
    cell.run(0.2)
    assert cell.mode is Mode.HOLD


def test_a_motion_from_begin_to_end(cell: Cell) -> None:
    begin(cell, "home", 1.0)
    assert ended(cell) == ("home", Outcome.SUCCESS, "")
    assert cell.modes == [Mode.HOLD, Mode.PLANNER, Mode.HOLD]
    assert [call[0] for call in cell.robot.calls] == ["move"]


def test_a_motion_that_is_refused_says_why(cell: Cell) -> None:
    cell.robot.broken = {"move"}
    begin(cell, "home")
    assert ended(cell) == ("home", Outcome.REFUSED, "no way round the table")


def test_a_motion_that_never_ends_is_cancelled(cell: Cell) -> None:
    cell.robot.moving = 10_000
    begin(cell, "home", 4.0)
    assert ended(cell) == ("home", Outcome.TIMEOUT, "not over within 3 s")
    assert "cancel" in [call[0] for call in cell.robot.calls]


def test_a_planner_that_does_not_answer_is_given_up(cell: Cell) -> None:
    cell.robot.deaf = {"move", "cancel"}
    begin(cell, "home", 8.0)
    assert ended(cell)[1] is Outcome.TIMEOUT
    begin(cell, "pick")
    assert cell.executive.phase is Phase.RUNNING


def test_a_human_pre_empts_a_motion(cell: Cell) -> None:
    cell.robot.moving = 40
    begin(cell, "home", 0.5)
    cell.change(Mode.HUMAN, "human chunk")
    cell.run(0.3)
    assert ended(cell) == ("home", Outcome.PREEMPTED, "a human took over")


def test_an_answer_to_an_earlier_skill_does_not_count(cell: Cell) -> None:
    cell.robot.deaf = {"activate"}
    begin(cell, "pick", 5.0)
    begin(cell, "place", 0.3)
    cell.executive.on_answer(1, True, "", cell.now_ns)  # pick's policy, at last
    assert cell.executive.phase is Phase.ACTIVATING
    assert not cell.robot.asked("resume")


def test_a_clock_that_goes_back_ends_the_skill(cell: Cell) -> None:
    begin(cell, "pick")
    cell.tick -= 200
    cell.step()
    assert cell.executive.last is not None
    assert cell.executive.last[1:] == (Outcome.FAILURE, "the clock went back: its time cannot be told")
    cell.run(0.5)
    assert cell.mode is Mode.HOLD


def test_without_a_controller_nothing_begins(cell: Cell) -> None:
    cell.executive.mode = None
    with pytest.raises(BcError, match="has not told its mode"):
        cell.executive.select("pick", cell.now_ns)


def test_alternatives_are_judged_with_what_is_not_known(tmp_path: Path) -> None:
    either = {"any": [{"within": {"object": {"position.x": [0.0, 0.1]}}}, {"within": {"arm": {"j1": [0.9, 1.1]}}}]}
    cell = Cell(write_library(tmp_path, {**PICK, "precondition": either}, PLACE, HOME))
    begin(cell, "pick", 1.0)
    assert "object position.x is 0.500, not within [0, 0.1]; arm j1 is 0.000" in ended(cell)[2]
    cell.seen |= {"object": None, "arm": np.array([0.0, 0.0])}
    cell.run(0.5)
    begin(cell, "pick", 1.0)
    assert "not known" in ended(cell)[2]  # one is false, but the other might be true
    cell.seen["arm"] = np.array([1.0, 0.0])
    begin(cell, "pick", 0.3)
    assert cell.executive.phase is Phase.RUNNING  # one suffices
