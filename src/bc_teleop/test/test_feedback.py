"""Rumble: one pulse per event, and an end to each."""

from bc_teleop.feedback import ASKED, DENIED, STOPPED, TAKEN, WARNED, Feedback

MS = 1_000_000


def test_a_takeover_is_felt_once_and_ends() -> None:
    feedback = Feedback()
    felt = [feedback.update(t * MS, human=t >= 100, denied=False, stopped=False) for t in range(0, 500, 50)]
    assert felt == [None, None, TAKEN.intensity, None, None, 0.0, None, None, None, None]


def test_a_stop_outranks_the_refusal_that_follows_from_it() -> None:
    feedback = Feedback()
    feedback.update(0, human=True, denied=False, stopped=False)
    assert feedback.update(50 * MS, human=False, denied=True, stopped=True) == STOPPED.intensity
    assert feedback.update(100 * MS, human=False, denied=True, stopped=True) is None
    assert feedback.update(900 * MS, human=False, denied=True, stopped=True) == 0.0


def test_a_call_for_help_is_felt_once_and_a_takeover_after_it_too() -> None:
    feedback = Feedback()
    steps = [(False, True), (False, True), (True, True), (True, False), (False, False)]  # human, asked
    felt = [
        feedback.update(i * 1000 * MS, human=human, denied=False, stopped=False, asked=asked)
        for i, (human, asked) in enumerate(steps)
    ]
    assert felt == [ASKED.intensity, 0.0, TAKEN.intensity, 0.0, None]


def test_a_dead_man_without_effect_is_felt_each_time_it_is_pressed() -> None:
    feedback = Feedback()
    denied = [True, True, False, True]
    felt = [feedback.update(i * 1000 * MS, human=False, denied=d, stopped=False) for i, d in enumerate(denied)]
    assert felt == [DENIED.intensity, 0.0, None, DENIED.intensity]


def test_a_warning_of_the_recorder_waits_for_the_pulse_before_it_and_is_felt_once() -> None:
    feedback = Feedback()
    feedback.warn()
    felt = [feedback.update(t * MS, human=True, denied=False, stopped=False) for t in range(0, 700, 100)]
    assert felt == [TAKEN.intensity, None, 0.0, WARNED.intensity, None, None, 0.0]
