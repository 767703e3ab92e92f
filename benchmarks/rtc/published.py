"""docs/benchmarks/rtc.json: the results that the published page was made from, each with the commit that made it.

FULL takes an hour. When code changes that only some strategies run, those cells are run anew and the page keeps the
others, and says so.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

Row = Mapping[str, Any]

CELL, SHAKEN = ("task", "strategy", "H", "d", "s"), ("task", "strategy", "process", "estimator")
DIGITS = 6  # of figures


def write(path: Path, cells: Sequence[Row], shaken: Sequence[Row]) -> None:
    """One row a line. cells, shaken: results with `episodes` and `commit`."""
    parts = (f'"{name}": [\n{_lines(rows)}\n]' for name, rows in (("cells", cells), ("jitter", shaken)))
    path.write_text("{" + ",\n".join(parts) + "}\n", encoding="utf-8")


class Published:
    """What was published before; without the file nothing was."""

    def __init__(self, path: Path) -> None:
        document = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {"cells": [], "jitter": []}
        self._cells = {_key(row, CELL): _unpacked(row) for row in document["cells"]}
        self._shaken = {_key(row, SHAKEN): _unpacked(row) for row in document["jitter"]}

    def cell(self, task: str, strategy: str, horizon: int, d: int, s: int) -> dict[str, Any] | None:
        """Of any number of episodes."""
        return self._cells.get((task, strategy, horizon, d, s))

    def shaken(self, task: str, strategy: str, process: str, estimator: str) -> dict[str, Any] | None:
        return self._shaken.get((task, strategy, process, estimator))


def _lines(rows: Sequence[Row]) -> str:
    return ",\n".join(json.dumps(_packed(row)) for row in rows)


def _packed(row: Row) -> dict[str, Any]:
    """Episodes as hexadecimal digits, figures rounded."""
    figures = {name: round(value, DIGITS) if isinstance(value, float) else value for name, value in row.items()}
    return {**figures, "episodes": f"{int(row['episodes'], 2):x}"}


def _unpacked(row: Row) -> dict[str, Any]:
    return {**row, "episodes": f"{int(row['episodes'], 16):0{row['n']}b}"}


def _key(row: Row, names: Sequence[str]) -> tuple[Any, ...]:
    return tuple(row[name] for name in names)
