"""One function for many arguments, wherever it runs."""

import os
import sys

import pytest

from bc_core.errors import BcError
from bc_core.workers import Workers


def square(number: int) -> tuple[int, int]:
    if number < 0:
        raise BcError(f"{number} is negative: give another")
    return number * number, os.getpid()


@pytest.mark.parametrize("workers", [Workers(1), Workers(2), Workers(1, ray="local")])
def test_results_come_with_their_numbers_and_errors_as_they_were(workers: Workers) -> None:
    if workers.ray:
        pytest.importorskip("ray")
    found = dict(workers.results(square, [(2,), (3,), (4,)]))
    assert {number: value for number, (value, _) in found.items()} == {0: 4, 1: 9, 2: 16}
    elsewhere = {pid for _, pid in found.values()} - {os.getpid()}
    assert bool(elsewhere) == (workers != Workers(1))
    with pytest.raises(BcError, match="-1 is negative: give another"):
        list(workers.results(square, [(1,), (-1,)]))


def test_little_work_stays_here() -> None:
    assert [pid for _, (_, pid) in Workers(2).results(square, [(1,), (2,)], least=3)] == [os.getpid()] * 2


def test_without_ray_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(BcError, match=r"--ray needs package 'ray' .*pip install ray"):
        list(Workers(ray="local").results(square, [(1,)]))
