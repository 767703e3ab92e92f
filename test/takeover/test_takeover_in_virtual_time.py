"""Takeover at any moment, to the period: real session, scheduler, arbiter and physics; only the policy is made up."""

import numpy as np
import pytest

from bc_core.cycle import State
from bc_msgs.msg import ChunkAck, ControllerState, ControlMode
from bc_msgs.srv import ChangeMode
from takeover_rig import MS, TRANSPORT, Rig, make_rig

HOLD, POLICY, HUMAN, STOPPED = ControlMode.HOLD, ControlMode.POLICY, ControlMode.HUMAN, ControlMode.STOPPED
RAW_JUMP = 0.005  # [rad] norm over the joints: less than the reference travels in 5 ms at moderate speed
TAKEOVERS = 1000


@pytest.fixture
def rig() -> Rig:
    rig = make_rig()
    rig.add_joystick()
    return rig


def modes(rig: Rig, since: int) -> list[int]:
    return [change.mode for change in rig.cell.modes[since:]]


@pytest.mark.parametrize(("poses", "takeovers"), [(False, TAKEOVERS), (True, 50)])
def test_a_thousand_random_takeovers_stay_within_every_limit(poses: bool, takeovers: int) -> None:
    """From the takeover until the robot holds again the limiters have nothing to do, and in poses no more."""
    rig = make_rig(poses=poses)
    rig.add_joystick()
    cell, rng, (joystick,) = rig.cell, rig.rng, rig.joysticks
    delays, jumps, moving, limited = [], [], 0, 0
    for number in range(takeovers):
        if number % 4 == 0:
            rig.new_scene(number)
        rig.resume()
        cell.run_for(rng.uniform(0.0, 0.6))
        seen, pressed_ns = len(cell.acks), cell.now_ns
        sticks = dict(zip(("linear_x", "linear_y", "linear_z", "angular_z"), rng.uniform(-1.0, 1.0, 4), strict=True))
        joystick.hold(True, **sticks)
        cell.run_for(TRANSPORT)
        before = rig.limited()
        cell.run_for(0.001)
        assert cell.mode == HUMAN
        moving += np.abs(cell.simulation.controller.state().velocity_reference).max() > 0.05
        cell.run_for(rng.uniform(0.035, 0.305))
        first = rig.human_acks(seen)[0]
        delays.append(first.effective_ns - pressed_ns)
        jumps += [max(ack.raw_jump, ack.raw_jump_rotation) for ack in rig.human_acks(seen)]
        joystick.hold(False)
        while cell.mode != HOLD:
            cell.run_for(0.02)
            assert cell.now_ns - pressed_ns < 1000 * MS
        limited += rig.limited() - before
        assert not rig.human_acks(seen, in_force=False)
    status = cell.simulation.controller.status()
    assert (status.torque_limited, status.velocity_limited, status.values_clamped) == (0, 0, 0)
    assert cell.simulation.plant.status().physics_warnings == 0
    assert limited == 0
    assert moving > 0.4 * takeovers  # most of them interrupt a motion
    assert max(delays) <= 10 * MS
    assert max(jumps) < RAW_JUMP


def test_release_holds_and_resume_starts_from_a_fresh_frame_at_the_held_reference(rig: Rig) -> None:
    cell, (joystick,) = rig.cell, rig.joysticks
    rig.policy_moves()
    seen = len(cell.modes)
    joystick.hold(True, linear_x=0.8)
    cell.run_for(0.5)
    joystick.hold(False)
    cell.run_for(2.0)
    assert modes(rig, seen) == [HUMAN, HOLD]  # never straight back to POLICY, however long one waits
    held = cell.simulation.controller.state().position_reference.copy()
    asked = len(rig.policy.requests)
    resumed_ns = cell.now_ns
    rig.resume()
    cell.run_for(0.12)
    request = rig.policy.requests[asked]
    assert request.tick * 50 * MS >= resumed_ns - 50 * MS  # of now, not of before the takeover
    assert request.prefix is not None
    np.testing.assert_allclose(request.prefix[: request.frozen, :7], np.tile(held, (request.frozen, 1)), atol=1e-12)
    acks = len(cell.acks)
    cell.run_for(0.3)
    first = next(ack for ack in cell.acks[acks:] if ack.source == "policy")
    assert first.verdict == ChunkAck.IN_FORCE and first.raw_jump < 1e-9  # no snap back


