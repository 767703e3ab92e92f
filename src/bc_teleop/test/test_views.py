"""What the controller's messages, which do not come at one time, say of its reference."""

import pytest

from bc_msgs.msg import ControllerState, ControlMode
from bc_nodes.convert import to_stamp
from bc_teleop.views import reference_view

ARM = ("a",)
MS = 1_000_000


def state(at_ms: int, epoch: int, mode: int = ControlMode.HUMAN) -> ControllerState:
    told = ControllerState(
        joint_names=["a"], position_reference=[0.5], velocity_reference=[0.0], mode=mode, mode_epoch=epoch
    )
    told.header.stamp = to_stamp(at_ms * MS)
    return told


def change(at_ms: int, epoch: int, mode: int) -> ControlMode:
    told = ControlMode(mode=mode, epoch=epoch)
    told.header.stamp = to_stamp(at_ms * MS)
    return told


def test_a_mode_message_is_believed_before_the_state_that_tells_the_same() -> None:
    found = reference_view(state(100, 3, ControlMode.POLICY), change(105, 4, ControlMode.HUMAN), 0, ARM)
    assert found is not None
    assert (found.mode_epoch, found.human) == (4, True)


@pytest.mark.parametrize("mode", [ControlMode.HOLD, ControlMode.POLICY, ControlMode.HUMAN])
def test_joints_from_before_a_reset_are_not_told_with_an_epoch_from_after_it(mode: int) -> None:
    """HOLD of the reset came at 105 ms, and with `mode` perhaps another change after it; the state is older."""
    assert reference_view(state(100, 3), change(106, 5, mode), 105 * MS, ARM) is None
    found = reference_view(state(106, 5, mode), change(106, 5, mode), 105 * MS, ARM)
    assert found is not None
    assert found.mode_epoch == 5


def test_a_stop_is_told_at_once() -> None:
    found = reference_view(state(100, 3), change(106, 5, ControlMode.STOPPED), 105 * MS, ARM)
    assert found is not None
    assert found.stopped
