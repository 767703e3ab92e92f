"""A gamepad's events, as the kernel writes them, into what evdev reads from; and through uinput where there is one."""

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from evdev import UInput, UInputError, ecodes
from gamepad_stand_in import GENERIC, PLAYSTATION, XBOX, Pad

from bc_core.errors import BcError
from bc_teleop.devices import plugged
from bc_teleop.devices.gamepad import InputDevice, Reading, gamepad, open_gamepad
from bc_teleop.devices.joy import Trigger
from bc_teleop.settings import load_settings

PATIENCE = 20.0  # [s]; never waited for in a test that passes


def read(found: dict, *events: tuple[int, int, int]) -> Reading:
    pad = Pad(found)
    reading = Reading(pad)
    pad.emit(*events)
    reading.take(pad.read())
    pad.close()
    return reading


def test_up_and_left_are_positive_and_a_trigger_goes_from_one_to_minus_one() -> None:
    still = read(XBOX)
    assert still.axes == pytest.approx([0, 0, 1, 0, 0, 1, 0, 0], abs=1e-4) and not any(still.buttons)
    moved = read(XBOX, (3, 0, -32768), (3, 1, 32767), (3, 5, 255), (3, 17, -1), (1, 310, 1))
    assert moved.axes == pytest.approx([1, -1, 1, 0, 0, -1, 0, 1], abs=1e-4)
    assert moved.buttons.index(1) == 4 and sum(moved.buttons) == 1


@pytest.mark.parametrize(
    ("layout", "found", "dead_man", "stop"),
    [("xbox", XBOX, 310, 308), ("playstation", PLAYSTATION, 310, 307), ("generic", GENERIC, 292, 291)],
)
def test_a_layout_finds_the_same_places_on_every_pad(
    config_folder: Path, layout: str, found: dict, dead_man: int, stop: int
) -> None:
    joy = load_settings(config_folder / "teleop" / "gamepad.yaml", "gamepad", layout).joy
    least, most = found[ecodes.EV_ABS][0][1].min, found[ecodes.EV_ABS][0][1].max
    axes = joy.modes[0].axes
    right_y = found[ecodes.EV_ABS][axes["linear_z"].index][0]
    reading = read(found, (3, 1, least), (3, right_y, most), (1, dead_man, 1), (1, stop, 1))
    assert reading.axes[axes["linear_x"].index] == pytest.approx(1.0)
    assert reading.axes[axes["linear_z"].index] == pytest.approx(-1.0)
    assert reading.buttons[joy.dead_man] and reading.buttons[joy.buttons["stop"]] and sum(reading.buttons) == 2
    assert max(joy.used_buttons.values()) < len(reading.buttons) and max(joy.used_axes.values()) < len(reading.axes)
    shared = {"rerecord", "start", "pause"}  # on the buttons of discard, success and reset
    assert len(set(joy.switches.values())) == 1 + len(joy.buttons.keys() - shared)
    assert isinstance(joy.buttons["faster"], Trigger) == (layout == "xbox")  # which has its triggers as axes only


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def test_it_repeats_itself_and_is_found_again_after_the_cable_was_pulled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugged, "RETRY", 0.01)
    pads, said, readings = [Pad(XBOX), Pad(XBOX)], [], []
    found, here = iter(pads), threading.Event()

    def find() -> InputDevice:
        if readings and not here.is_set():
            raise BcError("no gamepad")
        return next(found)

    pad = gamepad(find, readings.append, said.append)
    pad.start()
    try:
        until(lambda: len(readings) > 3)  # nothing was touched
        pads[0].emit((1, 310, 1))
        until(lambda: readings[-1][1][4] == 1)
        pads[0].pull()
        until(lambda: any("is gone" in text for text in said))
        silent = len(readings)
        time.sleep(0.1)
        assert len(readings) == silent  # so the dead-man runs out
        here.set()
        until(lambda: len(readings) > silent)
        assert readings[-1][1][4] == 0 and "is back" in said[-1]
    finally:
        pad.close()
    assert "gamepad" not in [thread.name for thread in threading.enumerate()]


def test_without_a_gamepad_it_says_what_is_there_and_what_to_do() -> None:
    with pytest.raises(BcError, match=r"no gamepad called 'nobody has this'.*plug one in"):
        open_gamepad("nobody has this")


def test_through_the_kernel() -> None:
    try:
        device = UInput(XBOX, name="bc_ros stand-in")
    except (UInputError, OSError) as error:
        pytest.skip(f"NOT TESTED through the kernel: it offers no /dev/uinput here ({error})")
    readings = []
    try:
        pad = gamepad(lambda: open_gamepad("bc_ros stand-in"), readings.append, print)
        pad.start()
        device.write(ecodes.EV_KEY, 310, 1)
        device.syn()
        until(lambda: bool(readings) and readings[-1][1][4] == 1)
        pad.close()
    finally:
        device.close()
