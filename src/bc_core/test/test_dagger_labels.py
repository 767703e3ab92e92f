"""Labels beside a bag: written whole, read by training and by the converters, refused where they do not fit."""

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bc_core.contract import Contract
from bc_core.dagger.asked import LABELS_FILE, AskedLabels, fingerprint, read_labels, write_labels
from bc_core.dataset import EpisodeTicks, label_windows, read_episode, windows, without_commands
from bc_core.errors import BcError

MS = 1_000_000
POLICY = 1
FIRST, TICKS, HORIZON = 20_000, 20, 6


def labels(*ticks: int, horizon: int = HORIZON) -> AskedLabels:
    """Row i of the label of tick k is k + i / 100 in every column; the last row of each is past the expert's end."""
    rows = np.array(ticks, dtype=float)[:, None, None] - FIRST + np.arange(horizon)[:, None] / 100 + np.zeros(8)
    valid = np.ones((len(ticks), horizon), dtype=bool)
    valid[:, -1] = False
    return AskedLabels(np.array(ticks), rows, valid, {"expert": "test", "drove": 1})


@pytest.fixture
def bag(contract: Contract, tmp_path: Path, recording_at: Callable[..., Any]) -> Path:
    """An episode of a policy that failed."""
    writer, t = recording_at(tmp_path / "bags" / "episode_000000", 0, contract), contract.grid.time
    for tick in range(FIRST, FIRST + TICKS):
        writer.joints(t(tick), np.zeros(7), 0.08)
    writer.mode(t(FIRST), POLICY, 2)
    writer.chunk("policy", 1, t(FIRST), np.full((TICKS, 8), -1.0), in_force=t(FIRST))
    return writer.close("failure")


def read(bag: Path, contract: Contract) -> EpisodeTicks:
    return read_episode(bag, contract, ("arm", "gripper"), 1)


def test_what_is_written_is_read_with_its_provenance(bag: Path, contract: Contract) -> None:
    assert read_labels(bag, contract) is None and fingerprint(bag) == ""
    written = labels(FIRST + 3, FIRST + 9)
    write_labels(bag, written, contract)
    found = read(bag, contract).labels
    assert found is not None and found.expert_rows == 2 * HORIZON
    np.testing.assert_array_equal(found.ticks, written.ticks)
    np.testing.assert_array_equal(found.rows, written.rows)
    np.testing.assert_array_equal(found.valid, written.valid)
    assert found.provenance["expert"] == "test" and found.provenance["contract"] == contract.name
    before = fingerprint(bag)
    write_labels(bag, labels(FIRST + 4), contract)
    assert fingerprint(bag) not in ("", before)


def test_a_labelled_frame_is_paired_with_the_answer_and_not_with_what_was_commanded(
    bag: Path, contract: Contract
) -> None:
    write_labels(bag, labels(FIRST + 3, FIRST + 9, FIRST + 500), contract)  # the last lies past the episode
    episode = read(bag, contract)
    window = label_windows(episode, 4, pad_end=False)
    assert window.frames.tolist() == [3, 9] and window.valid.all()
    np.testing.assert_allclose(window.actions[1, :, 0], [9.0, 9.01, 9.02, 9.03])
    longer = label_windows(episode, HORIZON + 2, pad_end=False)  # a policy whose chunks are longer than the labels
    assert longer.valid[0].tolist() == [True] * (HORIZON - 1) + [False] * 3
    assert label_windows(episode, HORIZON + 2, pad_end=True).valid[0].tolist() == [True] * HORIZON + [False] * 2
    assert len(windows(without_commands(episode), 4, ("policy", "human"), True).frames) == 0


def test_labels_of_other_columns_are_refused(bag: Path, contract: Contract, document: dict[str, Any]) -> None:
    write_labels(bag, labels(FIRST + 3), contract)
    other = deepcopy(document)
    other["actions"]["arm"]["names"] = other["actions"]["arm"]["names"][::-1]
    with pytest.raises(BcError, match="columns"):
        read_labels(bag, Contract.from_document(other, "test"))


def test_a_damaged_file_is_named_with_the_remedy(bag: Path, contract: Contract) -> None:
    path = write_labels(bag, labels(FIRST + 3), contract)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(BcError, match=rf"{LABELS_FILE}.*label the bag again"):
        read(bag, contract)
