"""Labels of interventions and what they weigh."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from bc_core.contract import Contract
from bc_core.dagger.labels import Interval, Part, interventions, parts
from bc_core.dagger.weights import PartWeights
from bc_core.dataset import EpisodeTicks, read_episode, windows
from bc_core.errors import BcError
from bc_core.schema import Section
from bc_core.training.optimise import draw

MS = 1_000_000
DT = 50 * MS
HOLD, POLICY, HUMAN = 0, 1, 3


def episode(source: str) -> EpisodeTicks:
    """One tick per character: p policy, h human, . nobody; the grid tick of the first is 100."""
    names = {"p": "policy", "h": "human", ".": ""}
    sources = np.array([names[character] for character in source])
    commands = np.where((sources == "")[:, None], np.nan, 0.0) * np.ones((1, 8))
    count = len(source)
    return EpisodeTicks(
        "episode", 100, {}, np.ones(count, bool), commands, sources, np.zeros(count, int), np.zeros(count, int), {}, 0
    )


def test_parts_of_an_episode_with_two_interventions() -> None:
    label = parts(episode("..ppppphhh.pphh.pp"), before=2)
    letters = {"": ".", "policy": "p", "before": "b", "intervention": "i", "demonstration": "d"}
    assert "".join(letters[str(part)] for part in label) == "..pppbbiii.bbii.pp"


def test_a_demonstration_is_no_intervention() -> None:
    only_human = episode("..hhhh")
    assert set(parts(only_human, before=3)) == {Part.NOBODY, Part.DEMONSTRATION}
    assert interventions(only_human) == []


def test_a_human_who_acts_first_intervenes_too() -> None:
    assert interventions(episode("hhppp")) == [Interval(100, 101)]


def test_intervals_are_grid_ticks_with_both_ends() -> None:
    assert interventions(episode(".pphhh..hp")) == [Interval(103, 105), Interval(108, 108)]
    assert interventions(episode("pph"))[0].ticks == 1


def test_weights_by_part_and_what_weighs_nothing_is_dropped() -> None:
    weights = PartWeights(demonstration=1.0, intervention=4.0, before=0.0, policy=0.5, before_seconds=0.1)
    ticks = episode("pppphh.p")
    np.testing.assert_array_equal(weights.of(ticks, 0.05), [0.5, 0.5, 0.0, 0.0, 4.0, 4.0, 0.0, 0.5])
    window = windows(ticks, 3, ("human", "policy"), pad_end=False)
    kept = window.chosen(weights.of(ticks, 0.05) > 0.0)
    assert kept.frames.tolist() == [0, 1, 4, 5, 7]
    np.testing.assert_array_equal(kept.valid[2], [True, True, False])  # no target past the change of source


def test_a_misspelt_part_is_refused() -> None:
    with pytest.raises(BcError, match="intervntion"):
        PartWeights.from_section(Section({"intervntion": 2.0}, "file"))


def test_frames_are_drawn_in_proportion_to_their_weight() -> None:
    generator = torch.Generator().manual_seed(1)
    drawn = draw(torch.tensor([1.0, 0.0, 3.0]), 40_000, generator)
    share = torch.bincount(drawn, minlength=3) / 40_000
    torch.testing.assert_close(share, torch.tensor([0.25, 0.0, 0.75]), atol=0.01, rtol=0.0)


def test_labels_of_a_bag_equal_the_true_interval_to_the_tick(
    recording: Any, contract: Contract, tmp_path: Path
) -> None:
    """The human's chunk takes effect inside a tick and ends inside another one: only whole ticks are theirs."""
    arm = np.zeros(7)
    for time in range(0, 2000 * MS + 1, 5 * MS):
        recording.joints(time, arm, 0.05)
    rows = np.zeros((40, contract.width))
    recording.mode(0, HOLD, 1)
    recording.mode(98 * MS, POLICY, 2)
    recording.chunk("policy", 1, 100 * MS, rows, in_force=120 * MS)
    recording.mode(703 * MS, HUMAN, 3)
    recording.chunk("human", 1, 700 * MS, rows[:3], in_force=703 * MS, dt_ns=2 * MS)
    recording.chunk("human", 2, 704 * MS, np.zeros((101, 8)), in_force=704 * MS, dt_ns=2 * MS)  # ends at 904 ms
    recording.mode(904 * MS, HOLD, 4)
    recording.mode(1300 * MS, POLICY, 5)
    recording.chunk("policy", 2, 1300 * MS, rows, in_force=1500 * MS)
    ticks = read_episode(recording.close(), contract, ("arm",), 1)
    (interval,) = interventions(ticks)
    # in force from 703 to 904 ms: at the ticks 750, 800, 850 and 900 ms
    assert (interval.first, interval.last) == (15, 18)
    label = parts(ticks, before=3)
    assert label[3 - ticks.first_tick] == "policy" and label[2 - ticks.first_tick] == ""
    assert [str(part) for part in label[11 : 15 + 1]] == ["policy", "before", "before", "before", "intervention"]
    assert all(part == "" for part in label[19:30]) and label[30] == "policy"