def test_a_press_during_the_first_inference_takes_over_and_its_answer_is_dropped(rig: Rig) -> None:
    cell, (joystick,) = rig.cell, rig.joysticks
    rig.latency = lambda: 0.4
    rig.resume()
    cell.run_for(0.1)
    assert rig.policy.scheduler.state is State.INFERRING
    joystick.hold(True, linear_z=0.5)
    cell.run_for(0.6)
    assert cell.mode == HUMAN
    assert rig.policy.scheduler.counters.dropped == 1
    assert not [ack for ack in cell.acks if ack.source == "policy"]  # it was not even sent


def test_a_fast_double_press_stays_one_lease(rig: Rig) -> None:
    cell, (joystick,) = rig.cell, rig.joysticks
    rig.policy_moves()
    seen, acks = len(cell.modes), len(cell.acks)
    for dead_man in (True, False, True):
        joystick.hold(dead_man, linear_y=0.6)
        cell.run_for(0.012)
    cell.run_for(0.3)
    assert modes(rig, seen) == [HUMAN]
    assert max(ack.raw_jump for ack in rig.human_acks(acks)) < RAW_JUMP
    assert not rig.human_acks(acks, in_force=False)
    joystick.hold(False)
    cell.run_for(0.5)
    assert modes(rig, seen) == [HUMAN, HOLD]


def test_resume_pressed_twice_is_granted_once(rig: Rig) -> None:
    rig.resume()
    assert not rig.cell.request(ChangeMode.Request.RESUME)
    assert rig.cell.mode == POLICY


def test_resume_while_the_dead_man_is_held_is_refused(rig: Rig) -> None:
    rig.joysticks[0].hold(True, linear_x=0.3)
    rig.cell.run_for(0.1)
    assert not rig.cell.request(ChangeMode.Request.RESUME)
    assert rig.cell.mode == HUMAN


def test_a_press_during_a_reset_takes_over_where_the_robot_was_put(rig: Rig) -> None:
    """The chunk that was under way is refused; the next one, of a dead-man still held, starts there."""
    cell, (joystick,) = rig.cell, rig.joysticks
    rig.policy_moves()
    acks = len(cell.acks)
    joystick.hold(True, linear_x=0.5)  # arrives after the reset
    cell.reset(seed=7)
    start = cell.simulation.controller.state().position_reference.copy()
    cell.run_for(0.02)
    (refused,) = rig.human_acks(acks, in_force=False)
    assert refused.reason == ChunkAck.FOREIGN_EPOCH
    assert cell.mode == HOLD
    cell.run_for(0.06)
    first = rig.human_acks(acks)[0]
    assert cell.mode == HUMAN and first.raw_jump < 1e-3
    np.testing.assert_allclose(cell.simulation.controller.state().position_reference, start, atol=0.02)


def test_a_reset_under_a_held_dead_man_is_a_takeover_at_the_new_place(rig: Rig) -> None:
    cell, (joystick,) = rig.cell, rig.joysticks
    for seed in range(5):
        joystick.hold(True, linear_x=0.3, linear_z=0.3)
        cell.run_for(0.4)
        acks, seen = len(cell.acks), len(cell.modes)
        cell.reset(seed)
        cell.run_for(0.3)
        assert modes(rig, seen) == [HOLD, HUMAN]
        assert max(ack.raw_jump for ack in rig.human_acks(acks)) < RAW_JUMP


def test_a_press_while_the_policy_is_lost_takes_over(rig: Rig) -> None:
    """No answer comes any more: the ladder has begun, or the mode has fallen to HOLD; the hand has it at once."""
    for wait in (0.9, 1.3, 2.5):
        cell, (joystick,) = rig.cell, rig.joysticks
        rig.latency = lambda: 0.15
        rig.policy_moves()
        rig.latency = lambda: None
        cell.run_for(wait)
        acks, limited = len(cell.acks), rig.limited()
        joystick.hold(True, linear_y=-0.4)
        cell.run_for(0.3)
        assert cell.mode == HUMAN
        assert rig.human_acks(acks)[0].raw_jump < RAW_JUMP
        assert rig.limited() == limited
        joystick.hold(False)
        cell.run_for(0.5)
        assert cell.mode == HOLD


