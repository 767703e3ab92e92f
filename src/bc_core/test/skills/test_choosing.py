"""Who chooses: by name, a state machine, a model; in virtual time."""

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from bc_core.errors import BcError
from bc_core.modes import Mode
from bc_core.skills.asking import ModelSelector
from bc_core.skills.executive import Ended, Outcome, Phase
from bc_core.skills.library import Library
from bc_core.skills.machine import Machine, MachineSelector
from bc_core.skills.vision import answer, question

from .cell import HOME, PICK, PLACE, Cell, write_library

MACHINE: dict[str, Any] = {
    "machine": "work",
    "initial": "ready",
    "limit": 6,
    "states": {
        "ready": {"skill": "home", "then": {"success": "pick"}},
        "pick": {"skill": "pick", "then": {"success": "place", "timeout": "ready", "refused": "done"}},
        "place": {"skill": "place", "then": {"success": "done"}},
    },
}


def machine(folder: Path, library: Library, **changes: Any) -> Machine:
    path = folder / "machine.yml"
    path.write_text(yaml.safe_dump({**MACHINE, **changes}))
    return Machine.load(path, library)


@pytest.fixture
def working(folder: Path, tmp_path: Path) -> Cell:
    return Cell(folder, MachineSelector(machine(tmp_path, Library.load(folder))))


def test_a_machine_goes_through_its_states(working: Cell) -> None:
    cell = working
    cell.run(1.0)
    assert not cell.robot.calls  # it does not begin by itself
    cell.director.start(cell.now_ns)
    cell.run(1.0)
    assert cell.director.state == "pick"
    cell.seen["object"] = np.array([0.5, 0.3, 0.0])
    cell.run(3.0)
    assert cell.director.message == "state machine 'work' has ended: success"
    assert not cell.director.active
    assert cell.modes == [Mode.HOLD, Mode.PLANNER, *[Mode.HOLD, Mode.POLICY] * 2, Mode.HOLD]
    assert cell.robot.asked("activate") == ["out/pick", "out/place"]


def test_a_machine_goes_back_and_has_a_limit(working: Cell) -> None:
    cell = working
    cell.director.start(cell.now_ns)
    cell.run(60.0)  # pick never ends: home, pick, home, pick, home, pick, and no more
    assert cell.executive.ended == 6
    assert "6 skills were carried out, its limit" in cell.director.message
    assert cell.mode is Mode.HOLD


def test_an_end_that_a_machine_has_no_transition_for_stops_it(working: Cell) -> None:
    cell = working
    cell.robot.broken = {"move"}
    cell.director.start(cell.now_ns)
    cell.run(2.0)
    assert not cell.director.active
    assert "state 'ready': skill 'home' ended with refused (no way round the table)" in cell.director.message
    assert cell.executive.ended == 1


def test_a_takeover_stops_a_machine_until_it_is_started_again(working: Cell) -> None:
    cell = working
    cell.director.start(cell.now_ns)
    cell.run(1.0)
    cell.change(Mode.HUMAN, "human chunk")
    cell.run(0.5)
    cell.change(Mode.HOLD, "lease over")
    cell.run(3.0)
    assert not cell.director.active
    assert "a human took over" in cell.director.message or "HUMAN" in cell.director.message
    assert cell.executive.phase is Phase.IDLE
    cell.director.start(cell.now_ns)
    cell.run(0.1)
    assert cell.director.state == "ready"  # from its beginning


def test_a_takeover_between_two_skills_stops_it_too(working: Cell) -> None:
    cell = working
    cell.director.start(cell.now_ns)
    cell.change(Mode.HUMAN, "human chunk")
    cell.change(Mode.HOLD, "released")  # before the next tick
    cell.run(1.0)
    assert not cell.director.active
    assert not cell.robot.calls


def test_a_name_goes_before_a_machine(working: Cell) -> None:
    cell = working
    cell.director.start(cell.now_ns)
    cell.run(1.0)
    cell.director.select("place", cell.now_ns)
    cell.run(3.0)
    assert cell.executive.last == ("place", Outcome.SUCCESS, "")
    assert not cell.director.active


def test_stop_ends_skill_and_selector(working: Cell) -> None:
    cell = working
    cell.director.start(cell.now_ns)
    cell.run(1.0)
    cell.director.stop(cell.now_ns, "enough")
    cell.run(1.0)
    assert cell.mode is Mode.HOLD
    assert cell.executive.phase is Phase.IDLE
    assert not cell.director.active


