"""Labels beside a bag: at some of its ticks an expert was asked what it would do from there, and answered with a chunk.

The expert is rolled H steps in a fork of the simulation (Ross, Gordon and Bagnell, AISTATS 2011, with chunks for
actions), while the episode goes on or afterwards, from the scene that the bag holds. What was commanded stays in the
bag; the labels are a file of their own in its folder, which the converter and training read.
"""

import hashlib
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bc_core.chunks import Array
from bc_core.contract import Contract
from bc_core.errors import BcError

LABELS_FILE = "labels.npz"
LABEL = "label"
"""The source, beside those of commands, that means these labels."""


@dataclass(frozen=True)
class AskedLabels:
    """ticks (N,) on the grid, ascending; rows (N, H, D) absolute, row i the expert's command of tick + i; valid (N, H):
    rows at which it drove (after it has let go, its last row is repeated). provenance: who answered, and how (JSON).
    """

    ticks: npt.NDArray[np.int64]
    rows: Array
    valid: npt.NDArray[np.bool_]
    provenance: Mapping[str, Any]

    def __post_init__(self) -> None:
        count, horizon = self.valid.shape
        if self.ticks.shape != (count,) or self.rows.shape[:2] != (count, horizon) or self.rows.ndim != 3:
            raise ValueError(
                f"labels of unequal shape: ticks {self.ticks.shape}, rows {self.rows.shape}, valid {self.valid.shape}"
            )

    def __len__(self) -> int:
        return len(self.ticks)

    @property
    def expert_rows(self) -> int:
        """What they cost: a label of H rows costs H, as H ticks of driving do."""
        return int(self.valid.size)


def write_labels(bag: Path, labels: AskedLabels, contract: Contract) -> Path:
    """Put labels beside a bag; they appear whole or not at all, and take the place of older ones. Returns the file."""
    file = bag / LABELS_FILE
    temporary = file.with_suffix(".tmp")
    about = {"contract": contract.name, "dt": contract.grid.dt, "columns": _columns(contract), **labels.provenance}
    with temporary.open("wb") as stream:
        np.savez_compressed(
            stream,
            ticks=labels.ticks,
            rows=labels.rows,
            valid=labels.valid,
            provenance=np.frombuffer(json.dumps(about).encode(), dtype=np.uint8),
        )
    temporary.replace(file)
    return file


def read_labels(bag: Path, contract: Contract) -> AskedLabels | None:
    """Labels beside a bag; None where there are none.

    BcError: the file is damaged, or was written for other columns or another dt than the contract's.
    """
    file = bag / LABELS_FILE
    if not file.is_file():
        return None
    try:
        with np.load(file, allow_pickle=False) as found:
            about = json.loads(found["provenance"].tobytes())
            labels = AskedLabels(
                found["ticks"].astype(np.int64), found["rows"].astype(np.float64), found["valid"].astype(bool), about
            )
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise BcError(f"labels '{file}' cannot be read ({error}): delete the file and label the bag again") from error
    for key, here in (("dt", contract.grid.dt), ("columns", _columns(contract))):
        if about.get(key) != here:
            raise BcError(
                f"labels '{file}' have {key} = {about.get(key)}, contract '{contract.name}' says {here}: label the bag "
                "again with this contract"
            )
    return labels


def fingerprint(bag: Path) -> str:
    """Of the labels beside a bag: the first 12 hex digits of the file's SHA-256; empty without labels."""
    file = bag / LABELS_FILE
    return hashlib.sha256(file.read_bytes()).hexdigest()[:12] if file.is_file() else ""


def _columns(contract: Contract) -> list[str]:
    return [f"{group.name}.{name}" for group in contract.groups for name in group.names or (group.tip,)]
