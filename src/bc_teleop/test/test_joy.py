from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from bc_core.errors import BcError
from bc_teleop.command import Button, Observation, Pose
from bc_teleop.devices.hand import CameraFrame, HandConfig, Smoothing
from bc_teleop.devices.joy import Axis, DriveMode, JoyConfig, JoyDevice, Trigger

MS = 1_000_000
CONFIG = JoyConfig(
    dead_man=0,
    modes=(DriveMode("tool", {"linear_x": Axis(0, 0.5), "angular_z": Axis(1, -1.0)}),),
    buttons={"open": 1, "close": 2, "resume": 3},
    dead_zone=0.1,
    timeout=0.2,
)


def seen(time_ms: int) -> Observation:
    return Observation(time_ms * MS, Pose(np.zeros(3), Rotation.identity()), 0.08)


def test_axes_become_a_twist_while_the_dead_man_is_held() -> None:
    device = JoyDevice(CONFIG)
    device.receive([1.0, 0.55], [1, 0, 0, 0], 0)
    command = device.command(seen(10))
    assert command.enabled
    np.testing.assert_allclose(command.linear, [0.5, 0.0, 0.0])
    np.testing.assert_allclose(command.angular, [0.0, 0.0, -0.5])
    device.receive([1.0, 1.0], [0, 0, 0, 0], 20 * MS)
    released = device.command(seen(21))
    assert not released.enabled and not released.linear.any()


def test_expo_is_fine_near_the_centre_and_reaches_full_speed() -> None:
    device = JoyDevice(replace(CONFIG, dead_zone=0.0, expo=0.5))
    for value, velocity in [(1.0, 0.5), (0.5, 0.5 * 0.3125), (-0.5, -0.5 * 0.3125), (-1.0, -0.5)]:
        device.receive([value, 0.0], [1, 0, 0, 0], 0)
        assert device.command(seen(0)).linear[0] == pytest.approx(velocity)


def test_the_dead_zone_is_continuous() -> None:
    device = JoyDevice(CONFIG)
    for value, velocity in [(0.1, 0.0), (-0.05, 0.0), (0.1001, 0.0), (-1.0, -0.5)]:
        device.receive([value, 0.0], [1, 0, 0, 0], 0)
        assert device.command(seen(0)).linear[0] == pytest.approx(velocity, abs=1e-4)


def test_a_silent_joystick_is_a_released_dead_man() -> None:
    device = JoyDevice(CONFIG)
    device.receive([1.0, 0.0], [1, 0, 0, 0], 0)
    assert device.command(seen(200)).enabled
    assert not device.command(seen(201)).enabled


def test_a_button_counts_once_when_it_goes_down() -> None:
    device = JoyDevice(CONFIG)
    device.receive([0.0, 0.0], [0, 0, 0, 1], 0)
    device.receive([0.0, 0.0], [0, 0, 0, 1], 10 * MS)
    assert device.command(seen(10)).pressed == {Button.RESUME}
    assert device.command(seen(20)).pressed == frozenset()
    device.receive([0.0, 0.0], [0, 0, 0, 0], 30 * MS)
    device.receive([0.0, 0.0], [0, 0, 0, 1], 40 * MS)
    device.receive([0.0, 0.0], [0, 0, 0, 0], 45 * MS)  # a short press between two readings is not lost
    assert device.command(seen(50)).pressed == {Button.RESUME}


def test_the_gripper_keeps_its_target_until_the_dead_man_is_released() -> None:
    device = JoyDevice(CONFIG)
    device.receive([0.0, 0.0], [1, 0, 1, 0], 0)
    device.receive([0.0, 0.0], [1, 0, 0, 0], 10 * MS)
    assert device.command(seen(10)).gripper == 0.0
    device.receive([0.0, 0.0], [0, 0, 0, 0], 20 * MS)
    device.command(seen(20))
    device.receive([0.0, 0.0], [1, 0, 0, 0], 30 * MS)
    assert device.command(seen(30)).gripper is None


@pytest.mark.parametrize(("axes", "buttons", "name"), [([0.0], [0] * 4, "angular_z"), ([0.0] * 2, [0] * 3, "resume")])
def test_a_joystick_with_too_little_is_an_error(axes: list[float], buttons: list[int], name: str) -> None:
    with pytest.raises(BcError, match=name):
        JoyDevice(CONFIG).receive(axes, buttons, 0)


MODES = replace(
    CONFIG,
    modes=(
        DriveMode("tool", {"linear_x": Axis(0, 0.5)}),
        DriveMode("camera", {"linear_x": Axis(0, 0.5), "angular_x": Axis(1, 1.0)}, "camera"),
        DriveMode("wrist", {"linear_x": Axis(0, 0.5)}, "tool"),
        DriveMode("joints", {"joint_2": Axis(0, 0.4), "joint_7": Axis(1, 0.8)}),
    ),
    buttons={"mode": 1, "faster": Trigger(2), "slower": 2, "grip": 3},
    dead_zone=0.0,
    hand=HandConfig(CameraFrame("base", Rotation.from_euler("z", 90, degrees=True)), (0.25, 0.5, 1.0)),
)


