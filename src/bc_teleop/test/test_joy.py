from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from bc_core.errors import BcError
from bc_teleop.command import Button, Observation, Pose
from bc_teleop.devices.joy import Axis, JoyConfig, JoyDevice

MS = 1_000_000
CONFIG = JoyConfig(
    dead_man=0,
    axes={"linear_x": Axis(0, 0.5), "angular_z": Axis(1, -1.0)},
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
