from pathlib import Path

import pytest

from .cell import Cell, write_library


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_library(tmp_path / "skills")


@pytest.fixture
def cell(folder: Path) -> Cell:
    return Cell(folder)
