"""What a button means at the moment, and what of the recording is told to whoever drives."""

import pytest

from bc_msgs.msg import EpisodeStatus
from bc_teleop.command import Button
from bc_teleop.episode_watch import EpisodeState, EpisodeWatch

SECOND = 1_000_000_000
IDLE, RECORDING, PAUSED = EpisodeState
SHARED = (  # as in config/teleop/joy.yaml
    frozenset({Button.START, Button.SUCCESS}),
    frozenset({Button.DISCARD, Button.RERECORD}),
    frozenset({Button.PAUSE, Button.RESET}),
)


def watch(state: EpisodeState) -> EpisodeWatch:
    found = EpisodeWatch()
    found.update(0, state, (), "")
    return found


def test_states_are_those_of_the_message() -> None:
    assert {state: getattr(EpisodeStatus, state.name) for state in EpisodeState} == {s: s.value for s in EpisodeState}


@pytest.mark.parametrize(
    ("state", "stopped", "meant"),
    [
        (IDLE, True, (Button.START, None, Button.RESET)),
        (RECORDING, False, (Button.SUCCESS, Button.DISCARD, Button.PAUSE)),
        (RECORDING, True, (Button.SUCCESS, Button.DISCARD, Button.RESET)),
        (PAUSED, False, (Button.SUCCESS, Button.RERECORD, Button.PAUSE)),
    ],
)
def test_a_shared_button_means_what_can_be_done(
    state: EpisodeState, stopped: bool, meant: tuple[Button | None, ...]
) -> None:
    for pressed, wanted in zip(SHARED, meant, strict=True):
        assert watch(state).meant(pressed, stopped) == (pressed if wanted is None else {wanted})


@pytest.mark.parametrize("button", Button)
@pytest.mark.parametrize("state", EpisodeState)
def test_a_button_of_its_own_is_always_asked(state: EpisodeState, button: Button) -> None:
    assert watch(state).meant(frozenset({button}), stopped=False) == {button}


def test_warnings_are_told_when_they_are_new_and_again_while_they_last() -> None:
    found = EpisodeWatch()
    slow, dead = "camera is slow", "camera is dead"
    told = [found.update(t * SECOND, RECORDING, [slow], "") for t in (0, 1, 4, 5, 6)]
    assert told == [[slow], [], [], [slow], []]
    assert found.update(7 * SECOND, RECORDING, [slow, dead], "") == [dead]
    assert found.update(8 * SECOND, RECORDING, [], "") == []
    assert found.update(9 * SECOND, RECORDING, [slow], "") == [slow]


def test_an_end_that_nobody_asked_for_is_told() -> None:
    found = watch(RECORDING)
    assert found.update(1, IDLE, [], "disk full") == ["the recording has ended: disk full"]
    assert found.update(2, IDLE, [], "disk full") == []
    found = watch(RECORDING)
    found.meant(frozenset({Button.SUCCESS}), stopped=False)
    assert found.update(1, IDLE, [], "3 messages were lost") == []
