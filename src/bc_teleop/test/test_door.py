"""Who may drive through the page, and which of their readings count."""

import pytest

from bc_teleop.browser.door import AXES, BUTTONS, RELEASED, Door, Punctuality, Valve, parse

STILL = ([0.0] * 6, [0] * BUTTONS)
HELD = ([0.0] * 6, [0, 0, 0, 0, 1, *[0] * (BUTTONS - 5)])


def test_a_token_lets_in_once() -> None:
    door = Door()
    token = door.token
    assert door.enter("x" * len(token)) is None and door.enter("") is None
    session = door.enter(token)
    assert session is not None and door.knows(session) and not door.knows(token)
    assert door.enter(token) is None
    other = door.enter(door.renew())
    assert other is not None and not door.knows(session)  # the first browser is out


def test_a_delay_is_what_exceeds_the_fastest_reading_whatever_the_clocks_say() -> None:
    punctuality = Punctuality()
    delays = [punctuality.delay(sent, 1000.0 + sent + way) for sent, way in [(0.0, 0.02), (0.1, 0.01), (0.2, 0.31)]]
    assert delays == pytest.approx([0.0, 0.0, 0.3], abs=2e-3)


def test_clocks_that_drift_apart_are_not_taken_for_delay() -> None:
    punctuality = Punctuality()
    assert max(punctuality.delay(t * (1 - 2e-4), float(t)) for t in range(3600)) < 1e-3


def test_nothing_passes_until_everything_was_let_go_and_again_after_a_late_reading() -> None:
    valve, t = Valve(lateness=0.25), 0.0
    passed = []
    for reading, way in [
        (HELD, 0.0), (STILL, 0.0), (HELD, 0.0), (HELD, 0.2), (HELD, 0.3), (HELD, 0.0), (STILL, 0.0), (HELD, 0.0)
    ]:  # fmt: skip
        t += 0.02
        passed.append(valve.pass_on(reading, t, t + way) == HELD)
    assert passed == [False, False, True, True, False, False, False, True]
    assert valve.pass_on(HELD, t, t + 1.0) == RELEASED


def test_a_stop_passes_however_late_it_is_and_whatever_is_held() -> None:
    stop, stopped = 3, [0, 0, 0, 1, *[0] * (BUTTONS - 4)]
    valve = Valve(0.25, stop)
    pressed = ([0.5] * 6, [0, 0, 0, 1, 1, *[0] * (BUTTONS - 5)])  # and the dead-man
    assert valve.pass_on(HELD, 0.0, 0.0) == RELEASED
    assert valve.pass_on(pressed, 0.1, 0.1) == ([0.0] * 6, stopped)  # held from the start
    assert valve.pass_on(STILL, 0.2, 0.2) == STILL
    assert valve.pass_on(pressed, 0.3, 0.8) == ([0.0] * 6, stopped)  # 0.5 s late
    assert Valve(0.25).pass_on(pressed, 0.0, 0.0) == RELEASED


def test_axes_become_those_of_every_other_device() -> None:
    buttons = [0] * BUTTONS
    buttons[12] = buttons[15] = buttons[4] = 1  # cross up and right, left shoulder
    parsed = parse({"t": 1500.0, "axes": [0.5, -2.0, 0, 0.25], "buttons": buttons})
    assert parsed is not None
    assert parsed[0] == 1.5 and parsed[1] == ([-0.5, 1.0, 0.0, -0.25, -1.0, 1.0], buttons)


@pytest.mark.parametrize(
    "message",
    [
        None, [], {"t": 0.0}, {"t": 0.0, "axes": [0.0] * AXES, "buttons": [0]},
        {"t": float("nan"), "axes": [0.0] * AXES, "buttons": [0] * BUTTONS},
        {"t": 0.0, "axes": [float("inf")] * AXES, "buttons": [0] * BUTTONS},
        {"t": 0.0, "axes": ["0"] * AXES, "buttons": [0] * BUTTONS},
        {"t": 0.0, "axes": "0000", "buttons": [0] * BUTTONS},
    ],
)  # fmt: skip
def test_what_is_no_reading_is_none(message: object) -> None:
    assert parse(message) is None
