"""Normalisation to zero mean and unit variance, with floors that keep constant dimensions harmless."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from bc_core.chunks import Array
from bc_core.errors import BcError

MINIMAL_STD = 1e-3
"""Below this [SI] a dimension counts as constant: dividing by less would blow up the noise of a sensor."""


@dataclass(frozen=True)
class Normaliser:
    """(x - mean) / std element by element; mean and std have the trailing shape of the data."""

    mean: Array
    std: Array

    def __post_init__(self) -> None:
        if self.mean.shape != self.std.shape or not (self.std > 0.0).all() or not np.isfinite(self.mean).all():
            raise ValueError("normalisation needs finite means and positive standard deviations of one shape")

    def normalise(self, data: Array) -> Array:
        return (data - self.mean) / self.std

    def denormalise(self, data: Array) -> Array:
        return data * self.std + self.mean

    def to_document(self) -> dict[str, Any]:
        """Plain lists; float64 survives JSON exactly."""
        return {"mean": self.mean.tolist(), "std": self.std.tolist()}

    @classmethod
    def from_document(cls, document: Mapping[str, Any], where: str) -> "Normaliser":
        try:
            return cls(np.array(document["mean"], dtype=np.float64), np.array(document["std"], dtype=np.float64))
        except (KeyError, TypeError, ValueError) as error:
            raise BcError(f"{where}: normalisation is damaged ({error!r}): train again") from error


def fit_observations(data: Array) -> Normaliser:
    """Statistics per dimension of data (N, W)."""
    return Normaliser(data.mean(axis=0), np.maximum(data.std(axis=0), MINIMAL_STD))


def fit_actions(actions: Array, valid: npt.NDArray[np.bool_], row_floor: float) -> Normaliser:
    """Statistics per row and column of encoded actions (N, H, E); valid (N, H) says which rows have a target.

    Relative actions spread with the row: near rows differ by millimetres, far ones by decimetres, and one scale for all
    would leave the near rows, the first to be executed, to the noise of the network. row_floor, 0 to 1, bounds the
    difference: no row's std is less than this part of the column's over all rows (1: one scale per column).
    """
    weights = valid.astype(np.float64)[:, :, None]
    rows = np.maximum(weights.sum(axis=0), 1.0)
    total = max(float(weights.sum()), 1.0)
    column_mean = (actions * weights).sum(axis=(0, 1)) / total
    column_std = np.sqrt((((actions - column_mean) ** 2) * weights).sum(axis=(0, 1)) / total)
    mean = np.where(weights.sum(axis=0) > 0.0, (actions * weights).sum(axis=0) / rows, column_mean)
    std = np.sqrt((((actions - mean) ** 2) * weights).sum(axis=0) / rows)
    floor = np.maximum(row_floor * column_std, MINIMAL_STD)
    return Normaliser(mean, np.maximum(std, floor))
