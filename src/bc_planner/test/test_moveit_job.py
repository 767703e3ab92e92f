"""What a motion makes of move_group's answers and of the controller's modes: skipped without MoveIt's messages."""

from typing import Any

import numpy as np
import pytest

pytest.importorskip("moveit_msgs", reason="MoveIt's messages are not installed")
from moveit_msgs.msg import Constraints, MoveItErrorCodes

from bc_msgs.msg import ControlMode
from bc_planner.goal import Reason
from bc_planner.job import Phase, Seen
from bc_planner.moveit_job import Leg, MoveItJob, MoveItPorts


class Rig:
    """A job whose goals and stops are kept. It has begun: its first goal has been sent."""

    def __init__(self, legs: int = 1, plan_only: bool = False) -> None:
        self.sent: list[Any] = []
        self.held: list[str] = []
        self.stops, self.there = 0, True
        made = [Leg(Constraints(), False)] * legs
        ports = MoveItPorts(self.sent.append, self.stop, lambda: self.there, self.held.append)
        self.job = MoveItJob(ports, lambda joints: list(made), 0.4, 5.0, 0, plan_only=plan_only)
        rest = np.zeros(7)
        self.job.on_state(Seen(0, ControlMode.HOLD, 1, np.zeros(8), rest, rest, still=True))
        self.job.step(0)
        assert len(self.sent) == 1

    def stop(self) -> None:
        self.stops += 1

    def mode(self, mode: int, reason: str) -> None:
        self.job.on_mode(mode, 2, reason, 0)

    def moves(self, held: str) -> None:
        """The arm moves, and is held again."""
        self.mode(ControlMode.PLANNER, "follow_joint_trajectory")
        assert self.job.phase is Phase.MOVING
        self.mode(ControlMode.HOLD, held)

    def answers(self, code: int) -> None:
        self.job.on_result(MoveItErrorCodes(val=code), 0.0)

    def ends(self, reason: Reason, text: str) -> None:
        assert self.job.outcome is not None
        assert self.job.outcome.reason is reason and text in self.job.outcome.message


def test_no_time_is_another_thing_before_the_motion_and_in_it() -> None:
    searched, moved = Rig(), Rig()
    searched.answers(MoveItErrorCodes.TIMED_OUT)
    searched.ends(Reason.NO_PATH, "TIMED_OUT")
    moved.moves("cancelled: the arm stops")  # by move_group, whose patience is over
    moved.answers(MoveItErrorCodes.TIMED_OUT)
    moved.ends(Reason.FAILED, "took longer")


def test_of_a_plan_alone_move_group_does_not_say_why_there_is_none() -> None:
    alone, whole = Rig(plan_only=True), Rig()
    for rig in (alone, whole):
        rig.answers(MoveItErrorCodes.FAILURE)
    alone.ends(Reason.NO_PATH, "its log")
    whole.ends(Reason.FAILED, "FAILURE")


def test_who_ended_the_motion_is_told() -> None:
    rig = Rig()
    rig.moves("operator: wait")
    rig.answers(MoveItErrorCodes.CONTROL_FAILED)
    rig.ends(Reason.PREEMPTED, "operator: wait")


def test_the_end_of_one_leg_did_not_end_the_next() -> None:
    rig = Rig(legs=2)
    rig.moves("released")
    rig.answers(MoveItErrorCodes.SUCCESS)
    assert len(rig.sent) == 2
    rig.answers(MoveItErrorCodes.CONTROL_FAILED)  # it has not moved
    rig.ends(Reason.FAILED, "CONTROL_FAILED")


@pytest.mark.parametrize("moving", [False, True])
def test_a_move_group_that_dies_leaves_an_arm_that_holds(moving: bool) -> None:
    rig = Rig()
    if moving:
        rig.mode(ControlMode.PLANNER, "follow_joint_trajectory")
    rig.job.step(0)
    assert rig.job.outcome is None
    rig.there = False
    rig.job.step(0)
    rig.ends(Reason.FAILED, "move_group has gone")
    assert len(rig.held) == int(moving)  # the controller would follow the trajectory to its end
