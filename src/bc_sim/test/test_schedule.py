import pytest

from bc_sim.schedule import Schedule

MS = 1_000_000


def events(schedule: Schedule, start: int, end: int) -> list[tuple[int, list[str]]]:
    """Every (time, due streams) when time jumps from event to event."""
    result, last = [], start
    while (now := schedule.next(last)) <= end:
        result.append((now, schedule.due(last, now)))
        last = now
    return result


def test_a_rate_off_the_millisecond_grid_neither_drifts_nor_repeats() -> None:
    times = [time for time, _ in events(Schedule({"camera": 15.0}), 0, 2_000 * MS)]
    assert len(times) == 30
    assert [time // MS for time in times[:6]] == [67, 134, 200, 267, 334, 400]
    assert times[-1] == 2_000 * MS


def test_streams_that_coincide_are_due_together_in_the_order_given() -> None:
    schedule = Schedule({"joints": 200.0, "state": 100.0, "task": 20.0})
    assert events(schedule, 0, 10 * MS) == [(5 * MS, ["joints"]), (10 * MS, ["joints", "state"])]
    assert schedule.due(45 * MS, 50 * MS) == ["joints", "state", "task"]


def test_occurrences_missed_by_a_late_caller_are_not_made_up_for() -> None:
    schedule = Schedule({"joints": 200.0})
    assert schedule.due(0, 23 * MS) == ["joints"]
    assert schedule.due(23 * MS, 24 * MS) == []
    assert schedule.due(23 * MS, 25 * MS) == ["joints"]


def test_times_of_a_system_clock_are_exact() -> None:
    start = 1_753_000_000_000_000_000
    assert len(events(Schedule({"camera": 15.0, "joints": 200.0}), start, start + 1_000 * MS)) == 200 + 15 - 5


def test_a_rate_of_zero_is_refused() -> None:
    with pytest.raises(ValueError, match=r"joints.*positive"):
        Schedule({"joints": 0.0})
