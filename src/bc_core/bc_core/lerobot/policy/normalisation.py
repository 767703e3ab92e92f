"""Pre- and postprocessor of a LeRobot checkpoint: the normalisation of its inputs and outputs.

Modes and formulas of LeRobot's normalizer_processor: MEAN_STD (x - mean) / (std + eps), on the way out x std + mean;
MIN_MAX, QUANTILES and QUANTILE10 take an interval to [-1, 1]; IDENTITY, and a kind of feature without a mode, nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from bc_core.chunks import Array
from bc_core.errors import BcError
from bc_core.lerobot.policy import files
from bc_core.lerobot.policy.source import ACTION, ENVIRONMENT, STATE, Source
from bc_core.normalisation import Normaliser
from bc_core.schema import Section

INTERVALS = {"MIN_MAX": ("min", "max"), "QUANTILES": ("q01", "q99"), "QUANTILE10": ("q10", "q90")}
_MODES = ("MEAN_STD", "IDENTITY", *INTERVALS)
_MIGRATE = "LeRobot before 0.4 kept it elsewhere: convert the checkpoint with its migrate_policy_normalization"
_BEFORE = ("rename_observations_processor", "to_batch_processor", "device_processor", "normalizer_processor")
_AFTER = ("unnormalizer_processor", "device_processor")
_CONSTANT = 1e30
"""So wide that no reading moves the normalised value, which in training was the same in every frame."""


@dataclass(frozen=True)
class Normalisation:
    """observations: of state and environment of one tick, (W,). actions: (D,). images: camera feature -> mean and
    std (3,), of pixels from 0 to 1. renamed: what the robot calls a feature -> what the policy does."""

    observations: Normaliser
    actions: Normaliser
    images: Mapping[str, Normaliser]
    renamed: Mapping[str, str]


@dataclass(frozen=True)
class _Step:
    """A normalising step: where it is from, its mode by kind of feature, eps, statistics."""

    where: str
    modes: Mapping[str, str]
    eps: float
    statistics: Mapping[str, Tensor]


def read_normalisation(source: Source, constants: bool = False) -> Normalisation:
    """constants: what did not vary in training is what it was then, whatever is read. BcError: a processor is missing,
    does something unknown, or its statistics are missing, of another shape, damaged or (unless `constants`) of width 0.
    """
    before, renamed = _step(source, files.PREPROCESSOR, _BEFORE, "normalizer_processor")
    after, _ = _step(source, files.POSTPROCESSOR, _AFTER, "unnormalizer_processor")
    numeric = [(key, kind, width) for key, kind, width in
               ((STATE, "STATE", source.state), (ENVIRONMENT, "ENV", source.environment)) if width]  # fmt: skip
    parts = [_normaliser(before, key, kind, (width,), False, constants) for key, kind, width in numeric]
    return Normalisation(
        observations=_joined(parts),
        actions=_normaliser(after, ACTION, "ACTION", (source.action,), True, constants),
        images={key: _normaliser(before, key, "VISUAL", (3, 1, 1), False, constants) for key in source.cameras},
        renamed=renamed,
    )


def _joined(parts: list[Normaliser]) -> Normaliser:
    means, stds = [part.mean for part in parts], [part.std for part in parts]
    return Normaliser(np.concatenate([np.empty(0), *means]), np.concatenate([np.empty(0), *stds]))


def _step(source: Source, name: str, known: tuple[str, ...], wanted: str) -> tuple[_Step, Mapping[str, str]]:
    """The normalising step of a processor, and how it renames observations."""
    root = files.open_section(source.folder, name, f"it holds the normalisation; {_MIGRATE}")
    found: Section | None = None
    renamed: dict[str, Any] = {}
    for step in root.section_list("steps"):
        kind = step.document.get("registry_name")
        if kind not in known:
            shown = kind or step.document.get("class")
            raise root.error("steps", shown, f"is a step that cannot be imported (known: {', '.join(known)})")
        if kind == "rename_observations_processor":
            renamed = dict(step.section("config").document.get("rename_map") or {})
        if kind == wanted:
            found = step
    if found is None:
        raise root.error("steps", [], f"has no {wanted}: {_MIGRATE}")
    config = found.section("config")
    modes = config.section("norm_map")
    state = files.named_state(source.folder, name, found.text("state_file"))
    normalising = _Step(
        where=str(state),
        modes={kind: modes.text(kind, choices=_MODES) for kind in modes.document},
        eps=config.number("eps", 1e-8, minimum=0.0, maximum=1.0),
        statistics=files.read_tensors(state),
    )
    return normalising, _texts(config, renamed)


def _texts(section: Section, found: Mapping[Any, Any]) -> Mapping[str, str]:
    if not all(isinstance(text, str) for pair in found.items() for text in pair):
        raise section.error("rename_map", found, "must name features")
    return found


def _normaliser(step: _Step, key: str, kind: str, shape: tuple[int, ...], inverse: bool, constants: bool) -> Normaliser:
    """Of one feature, as long as its shape's first number."""
    mode = step.modes.get(kind, "IDENTITY")
    count = shape[0]
    if mode == "IDENTITY":
        return Normaliser(np.zeros(count), np.ones(count))
    names = INTERVALS.get(mode, ("mean", "std"))
    first, second = (_statistic(step, key, name, mode, shape) for name in names)
    width = second if mode == "MEAN_STD" else second - first
    _check_width(step, key, names, width, constants)
    if mode == "MEAN_STD":
        mean, std, constant = first, width if inverse else width + step.eps, first
    else:
        mean, std, constant = (first + second) / 2.0, width / 2.0, first
    stuck = width == 0.0
    if inverse:
        return Normaliser(np.where(stuck, constant, mean), np.where(stuck, 1.0 / _CONSTANT, std))
    middle = 0.0 if mode == "MEAN_STD" else -1.0  # what a constant was normalised to in training
    return Normaliser(np.where(stuck, -middle * _CONSTANT, mean), np.where(stuck, _CONSTANT, std))


def _statistic(step: _Step, key: str, name: str, mode: str, shape: tuple[int, ...]) -> Array:
    tensor = step.statistics.get(f"{key}.{name}")
    if tensor is None:
        raise BcError(
            f"'{step.where}' has no tensor '{key}.{name}', which mode {mode} needs: save the checkpoint again with the "
            "statistics of its data set"
        )
    if tuple(tensor.shape) != shape:
        raise BcError(
            f"'{step.where}': tensor '{key}.{name}' has shape {list(tensor.shape)}, the feature needs {list(shape)}: "
            "save the checkpoint again with the statistics of its own data set"
        )
    values: Array = tensor.double().numpy().reshape(-1)
    return values


def _check_width(step: _Step, key: str, names: tuple[str, str], width: Array, constants: bool) -> None:
    what = f"{key}.std" if names[1] == "std" else f"{key}.{names[1]} - {key}.{names[0]}"
    for column in np.flatnonzero(width <= 0.0):
        if width[column] < 0.0:
            raise BcError(f"'{step.where}': {what} is {width[column]:g} in column {column}: the statistics are damaged")
        if not constants:
            raise BcError(
                f"'{step.where}': {what} is 0 in column {column}, which never varied in training: any other reading "
                "would be blown up. Train with data in which it varies, or import with --constants, which takes such "
                "columns for what they were in training, whatever is read"
            )