def test_an_unplugged_joystick_releases_within_its_timeout(rig: Rig) -> None:
    cell, (joystick,) = rig.cell, rig.joysticks
    rig.policy_moves()
    joystick.hold(True, linear_x=0.5)
    cell.run_for(0.3)
    seen = len(cell.modes)
    joystick.plugged = False
    cell.run_for(0.24)
    assert cell.mode == HUMAN
    cell.run_for(0.6)
    assert modes(rig, seen) == [HOLD]
    assert cell.modes[-1].reason == "released"


def test_a_killed_teleop_node_leaves_hold_after_the_lease(rig: Rig) -> None:
    cell, (joystick,) = rig.cell, rig.joysticks
    rig.policy_moves()
    joystick.hold(True, linear_x=0.5)
    cell.run_for(0.3)
    rig.hands[0].alive = False
    end_ns = rig.hands[0].sent[-1].end_ns
    cell.run_for(0.6)
    assert cell.mode == HOLD
    assert (cell.modes[-1].reason, cell.modes[-1].stamp_ns) == ("lease over", pytest.approx(end_ns + 250 * MS, abs=MS))


def test_a_late_stream_loses_the_lease_and_takes_over_anew(rig: Rig) -> None:
    """Chunks that come more than 0.25 s after the end of the one before: HOLD in between, and no step at either end."""
    cell, (joystick,) = rig.cell, rig.joysticks
    rig.policy_moves()
    seen, acks = len(cell.modes), len(cell.acks)
    joystick.hold(True, linear_x=0.5)
    cell.run_for(0.2)
    hand, limited = rig.hands[0], rig.limited()
    hand.alive = False
    cell.run_for(0.7)
    assert modes(rig, seen) == [HUMAN, HOLD]
    hand.alive = True  # it was only late
    cell.run_for(0.3)
    assert modes(rig, seen) == [HUMAN, HOLD, HUMAN]
    assert max(ack.raw_jump for ack in rig.human_acks(acks)) < RAW_JUMP
    assert rig.limited() == limited


def test_stop_latches_until_reset_and_a_held_dead_man_does_not_move_afterwards(rig: Rig) -> None:
    cell, (joystick,) = rig.cell, rig.joysticks
    rig.policy_moves()
    joystick.hold(True, linear_x=0.5)
    cell.run_for(0.2)
    assert cell.request(ChangeMode.Request.STOP)
    assert cell.request(ChangeMode.Request.STOP)  # pressed twice: still stopped, and no error
    cell.run_for(1.0)
    assert cell.mode == STOPPED
    assert not cell.request(ChangeMode.Request.RESUME)
    assert cell.request(ChangeMode.Request.RESET)
    cell.run_for(0.5)
    assert cell.mode == HOLD
    assert "dead-man" in rig.hands[0].told[-1]
    joystick.hold(False)
    cell.run_for(0.1)
    joystick.hold(True)
    cell.run_for(0.1)
    assert cell.mode == HUMAN


def test_of_two_hands_the_first_keeps_the_lease_and_the_second_is_told(rig: Rig) -> None:
    cell = rig.cell
    first, second = rig.joysticks[0], rig.add_joystick()
    rig.policy_moves()
    first.hold(True, linear_x=0.4)
    cell.run_for(0.2)
    second.hold(True, linear_x=-1.0)
    cell.run_for(0.4)
    assert cell.mode == HUMAN
    assert {ack.producer_id for ack in rig.human_acks()} == {100}
    assert any("lease" in told or "another" in told for told in rig.hands[1].told), rig.hands[1].told
    first.hold(False)
    cell.run_for(0.5)
    assert cell.mode == HOLD  # the second is still pressed: it has to let go first
    second.hold(False)
    cell.run_for(0.1)
    second.hold(True)
    cell.run_for(0.1)
    assert cell.mode == HUMAN and cell.state.producer_id == 101


def test_both_hands_in_the_same_period(rig: Rig) -> None:
    first, second = rig.joysticks[0], rig.add_joystick()
    rig.policy_moves()
    seen = len(rig.cell.modes)
    first.hold(True, linear_x=0.4)
    second.hold(True, linear_x=-0.4)
    rig.cell.run_for(0.4)
    assert modes(rig, seen) == [HUMAN]
    assert len({ack.producer_id for ack in rig.human_acks()}) == 1


def test_the_ladder_does_not_soften_a_robot_that_a_human_holds_still(rig: Rig) -> None:
    joystick = rig.joysticks[0]
    joystick.hold(True)
    rig.cell.run_for(3.0)
    assert rig.cell.mode == HUMAN
    assert rig.cell.state.ladder == ControllerState.FOLLOWING