def press(device: JoyDevice, *buttons: int, dead_man: int = 0, axes: tuple[float, float] = (0.0, 0.0)) -> None:
    """A button goes down and up again; the dead-man and the sticks stay as they are given."""
    for held in (buttons, ()):
        device.receive([*axes, 1.0], [dead_man, *(int(index in held) for index in (1, 2, 3))], 0)


def test_the_mode_button_goes_round_and_only_while_nothing_is_driven() -> None:
    device = JoyDevice(MODES, joints=7)
    driven = []
    for _ in range(5):
        driven.append(device.mode)
        press(device, 1, dead_man=1)  # while driving: nothing
        assert device.mode == driven[-1]
        press(device, 1)
    assert driven == ["tool", "camera", "wrist", "joints", "tool"]
    assert "'camera', 100%" in device.command(seen(0)).told


def test_directions_of_the_camera_and_of_the_tool_become_those_of_the_base() -> None:
    device = JoyDevice(MODES, joints=7)
    press(device, 1)
    press(device, dead_man=1, axes=(1.0, 1.0))
    command = device.command(seen(0))
    np.testing.assert_allclose(command.linear, [0.0, 0.5, 0.0], atol=1e-12)  # into the picture
    np.testing.assert_allclose(command.angular, [0.0, 1.0, 0.0], atol=1e-12)
    press(device, 1)
    press(device, dead_man=1, axes=(1.0, 0.0))
    turned = replace(seen(0), tcp=Pose(np.zeros(3), Rotation.from_euler("y", 90, degrees=True)))
    np.testing.assert_allclose(device.command(turned).linear, [0.0, 0.0, -0.5], atol=1e-12)


def test_a_camera_on_the_wrist_turns_with_the_tool() -> None:
    wrist = CameraFrame("tool", Rotation.from_euler("z", 90, degrees=True))
    device = JoyDevice(replace(MODES, hand=HandConfig(wrist)), joints=7)
    press(device, 1)
    press(device, dead_man=1, axes=(1.0, 0.0))
    turned = replace(seen(0), tcp=Pose(np.zeros(3), Rotation.from_euler("x", 90, degrees=True)))
    np.testing.assert_allclose(device.command(turned).linear, [0.0, 0.0, 0.5], atol=1e-12)


def test_joints_are_jogged_one_by_one() -> None:
    device = JoyDevice(MODES, joints=7)
    for _ in range(3):
        press(device, 1)
    press(device, dead_man=1, axes=(0.5, -1.0))
    command = device.command(seen(0))
    assert command.joints is not None and not command.linear.any()
    np.testing.assert_allclose(command.joints, [0.0, 0.2, 0.0, 0.0, 0.0, 0.0, -0.8])
    with pytest.raises(BcError, match="joint_7"):
        JoyDevice(MODES, joints=6)


def test_speed_goes_down_and_up_in_its_steps() -> None:
    device = JoyDevice(MODES, joints=7)
    speeds = []
    for button in (2, 2, 2):
        press(device, button)
        device.receive([1.0, 0.0, 1.0], [1, 0, 0, 0], 0)
        speeds.append(float(device.command(seen(0)).linear[0]))
    device.receive([1.0, 0.0, -1.0], [1, 0, 0, 0], 0)  # a trigger, pulled
    speeds.append(float(device.command(seen(0)).linear[0]))
    assert speeds == [0.25, 0.125, 0.125, 0.25]


def test_one_button_closes_what_is_open_and_opens_what_is_closed() -> None:
    device = JoyDevice(MODES, joints=7)
    device.receive([0.0] * 3, [0, 0, 0, 0], 0)
    device.command(seen(0))  # the gripper is seen open
    wanted = []
    for _ in range(2):
        press(device, 3, dead_man=1)
        wanted.append(device.command(seen(0)).gripper)
    assert wanted == [0.0, 0.08]


def test_a_filter_calms_a_tremor_and_forgets_it_when_the_hand_lets_go() -> None:
    smoothed = replace(MODES, hand=HandConfig(smoothing=Smoothing(1.0, 0.0)), modes=MODES.modes[:1], timeout=60.0)
    calm = JoyDevice(smoothed)
    got = []
    for number in range(40):
        press(calm, dead_man=1, axes=(0.5 + 0.1 * (-1) ** number, 0.0))
        got.append(calm.command(seen(1000 + 50 * number)).linear[0])
    assert np.ptp(got[20:]) < 0.03 < 0.1  # the raw one swings by 0.1 m/s
    assert np.mean(got[20:]) == pytest.approx(0.25, abs=0.01)
    press(calm, dead_man=0)
    calm.command(seen(3100))
    press(calm, dead_man=1, axes=(-1.0, 0.0))
    assert calm.command(seen(3150)).linear[0] == pytest.approx(-0.5)  # not what was
