"""Losses are found by publication numbers."""

import random

import pytest

from bc_teleop.sequence_audit import LossAccount, SequenceAudit


def audit(numbers: list[int], publishers: int = 1) -> int:
    audit = SequenceAudit()
    return sum(audit.missing_before(number, lambda: publishers) for number in numbers)


def test_a_late_joiner_lost_nothing() -> None:
    assert audit([41, 42, 43]) == 0


@pytest.mark.parametrize(("numbers", "lost"), [([1, 2, 4, 5], 1), ([1, 5, 6, 9], 5), ([7, 1007], 999)])
def test_gaps_of_one_publisher_are_counted_exactly(numbers: list[int], lost: int) -> None:
    assert audit(numbers) == lost


def test_a_publisher_that_began_anew_lost_nothing() -> None:
    assert audit([100, 101, 1, 2, 3]) == 0


def test_a_second_publisher_that_the_graph_does_not_tell_of_yet_makes_no_loss_of_the_first() -> None:
    assert audit([*range(1, 35), *range(1, 18), 35, 36, 18], publishers=1) == 0


def test_a_gap_after_a_beginning_anew_is_counted_exactly() -> None:
    assert audit([100, 101, 1, 2, 5], publishers=1) == 2


def test_of_many_that_began_anew_only_the_newest_are_remembered() -> None:
    audit = SequenceAudit()
    for number in range(100_000, 0, -1000):
        assert audit.missing_before(number, lambda: 1) == 0
    assert audit.missing_before(2, lambda: 1) == 0
    assert audit.missing_before(100_002, lambda: 1) == 100_002 - 15_001  # 16 are known: 3, and 1001 to 15001


def test_interleaved_publishers_are_told_apart() -> None:
    generator = random.Random(1)
    streams = [iter(range(1, 200)), iter(range(5000, 5199))]
    numbers = [next(generator.choice(streams)) for _ in range(150)]
    assert audit(numbers, publishers=2) == 0


def test_the_loss_belongs_to_the_publisher_with_the_closest_number() -> None:
    assert audit([1, 5000, 2, 5004, 3, 5005, 7], publishers=2) == 3 + 3


def test_publishers_are_counted_only_when_a_number_is_unexpected() -> None:
    audit = SequenceAudit()
    audit.missing_before(1, lambda: 1)

    def never() -> int:
        raise AssertionError("asked for nothing")

    assert [audit.missing_before(number, never) for number in range(2, 100)] == [0] * 98


def test_a_loss_that_both_witnesses_tell_counts_once() -> None:
    losses = LossAccount()
    losses.add_gap(3)
    assert losses.news() == 3
    losses.add_event(3)  # the same, told later
    assert losses.news() == 0
    losses.add_event(2)
    assert losses.news() == 2
    assert losses.news() == 0


def test_what_somebody_else_received_counts_where_no_other_witness_saw_it() -> None:
    losses = LossAccount()
    losses.add_gap(3)
    losses.add_received_elsewhere(3)
    assert losses.news() == 3
    losses.add_received_elsewhere(2)
    assert losses.news() == 2


def test_an_account_that_begins_anew_forgets() -> None:
    losses = LossAccount()
    losses.add_gap(3)
    losses.add_received_elsewhere(4)
    losses.begin()
    assert losses.news() == 0
    losses.add_event(1)
    assert losses.news() == 1