def test_a_start_needs_a_selector_and_a_free_robot(cell: Cell, working: Cell) -> None:
    with pytest.raises(BcError, match="no selector is configured"):
        cell.director.start(cell.now_ns)
    working.change(Mode.HUMAN, "human chunk")
    with pytest.raises(BcError, match="a human drives"):
        working.director.start(working.now_ns)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"initial": "redy"}, r"one of pick, place, ready; did you mean ready\?"),
        ({"states": {}}, "needs at least one entry"),
        ({"states": {"ready": {"skill": "hom", "then": {}}}}, r"did you mean home\?"),
        ({"states": {"ready": {"skill": "home", "then": {"success": "pik"}}}}, "must be one of ready, done"),
        (
            {"states": {"ready": {"skill": "home", "then": {"preempted": "ready"}}}},
            "unknown key states.ready.then.pree",
        ),
        ({"states": {"ready": {"skill": "home"}}}, "states.ready.then is missing"),
        ({"states": {**MACHINE["states"], "lost": {"skill": "home", "then": {}}}}, "'lost'.*cannot be reached"),
        ({"states": {"done": {"skill": "home", "then": {}}}, "initial": "done"}, "is the end"),
        ({"limt": 3}, r"unknown key limt: did you mean limit\?"),
    ],
)
def test_a_machine_that_is_wrong_is_refused(folder: Path, tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(BcError, match=words):
        machine(tmp_path, Library.load(folder), **changes)


def test_a_machine_is_drawn(folder: Path, tmp_path: Path) -> None:
    lines = machine(tmp_path, Library.load(folder)).diagram().splitlines()
    assert lines[:2] == ["stateDiagram-v2", "    [*] --> ready"]
    assert "    pick --> ready: timeout" in lines
    assert "    pick --> [*]: refused" in lines


class Model:
    """Answers what it is told to, when it is allowed to."""

    def __init__(self) -> None:
        self.bodies: list[dict[str, Any]] = []
        self.reply: Callable[[], bytes] = lambda: completion({"skill": "done", "reason": "it is there"})
        self.gate = threading.Event()

    def __call__(self, body: dict[str, Any]) -> bytes:
        self.bodies.append(body)
        assert self.gate.wait(10.0)
        return self.reply()


def completion(content: object) -> bytes:
    text = content if isinstance(content, str) else json.dumps(content)
    return json.dumps({"choices": [{"message": {"role": "assistant", "content": text}}]}).encode()


class Asked:
    """A cell whose skills a model chooses."""

    def __init__(self, folder: Path) -> None:
        self.model = Model()
        self.cell = Cell(folder, camera="camera")
        world, library = self.cell.world, self.cell.library
        self.selector = ModelSelector(self.model, "seer", "the cube lies in the box", library, world, "camera")
        self.cell.director.selector = self.selector

    def run_until_answered(self) -> None:
        self.cell.run(0.1)
        asked = self.selector._asked
        assert asked is not None
        self.model.gate.set()
        asked.exception(10.0)  # waits for the thread, whatever came of it
        self.model.gate.clear()
        self.cell.run(0.1)


@pytest.fixture
def asked(folder: Path) -> Any:
    asked = Asked(folder)
    yield asked
    asked.model.gate.set()
    asked.selector.close()


def test_a_model_chooses_from_picture_and_past(asked: Asked) -> None:
    cell, model = asked.cell, asked.model
    model.reply = lambda: completion({"skill": "place", "reason": "it is in the hand"})
    cell.director.start(cell.now_ns)
    asked.run_until_answered()
    assert (cell.director.message, cell.executive.skill and cell.executive.skill.name) == ("it is in the hand", "place")
    model.reply = lambda: completion({"skill": "done", "reason": "it lies in the box"})
    cell.run(2.0)
    asked.run_until_answered()
    assert not cell.director.active
    assert cell.director.message == "it lies in the box"
    first, second = (body["messages"][1]["content"] for body in model.bodies)
    assert first[0]["text"] == "Goal: the cube lies in the box\nDone so far:\n- nothing"
    assert second[0]["text"].endswith("Done so far:\n- place: success")
    assert first[1]["image_url"]["url"].startswith("data:image/jpeg;base64,/9j/")
    assert "- pick: pick it\n- place: place it" in model.bodies[0]["messages"][0]["content"]


def test_the_robot_holds_while_a_model_thinks_and_a_human_ends_its_turn(asked: Asked) -> None:
    cell, model = asked.cell, asked.model
    model.reply = lambda: completion({"skill": "pick", "reason": ""})
    cell.director.start(cell.now_ns)
    cell.run(3.0)
    assert cell.modes == [Mode.HOLD]
    cell.change(Mode.HUMAN, "human chunk")
    cell.change(Mode.HOLD, "released")
    model.gate.set()
    cell.run(3.0)
    assert cell.executive.ended == 0 and cell.executive.phase is Phase.IDLE
    assert cell.modes == [Mode.HOLD, Mode.HUMAN, Mode.HOLD]


def test_a_model_that_fails_or_lies_moves_nothing(asked: Asked) -> None:
    cell, model = asked.cell, asked.model

    def down() -> bytes:
        raise BcError("endpoint http://x: connection refused")

    for reply, words in (
        (down, "endpoint http://x: connection refused"),
        (lambda: completion({"skill": "dance", "reason": "fun"}), "no skill 'dance'"),
    ):
        model.reply = reply
        cell.director.start(cell.now_ns)
        asked.run_until_answered()
        assert not cell.director.active
        assert f"model 'seer' has made no choice: {words}" in cell.director.message
    cell.run(2.0)
    assert not cell.robot.calls


def test_a_model_is_not_asked_about_a_picture_that_is_old(asked: Asked) -> None:
    cell = asked.cell
    cell.run(0.5)
    cell.seen["camera"] = None
    cell.run(0.3)
    cell.director.start(cell.now_ns)
    cell.run(2.0)
    assert not asked.model.bodies
    assert not cell.director.active
    assert "model 'seer' is not asked: observation 'camera'" in cell.director.message


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "no chat completion"),
        (b"<html>hello</html>", "no chat completion"),
        (b"\xff\xfe", "no chat completion"),
        (b"[]", "no chat completion"),
        (b'{"choices": []}', "no chat completion"),
        (b'{"choices": [{"message": {}}]}', "no chat completion"),
        (b"[" * 100_000, "no chat completion"),
        (json.dumps({"choices": [{"message": {"content": None}}]}).encode(), "JSON object"),
        (completion("I would pick the cube."), "did not answer with a JSON object"),
        (completion('```json\n{"skill": "pick", "reason": ""}\n```'), "did not answer with a JSON object"),
        (completion(["pick"]), "must be a mapping"),
        (completion({"reason": "because"}), "skill is missing"),
        (completion({"skill": 3, "reason": ""}), "non-empty text"),
        (completion({"skill": "", "reason": ""}), "non-empty text"),
        (completion({"skill": "pik", "reason": ""}), r"no skill 'pik'.*did you mean pick\?"),
        (completion({"skill": "pick", "reason": "", "speed": 9}), "unknown key speed"),
        (completion({"skill": ["pick", "place"], "reason": ""}), "non-empty text"),
    ],
)
def test_what_is_no_answer_is_refused_with_the_reason(folder: Path, body: bytes, words: str) -> None:
    with pytest.raises(BcError, match=words):
        answer(body, Library.load(folder))


def test_what_a_model_is_asked_names_the_library_and_nothing_else(folder: Path) -> None:
    cell = Cell(folder, camera="camera")
    image = np.full((8, 8, 3), 7, dtype=np.uint8)
    past = [Ended("pick", Outcome.FAILURE, f"{n}") for n in range(30)]
    body = question("seer", "tidy", cell.library, past, image, cell.contract.observations["camera"])
    assert body["response_format"]["json_schema"]["schema"]["properties"]["skill"]["enum"] == [
        *sorted([PICK["skill"], PLACE["skill"], HOME["skill"]]),
        "done",
    ]
    assert body["messages"][1]["content"][0]["text"].count("- pick: failure") == 10
    json.dumps(body)


def test_a_model_needs_a_goal(folder: Path) -> None:
    cell = Cell(folder, camera="camera")
    with pytest.raises(BcError, match="give a goal"):
        ModelSelector(Model(), "seer", "", cell.library, cell.world, "camera")


def test_a_library_of_one_is_written(tmp_path: Path) -> None:
    assert list(Library.load(write_library(tmp_path / "one", PICK))) == ["pick"]
