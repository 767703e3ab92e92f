"""skill_selector alone, with motions, a state machine, and a model at a local endpoint."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from std_srvs.srv import Trigger
from two_joints import write_yaml

from bc_core.errors import BcError
from bc_msgs.action import MoveTo
from bc_msgs.msg import ControlMode, SkillStatus

from .graph import Graph, Planner

Alone = Callable[..., Graph]


def with_planner(graph: Graph) -> Planner:
    """Brought up, with a planner that the selector has found."""
    graph.bring_up()
    planner: Planner = graph.add(Planner(graph.robot))
    selector = graph.nodes[-1]
    graph.until(lambda: bool(selector._executive._robot._planner.server_is_ready()))
    return planner


def test_a_motion_without_a_planner_is_refused_with_what_to_do(alone: Alone) -> None:
    graph = alone()
    graph.bring_up()
    assert graph.select("home").success
    status = graph.ended(1)
    assert status.last_outcome == SkillStatus.REFUSED
    assert "nobody serves 'move_to': start motion_planner" in status.last_reason


def test_a_policy_without_a_scheduler_fails_with_what_to_do(alone: Alone) -> None:
    graph = alone()
    graph.bring_up()
    assert graph.select("first").success
    status = graph.ended(1)
    assert status.last_outcome == SkillStatus.FAILURE
    assert "start chunk_scheduler with this skill library" in status.last_reason
    assert not graph.robot.asked


def test_an_unknown_skill_is_refused_with_a_suggestion(alone: Alone) -> None:
    graph = alone()
    graph.bring_up()
    response = graph.select("hom")
    assert not response.success
    assert "did you mean home?" in response.message
    assert "no selector is configured" in graph.call(graph.robot.start, Trigger.Request()).message


def test_a_motion_is_the_planners_goal_and_its_end_the_skills(alone: Alone) -> None:
    graph = alone()
    planner = with_planner(graph)
    assert graph.select("home").success
    status = graph.ended(1)
    assert (status.last_outcome, status.last_reason) == (SkillStatus.SUCCESS, "there")
    (goal,) = planner.goals
    assert (goal.kind, goal.joint_names, list(goal.positions)) == (MoveTo.Goal.JOINTS, ["j1", "j2"], [0.5, -0.5])
    assert (list(goal.gripper), goal.speed_scale, goal.reason) == ([0.02], 0.5, "skill 'home'")


def test_a_motion_is_cancelled_when_the_skill_is_stopped(alone: Alone) -> None:
    graph = alone()
    planner = with_planner(graph)
    planner.may_end = False
    assert graph.select("home").success
    graph.until(lambda: graph.robot.mode == ControlMode.PLANNER)
    assert graph.call(graph.robot.stop, Trigger.Request()).success
    assert graph.ended(1).last_outcome == SkillStatus.PREEMPTED
    graph.until(lambda: planner.cancelled == 1)
    assert graph.robot.mode == ControlMode.HOLD


def test_a_state_machine_is_carried_out(alone: Alone, tmp_path: Path) -> None:
    states = {
        "out": {"skill": "home", "then": {"success": "back"}},
        "back": {"skill": "home", "then": {"success": "done"}},
    }
    machine = write_yaml(tmp_path / "machine.yaml", {"machine": "to_and_fro", "initial": "out", "states": states})
    graph = alone(selector="machine", machine=machine)
    planner = with_planner(graph)
    assert graph.call(graph.robot.start, Trigger.Request()).success
    graph.until(lambda: graph.robot.now.ended == 2 and not graph.robot.now.choosing)
    assert len(planner.goals) == 2
    assert graph.robot.now.message == "state machine 'to_and_fro' has ended: success: there"
    assert [s.state for s in graph.robot.status if s.phase == SkillStatus.RUNNING] == ["out", "back"]


class Endpoint(ThreadingHTTPServer):
    """Answers each request with the next of `replies`: a status and a body."""

    def __init__(self) -> None:
        self.replies: list[tuple[int, bytes]] = []
        self.bodies: list[Any] = []
        super().__init__(("127.0.0.1", 0), _Handler)

    def say(self, content: object) -> None:
        self.replies.append((200, json.dumps({"choices": [{"message": {"content": json.dumps(content)}}]}).encode()))


class _Handler(BaseHTTPRequestHandler):
    server: Endpoint

    def do_POST(self) -> None:
        self.server.bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        status, body = self.server.replies.pop(0)
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing on stderr."""


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    server = Endpoint()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def vlm(server: Endpoint) -> dict[str, Any]:
    url = f"http://127.0.0.1:{server.server_port}/v1"
    return {"selector": "vlm", "endpoint": url, "model": "seer", "goal": "tidy", "key_variable": "''"}


def test_a_model_chooses_what_is_done(alone: Alone, endpoint: Endpoint) -> None:
    endpoint.say({"skill": "home", "reason": "it is not at home"})
    endpoint.say({"skill": "done", "reason": "it is at home"})
    graph = alone(**vlm(endpoint))
    planner = with_planner(graph)
    assert graph.call(graph.robot.start, Trigger.Request()).success
    graph.until(lambda: graph.robot.now.message == "it is at home")
    assert len(planner.goals) == 1
    assert not graph.robot.now.choosing
    first, second = endpoint.bodies
    assert first["model"] == "seer"
    assert first["messages"][1]["content"][1]["image_url"]["url"].startswith("data:image/jpeg;base64,")
    assert "- home: success (there)" in second["messages"][1]["content"][0]["text"]


def test_a_model_that_talks_nonsense_moves_nothing_and_may_be_asked_again(alone: Alone, endpoint: Endpoint) -> None:
    graph = alone(**vlm(endpoint))
    planner = with_planner(graph)
    for reply, words in (
        ((500, b"out of memory"), "answers 500"),
        ((200, b"<html>"), "no chat completion"),
        (None, "no skill 'fly'"),
    ):
        if reply is None:
            endpoint.say({"skill": "fly", "reason": "up"})
        else:
            endpoint.replies.append(reply)
        assert graph.call(graph.robot.start, Trigger.Request()).success
        graph.until(lambda words=words: words in graph.robot.now.message)
        assert not graph.robot.now.choosing
    assert not planner.goals and not graph.robot.asked


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"selector": "oracle"}, "choose one of name, machine, vlm"),
        ({"selector": "machine", "machine": "nowhere.yaml"}, r"state machine 'nowhere\.yaml' cannot be read"),
        ({"selector": "vlm", "endpoint": "http://localhost/v1"}, "give the name of a model"),
        (
            {
                "selector": "vlm",
                "endpoint": "http://localhost/v1",
                "model": "seer",
                "key_variable": "BC_ROS_NO_SUCH_KEY",
            },
            "environment variable BC_ROS_NO_SUCH_KEY is not set",
        ),
        ({"selector": "vlm", "camera": "arm"}, "is no image"),
        ({"skills": "nowhere"}, "no skills in 'nowhere'"),
    ],
)
def test_what_is_configured_wrongly_is_refused_at_start(alone: Alone, parameters: dict[str, Any], words: str) -> None:
    graph = alone(**parameters)
    with pytest.raises(BcError, match=words):
        graph.nodes[-1].bring_up()
