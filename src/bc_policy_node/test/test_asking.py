"""Requests for help over a real graph: members disagree, people are told, the controller is asked to hold."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import rclpy
import torch
from rclpy.experimental import EventsExecutor
from rclpy.node import Node

from bc_core.checkpoint import save_policy
from bc_core.contract import Contract
from bc_core.dagger.help import HelpConfig
from bc_core.encoding import Encoding
from bc_core.errors import BcError
from bc_core.frames import Frame
from bc_core.normalisation import Normaliser
from bc_core.policies.chunk_policy import ChunkPolicy, input_layout
from bc_core.policies.config import PolicyConfig
from bc_core.policies.heads.config import FlowConfig
from bc_msgs.msg import ControlMode, HelpRequest
from bc_msgs.srv import ChangeMode
from bc_nodes import qos
from bc_nodes.testing import domain_of_its_own
from bc_policy_node.asking import Asking

CONTRACT = Path(__file__).parents[3] / "config" / "contracts" / "panda_conveyor.yaml"
HORIZON = 8
PATIENCE = 20.0  # [s] before something counts as not happening


def policy(seed: int, horizon: int = HORIZON) -> ChunkPolicy:
    """It sees the arm, and has learnt nothing but to go to another place than one of another seed."""
    torch.manual_seed(seed)
    contract = Contract.load(CONTRACT)
    config = PolicyConfig(("arm",), (), 1, horizon, Encoding.ABSOLUTE, 0.1, 16, 1, 0.0, FlowConfig(flow_steps=2))
    encoder, features, _, _ = input_layout(contract, config)
    size = features({"arm": np.zeros((1, 7))}).size
    actions = Normaliser(np.full((horizon, encoder.width), 0.2 * seed), np.ones((horizon, encoder.width)))
    return ChunkPolicy(contract, config, Normaliser(np.zeros(size), np.ones(size)), actions)


class World(Node):
    """The controller's service, and somebody who listens for requests."""

    def __init__(self) -> None:
        super().__init__("world")
        self.asked: list[ChangeMode.Request] = []
        self.heard: list[HelpRequest] = []
        self.create_service(ChangeMode, "controller/change_mode", self._serve)
        self.create_subscription(HelpRequest, "policy/help", self.heard.append, qos.LATCHED)

    def _serve(self, request: ChangeMode.Request, response: ChangeMode.Response) -> ChangeMode.Response:
        self.asked.append(request)
        response.success = True
        return response


class Graph:
    def __init__(self, folder: Path, threshold: float) -> None:
        self.policy = policy(0)
        for seed in (1, 2):
            save_policy(policy(seed), folder / str(seed), {})
        self.node, self.world = Node("policy_node"), World()
        self.told: list[str] = []
        self.asking = Asking(
            self.node,
            self.policy,
            str(folder),
            HelpConfig(threshold, 0.2),
            lambda: self.told.append(self.asking.message),
        )
        self.executor = EventsExecutor()  # as in its process
        for node in (self.node, self.world):
            self.executor.add_node(node)
        self.until(lambda: self.node.count_subscribers("policy/help") > 0 and self.asking.can_hold)

    def until(self, condition: Callable[[], bool]) -> None:
        end = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < end, "it never happened"
            self.executor.spin_once(timeout_sec=0.05)

    def measure(self, wanted: bool = True) -> None:
        frame = Frame(0, {"arm": np.full((1, 7), 0.3)}, {})
        infer: Callable[[ChunkPolicy], np.ndarray] = lambda member: member.infer(frame, seed=0)  # noqa: E731
        self.asking.measure(infer(self.policy), frame, infer, lambda: wanted)

    def mode(self, mode: int) -> None:
        self.asking.on_mode(ControlMode(mode=mode))


@pytest.fixture
def graph(tmp_path: Path) -> Iterator[Callable[[float], Graph]]:
    with domain_of_its_own():
        rclpy.init(args=[])
        graphs: list[Graph] = []

        def make(threshold: float) -> Graph:
            graphs.append(Graph(tmp_path / "members", threshold))
            return graphs[-1]

        yield make
        for made in graphs:
            made.node.destroy_node()
            made.world.destroy_node()
        rclpy.shutdown()


def test_help_is_asked_for_and_without_an_answer_the_robot_holds(graph: Callable[[float], Graph]) -> None:
    here = graph(0.05)
    here.measure()  # nobody drives: nothing to help with
    here.mode(ControlMode.POLICY)
    here.measure()
    here.until(lambda: bool(here.world.heard))
    asked = here.world.heard[0]
    assert asked.state == HelpRequest.ASKED and asked.disagreement >= asked.threshold == pytest.approx(0.05)
    assert "take over" in asked.message and here.told[0] == asked.message
    here.until(lambda: bool(here.world.asked) and len(here.world.heard) == 2)
    assert here.world.asked[0].request == ChangeMode.Request.HOLD and "nobody came" in here.world.asked[0].reason
    here.mode(ControlMode.HOLD)  # what it asked for itself
    assert here.asking.message.startswith("holds")
    here.mode(ControlMode.HUMAN)
    here.until(lambda: len(here.world.heard) == 3)
    assert [msg.state for msg in here.world.heard] == [HelpRequest.ASKED, HelpRequest.HOLDING, HelpRequest.NONE]
    assert here.asking.message == ""


def test_a_member_that_fails_is_said_and_the_policy_goes_on(graph: Callable[[float], Graph]) -> None:
    here = graph(0.05)
    here.mode(ControlMode.POLICY)

    def fails(member: ChunkPolicy) -> np.ndarray:
        raise FloatingPointError("not finite")

    frame = Frame(0, {"arm": np.full((1, 7), 0.3)}, {})
    here.asking.measure(np.zeros((HORIZON, 8)), frame, fails, lambda: True)
    assert "failed after 0 members had answered, help is not asked for: FloatingPointError" in here.told[-1]
    assert "train the next one anew" in here.told[-1]
    here.measure()
    here.until(lambda: bool(here.world.heard))
    assert here.asking.message.startswith("asks for help")


def test_members_that_agree_enough_do_not_ask_and_a_waiting_request_comes_first(
    graph: Callable[[float], Graph],
) -> None:
    here = graph(1000.0)
    here.mode(ControlMode.POLICY)
    here.measure(wanted=False)  # given up: the policy's next chunk is asked for
    assert here.asking.measured == 0
    here.measure()
    here.until(lambda: here.asking.measured == 1)
    assert here.world.heard == [] and here.asking.message == ""


def test_members_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    rclpy.init(args=[])
    node = Node("policy_node")
    try:
        with pytest.raises(BcError, match="no checkpoint"):
            Asking(node, policy(0), str(tmp_path), HelpConfig(1.0), lambda: None)
        save_policy(policy(1, horizon=6), tmp_path / "1", {})
        with pytest.raises(BcError, match="horizon = 6"):
            Asking(node, policy(0), str(tmp_path), HelpConfig(1.0), lambda: None)
        with pytest.raises(BcError, match="threshold"):
            HelpConfig(0.0)
    finally:
        node.destroy_node()
        rclpy.shutdown()
