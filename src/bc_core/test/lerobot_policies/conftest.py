from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
import torch

from bc_core.lerobot.policy.load import import_policy

from .golden_cases import checkpoint, contract, streams


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def imported(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[Path, Path]]:
    """LeRobot's checkpoint of a case, and ours that was made of it; both are left as they are."""

    @cache
    def make(case: str) -> tuple[Path, Path]:
        folder = tmp_path_factory.mktemp(case)
        theirs = checkpoint(case, folder)
        import_policy(theirs, folder / "ours", contract(), streams(case))
        return theirs, folder / "ours"

    return make
