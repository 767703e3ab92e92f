import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from bc_core.errors import BcError
from bc_sim.task_config import load_task, task_from_document

CONFIG = Path(__file__).parents[3] / "config" / "tasks"


@pytest.fixture()
def document() -> dict[str, Any]:
    return copy.deepcopy(yaml.safe_load((CONFIG / "conveyor_pick.yaml").read_text()))


def test_the_shipped_task_is_read(document: dict[str, Any]) -> None:
    task = load_task(CONFIG / "conveyor_pick.yaml")
    assert task.randomisation.belt_speed == tuple(document["randomisation"]["belt_speed"])
    assert task.ride_height == pytest.approx(task.belt.top + task.cube.edge / 2)
    assert task.appearance is None
    assert (task.camera.width, task.camera.height, task.camera.rate) == (96, 96, 15.0)


def test_the_appearance_that_the_shipped_task_shows_is_read(document: dict[str, Any]) -> None:
    """It stands there as a comment: looks do not vary unless somebody wants it."""
    lines = (CONFIG / "conveyor_pick.yaml").read_text().split("# appearance:")[1].splitlines()
    document["appearance"] = yaml.safe_load("\n".join(line.removeprefix("#") for line in lines[1:]))
    appearance = task_from_document(document, "here").appearance
    assert appearance is not None and appearance.patterns and appearance.diffuse == (0.1, 0.9)


def test_an_unknown_task_names_the_known_ones() -> None:
    with pytest.raises(BcError, match=r"'.*fold_towel.yaml' does not exist.*conveyor_pick"):
        load_task(CONFIG / "fold_towel.yaml")


def test_text_that_is_no_yaml_is_refused(tmp_path: Path) -> None:
    (tmp_path / "broken.yaml").write_text("task: [")
    with pytest.raises(BcError, match=r"broken.yaml' is not YAML"):
        load_task(tmp_path / "broken.yaml")


@pytest.mark.parametrize(
    ("section", "key", "value", "message"),
    [
        ("", "task", "fold_towel", "task = 'fold_towel'.*conveyor_pick"),
        ("", "time_limit", -1.0, "time_limit = -1"),
        ("randomisation", "belt_speed", [0.3, 0.1], r"randomisation.belt_speed = \[0.3, 0.1\].*low <= high"),
        ("randomisation", "belt_speed", [-0.1, 0.1], "belt_speed.*above 0"),
        ("randomisation", "yaw", [0.1], "randomisation.yaw.*2 values"),
        ("randomisation", "lateral_offset", [-0.2, 0.2], "lateral_offset.*edge of a belt"),
        ("randomisation", "wind", [0, 1], "unknown key randomisation.wind"),
        ("belt", "spawn_y", 0.9, "belt.spawn_y = 0.9.*before exit_y"),
        ("cube", "mass", "heavy", "cube.mass = 'heavy'.*number"),
        (
            "",
            "appearance",
            {"lamp": [0, 0], "diffuse": [0.5, 0.5], "ambient": [0.3, 0.3], "colour": [0, 0]},
            "appearance.patterns is missing",
        ),
        ("", "appearance", {"lamp": [1, 0]}, r"appearance.lamp = \[1.0, 0.0\].*low, high. within -5 ... 5"),
        ("camera", "position", [0.0, 1.0], "camera.position.*3 values"),
        (
            "camera",
            "depth",
            {"encoding": "16UC1", "near": 0.5, "far": 0.2},
            "camera.depth.far = 0.2: must be above near",
        ),
        ("camera", "depth", {"encoding": "rgb8", "near": 0.5, "far": 2.0}, "camera.depth.encoding = 'rgb8'.*16UC1"),
        ("camera", "look_at", [1.3, 0.0, 0.0], "camera.position.*above or below"),
    ],
)
def test_wrong_values_are_named(document: dict[str, Any], section: str, key: str, value: Any, message: str) -> None:
    (document[section] if section else document)[key] = value
    with pytest.raises(BcError, match=message):
        task_from_document(document, "here")


def test_a_missing_key_is_named(document: dict[str, Any]) -> None:
    del document["success"]["hold"]
    with pytest.raises(BcError, match=r"success.hold is missing"):
        task_from_document(document, "here")
