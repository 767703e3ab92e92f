"""The picture of the buttons, and joy.yaml, say what gamepad.yaml says."""

import subprocess
import sys
from pathlib import Path

from bc_teleop.settings import load_settings


def test_the_picture_of_the_buttons_is_that_of_the_settings(config_folder: Path) -> None:
    tool = config_folder.parent / "tools" / "button_map.py"
    done = subprocess.run([sys.executable, str(tool), "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_joy_has_the_buttons_and_sticks_of_an_xbox_gamepad(config_folder: Path) -> None:
    """The cross apart, which joy.yaml leaves to who wants it."""
    joy = load_settings(config_folder / "teleop" / "joy.yaml", "joy").joy
    pad = load_settings(config_folder / "teleop" / "gamepad.yaml", "gamepad", "xbox").joy
    assert joy.switches == pad.switches
    assert [mode.name for mode in joy.modes] == [mode.name for mode in pad.modes]
    for ours, theirs in zip(joy.modes, pad.modes, strict=True):
        assert ours.axes.items() <= theirs.axes.items() and ours.frame == theirs.frame
