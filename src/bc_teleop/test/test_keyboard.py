import os
import pty
import sys
import termios

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from bc_core.errors import BcError
from bc_teleop.command import Button, Observation, Pose
from bc_teleop.devices.hand import HandConfig
from bc_teleop.devices.keyboard import KeyboardConfig, KeyboardDevice, Terminal

MS = 1_000_000
CONFIG = KeyboardConfig(
    keys={"w": "+linear_x", "s": "-linear_x", "q": "+angular_z", " ": "hold", "c": "close", "x": "stop"}
)


def seen(time_ms: int) -> Observation:
    return Observation(time_ms * MS, Pose(np.zeros(3), Rotation.identity()), 0.08)


def test_a_key_moves_until_its_repeats_end_and_the_dead_man_goes_later() -> None:
    device = KeyboardDevice(CONFIG)
    device.press("w", 0)
    assert device.command(seen(150)).linear[0] == CONFIG.linear_speed
    paused = device.command(seen(151))
    assert paused.enabled and not paused.linear.any()
    assert not device.command(seen(601)).enabled


def test_keys_add_up() -> None:
    device = KeyboardDevice(CONFIG)
    device.press("w", 0)
    device.press("q", 0)
    command = device.command(seen(10))
    np.testing.assert_allclose(command.linear, [CONFIG.linear_speed, 0.0, 0.0])
    np.testing.assert_allclose(command.angular, [0.0, 0.0, CONFIG.angular_speed])
    device.press("s", 20 * MS)
    assert device.command(seen(30)).linear[0] == 0.0


def test_hold_and_gripper_enable_without_motion_and_buttons_do_not() -> None:
    device = KeyboardDevice(CONFIG)
    device.press("x", 0)
    stopped = device.command(seen(1))
    assert stopped.pressed == {Button.STOP} and not stopped.enabled
    device.press(" ", 0)
    held = device.command(seen(1))
    assert held.enabled and not held.linear.any() and not held.pressed
    device.press("c", 0)
    assert device.command(seen(1)).gripper == 0.0


def test_an_unknown_key_does_nothing() -> None:
    device = KeyboardDevice(CONFIG)
    device.press("?", 0)
    assert not device.command(seen(0)).enabled


def test_the_terminal_hands_out_keys_without_waiting_and_is_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    master, slave = pty.openpty()
    before = termios.tcgetattr(slave)
    with os.fdopen(slave, "r", closefd=False) as stream:
        monkeypatch.setattr(sys, "stdin", stream)
        terminal = Terminal()
        assert terminal.struck() == ""
        os.write(master, b"wq")
        assert terminal.struck() == "wq"
        terminal.close()
    assert termios.tcgetattr(slave) == before
    os.close(master)
    os.close(slave)


def test_without_a_terminal_the_keyboard_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.pipe()
    with os.fdopen(reader, "r") as stream:
        monkeypatch.setattr(sys, "stdin", stream)
        with pytest.raises(BcError, match="terminal"):
            Terminal()
    os.close(writer)


def test_a_joints_key_drives_joints_and_not_the_tool() -> None:
    keys = {"w": "+linear_x", "t": "+joint_1", "m": "-joint_6", "-": "slower"}
    device = KeyboardDevice(KeyboardConfig(keys=keys, hand=HandConfig(speeds=(0.5, 1.0))), joints=6)
    for key in "wtm-":
        device.press(key, 0)
    command = device.command(seen(1))
    assert command.joints is not None and not command.linear.any()
    np.testing.assert_allclose(command.joints, [0.2, 0.0, 0.0, 0.0, 0.0, -0.2])
    with pytest.raises(BcError, match="'m' drives 'joint_6', but the arm has 5"):
        KeyboardDevice(KeyboardConfig(keys=keys), joints=5)
