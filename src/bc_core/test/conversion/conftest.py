"""Three small bags: a demonstration, a rollout with an intervention, and a failure with a dead camera."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bc_core.contract import Contract
from bc_core.dagger.asked import AskedLabels, write_labels

MS = 1_000_000
START = 20_000  # first tick
TICKS = 24
HUMAN, POLICY = 3, 1
SMALL = 16  # pixels


@pytest.fixture
def small(document: dict[str, Any]) -> Contract:
    """The contract with a small camera and without what a test would have to make up."""
    document["observations"] = {name: document["observations"][name] for name in ("arm", "gripper", "camera")}
    document["observations"]["camera"]["shape"] = [SMALL, SMALL, 3]
    return Contract.from_document(document, "test")


def picture(tick: int) -> np.ndarray:
    """An image that says which tick it is of: a bright bar on grey."""
    image = np.full((SMALL, SMALL, 3), 60, dtype=np.uint8)
    image[:, tick % SMALL] = 250
    return image


def rows(first: int, count: int) -> np.ndarray:
    return np.repeat(np.arange(first, first + count, dtype=float)[:, None], 8, axis=1) / 100


@pytest.fixture
def bags(small: Contract, tmp_path: Path, recording_at: Callable[..., Any]) -> list[Path]:
    t = small.grid.time
    paths = []
    for number, outcome in enumerate(("success", "success", "failure")):
        bag = recording_at(tmp_path / "bags" / f"episode_{number:06d}", number, small)
        for time in range(t(START), t(START + TICKS - 1) + 1, 10 * MS):
            bag.joints(time, np.full(7, (time - t(START)) / 1e9), 0.08)
        for tick in range(TICKS):
            if number != 2 or not 8 <= tick < 16:
                bag.image(t(START + tick), picture(tick))
        bag.mode(t(START), POLICY if number == 1 else HUMAN, 2)
        bag.chunk("policy" if number == 1 else "human", 1, t(START), rows(0, TICKS), in_force=t(START))
        if number == 1:
            bag.mode(t(START + 10), HUMAN, 3)
            bag.chunk("human", 2, t(START + 10), rows(500, TICKS - 10), in_force=t(START + 10))
        paths.append(bag.close(outcome))
    return paths


@pytest.fixture
def labelled(bags: list[Path], small: Contract) -> AskedLabels:
    """What an expert answered at two ticks of the second bag: three rows, of which the second label lacks one."""
    rows = np.stack([rows_of_label(4), rows_of_label(20)])
    labels = AskedLabels(
        np.array([START + 4, START + 20]), rows, np.array([[True] * 3, [True, True, False]]), {"expert": "test"}
    )
    write_labels(bags[1], labels, small)
    return labels


def rows_of_label(tick: int) -> np.ndarray:
    return rows(1000 + tick, 3)


@pytest.fixture
def still(small: Contract, tmp_path: Path, recording_at: Callable[..., Any]) -> Path:
    """A demonstration in which the command stands from tick 6 to 17."""
    t = small.grid.time
    bag = recording_at(tmp_path / "still" / "episode_000000", 0, small)
    for tick in range(TICKS):
        bag.joints(t(START + tick), np.zeros(7), 0.08)
        bag.image(t(START + tick), picture(tick))
    commands = rows(0, TICKS)
    commands[6:19] = commands[6]
    bag.mode(t(START), HUMAN, 2)
    bag.chunk("human", 1, t(START), commands, in_force=t(START))
    return bag.close("success")
