"""Skill files: what they say, and what is refused with the remedy."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from bc_core.contract import Contract
from bc_core.errors import BcError
from bc_core.skills.clause import Bound
from bc_core.skills.library import Library
from bc_core.skills.machine import Machine
from bc_core.skills.world import World

from .cell import CONTRACT, HOME, PICK, write_library

CONFIG = Path(__file__).parents[4] / "config"


def changed(document: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """A copy with one value replaced, or (None) its key removed."""
    copy: dict[str, Any] = yaml.safe_load(yaml.safe_dump(document))
    *parents, key = path.split("/")
    inner = copy
    for parent in parents:
        inner = inner[parent]
    if value is None:
        del inner[key]
    else:
        inner[key] = value
    return copy


def test_a_library_is_a_folder_of_skills(folder: Path) -> None:
    library = Library.load(folder)
    assert sorted(library) == ["home", "pick", "place"]
    pick = library["pick"]
    assert (pick.checkpoint, pick.timeout, pick.patience) == ("out/pick", 4.0, 0.5)
    assert pick.precondition is not None and pick.precondition.bounds == (Bound("object", "position.x", 0.3, 0.7),)
    assert pick.success is not None and pick.success.lasting == 0.2
    assert library["home"].motion is not None and library["home"].motion.name == "home"
    assert library.checkpoints == ("out/pick", "out/place")


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("skill", "Pick it", "lower-case letters"),
        ("skill", "done", "rename it"),
        ("description", None, "description is missing"),
        ("timeout", None, "timeout is missing"),
        ("timeout", 0, r"must lie in \[0.1, 3600\]"),
        ("timeout", float("inf"), "finite"),
        ("checkpoint", None, "give either checkpoint or motion"),
        ("motion", {"kind": "named", "name": "home"}, "give either checkpoint or motion"),
        ("termination", None, "termination is missing"),
        ("termination/success", None, "termination.success is missing"),
        ("terminaton", {}, "unknown key terminaton: did you mean termination?"),
        ("termination/sucess", {}, "unknown key termination.sucess: did you mean success?"),
        ("termination/success/within/object/position.y", [1.0, 0.0], "low <= high"),
        ("termination/success/within/object/position.y", [None, None], "one of them null"),
        ("termination/success/within/object/position.y", ["a", 1], "two numbers"),
        ("termination/success/within", {}, "needs at least one entry"),
        ("termination/success/for", -1, "must lie in"),
        ("termination/success/task", "won", "must be one of success, failure"),
        ("precondition/elapsed", 1.0, "unknown key precondition.elapsed"),
        ("precondition", {"for": 1.0}, "the condition says nothing"),
        ("precondition", {"any": [{"for": 1.0, "task": "success"}]}, r"unknown key precondition.any\[0\].for"),
        ("precondition", "always", "must be a mapping"),
    ],
)
def test_a_policy_skill_that_is_wrong_is_refused(tmp_path: Path, path: str, value: Any, words: str) -> None:
    write_library(tmp_path, changed(PICK, path, value) if path != "skill" else {**PICK, "skill": value})
    with pytest.raises(BcError, match=words):
        Library.load(tmp_path)


@pytest.mark.parametrize(
    ("motion", "words"),
    [
        ({"kind": "nammed", "name": "home"}, "did you mean named?"),
        ({"kind": "named"}, "motion.name is missing"),
        ({"kind": "named", "name": "home", "distance": 0.1}, "unknown key motion.distance"),
        ({"kind": "joints", "joints": {}}, "name at least one joint"),
        ({"kind": "joints", "joints": {"j1": "half"}}, "finite number"),
        ({"kind": "pose", "pose": [0, 0, 0, 0, 0, 0, 2]}, "unit length"),
        ({"kind": "approach", "pose": [0.5, 0, 0.3, 1, 0, 0, 0]}, "motion.distance is missing"),
        ({"kind": "retreat", "distance": 0.0}, "must lie in"),
        ({"kind": "named", "name": "home", "speed_scale": 1.5}, "must lie in"),
    ],
)
def test_a_motion_that_is_wrong_is_refused(tmp_path: Path, motion: dict[str, Any], words: str) -> None:
    write_library(tmp_path, {**HOME, "motion": motion})
    with pytest.raises(BcError, match=words):
        Library.load(tmp_path)


def test_a_motion_ends_where_it_is_planned_to(tmp_path: Path) -> None:
    write_library(tmp_path, {**HOME, "termination": PICK["termination"]})
    with pytest.raises(BcError, match="a motion ends where it is planned to: remove it"):
        Library.load(tmp_path)


def test_what_is_no_library_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BcError, match="no skills in"):
        Library.load(tmp_path / "nowhere")
    write_library(tmp_path, PICK)
    (tmp_path / "again.yaml").write_text(yaml.safe_dump(PICK))
    with pytest.raises(BcError, match="two of the name 'pick'"):
        Library.load(tmp_path)
    (tmp_path / "again.yaml").write_bytes(b"skill: [\xff")
    with pytest.raises(BcError, match=r"again\.yaml' cannot be read"):
        Library.load(tmp_path)


def test_an_unknown_skill_is_answered_with_a_suggestion(folder: Path) -> None:
    with pytest.raises(BcError, match=r"no skill 'pik'.*did you mean pick\?.*known: home, pick, place"):
        Library.load(folder)["pik"]


@pytest.mark.parametrize(
    ("bounds", "words"),
    [
        ({"objct": {"position.x": [0, 1]}}, "skill 'pick'.*precondition: .* no observation 'objct' .known: arm"),
        ({"object": {"position.z": [0, 1]}}, "no column 'position.z': name one of pose.position.x"),
        ({"object": {"x": [0, 1]}}, "several columns 'x'"),
        ({"camera": {"x": [0, 1]}}, "is an image"),
    ],
)
def test_conditions_are_checked_against_the_contract(tmp_path: Path, bounds: dict[str, Any], words: str) -> None:
    write_library(tmp_path, {**PICK, "precondition": {"within": bounds}})
    with pytest.raises(BcError, match=words):
        World(Contract.from_document(CONTRACT, "cell"), Library.load(tmp_path))


def test_a_camera_must_be_one(folder: Path) -> None:
    contract, library = Contract.from_document(CONTRACT, "cell"), Library.load(folder)
    with pytest.raises(BcError, match="'arm' is no image"):
        World(contract, library, "arm")
    with pytest.raises(BcError, match="no observation 'eye'"):
        World(contract, library, "eye")


def test_the_installed_skills_and_machine_fit_the_installed_contract() -> None:
    library = Library.load(CONFIG / "skills")
    World(Contract.load(CONFIG / "contracts" / "panda_conveyor.yaml"), library, "camera")
    for path in sorted((CONFIG / "machines").glob("*.yaml")):
        assert Machine.load(path, library).states
