"""How a backbone wants its images, from the preprocessor_config.json beside its weights."""

import json
from pathlib import Path
from typing import Any

from bc_core.errors import BcError
from bc_core.schema import Section

PREPROCESSOR_FILE = "preprocessor_config.json"


def image_statistics(folder: Path, made_for: Any) -> tuple[int, int, tuple[float, ...], tuple[float, ...]]:
    """Height, width, mean and std by channel. made_for: side, or sides, by the model's config.json; None: it is silent.

    Whole images are scaled to height and width, where the file would cut off their borders: a robot's camera is aimed.
    BcError: the file is missing, or what it says cannot be.
    """
    document = read_json(folder, PREPROCESSOR_FILE)
    section = Section(document, f"'{folder / PREPROCESSOR_FILE}'")
    size = next((document[key] for key in ("crop_size", "size") if document.get(key)), made_for)
    height, width = _sides(size, section)
    if not document.get("do_normalize", True):
        return height, width, (0.0,) * 3, (1.0,) * 3
    mean, std = section.numbers("image_mean", 3), section.numbers("image_std", 3)
    if min(std) <= 0.0:
        raise section.error("image_std", list(std), "must be greater than 0")
    return height, width, mean, std


def read_json(folder: Path, name: str) -> dict[str, Any]:
    """BcError: the file is missing or no JSON mapping."""
    try:
        document = json.loads((folder / name).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BcError(f"'{folder / name}' cannot be read ({error}): give the folder of a whole model") from error
    if not isinstance(document, dict):
        raise BcError(f"'{folder / name}' is no mapping: give the folder of a whole model")
    return document


def _sides(size: Any, section: Section) -> tuple[int, int]:
    if isinstance(size, dict):
        size = size.get("shortest_edge") or (size.get("height"), size.get("width"))
    sides = (size, size) if isinstance(size, int) else size
    if not isinstance(sides, list | tuple) or len(sides) != 2 or not all(isinstance(s, int) and s > 0 for s in sides):
        raise section.error("size", size, "must be a side in pixels, or height and width")
    return sides[0], sides[1]
