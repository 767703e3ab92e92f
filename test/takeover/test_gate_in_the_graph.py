"""A policy that asks for help, end to end: the threshold from `bcros gate`, an ensemble in the graph, and a hand."""

import re
from pathlib import Path

import pytest
import torch
import yaml

from bc_bringup import resources
from bc_bringup.cli import main
from bc_bringup.commands.common import Setup
from bc_bringup.dagger.simulated import load_world
from bc_bringup.launching.expand import declared_arguments
from bc_bringup.virtual.operator import DEAD_MAN, RESUME, drifting_policy
from bc_bringup.virtual.practice import Practice
from bc_core.checkpoint import load_policy
from bc_core.contract import Contract
from bc_core.training.train import train
from bc_msgs.msg import ControlMode, HelpRequest
from bc_nodes import qos
from takeover_rig import CONFIG, launched

HOLD, HUMAN = ControlMode.HOLD, ControlMode.HUMAN
SCENE = 3
NOBODY = "asked for help and nobody came"
FILES = (CONFIG / "contracts" / "panda_conveyor.yaml", CONFIG / "policies" / "flow.yaml")


def trained_apart(folder: Path) -> tuple[Path, Path, Path]:
    """A policy, a folder of two members, and the episode that all three were trained on: of one that drifts."""
    torch.set_num_threads(1)
    bag = folder / "driven"
    teacher = load_policy(drifting_policy(*FILES, folder / "drifts"))
    list(Practice(load_world(Setup()), teacher).play(bag, [SCENE], {}))
    document = yaml.safe_load(FILES[1].read_text())
    document["policy"].update(width=32, blocks=1)
    document["data"].update(sources=["policy"], outcomes=["success", "failure"])
    for seed, name in enumerate(("policy", "members/1", "members/2")):
        document["training"].update(steps=20, warmup=2, threads=1, validation=0.0, seed=seed)
        train([bag], Contract.load(FILES[0]), document, folder / name, page=False)
    return folder / "policy", folder / "members", bag


def threshold_of(policy: Path, members: Path, bag: Path, capsys: pytest.CaptureFixture[str]) -> float:
    """What `bcros gate` finds: at half of these frames it would have asked."""
    capsys.readouterr()
    assert main(["gate", str(policy), str(members), str(bag), "--share", "0.5", "--every", "10"]) == 0
    found = re.search(r"help_threshold:=(\S+) asks at 50 %", capsys.readouterr().out)
    assert found is not None
    return float(found[1])


@pytest.mark.parametrize("name", ["rollout", "dagger"])
def test_nobody_is_asked_unless_a_threshold_is_given(name: str) -> None:
    defaults = {found.name: found.default for found in declared_arguments(resources.launch_path(name))}
    assert float(defaults["help_threshold"] or "nan") == 0.0 and defaults["ensemble"] == ""


def test_a_policy_asks_for_help_holds_when_nobody_comes_and_is_answered_by_a_takeover(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    policy, members, bag = trained_apart(tmp_path)
    threshold = threshold_of(policy, members, bag, capsys)
    assert threshold > 0.0
    asked = {"ensemble": str(members), "help_threshold": f"{threshold:.3f}", "help_patience": "0.3"}
    with launched(tmp_path, "rollout", "joy", checkpoint=str(policy), **asked) as graph:
        told: list[HelpRequest] = []
        graph.node.create_subscription(HelpRequest, "policy/help", told.append, qos.LATCHED)
        graph.press()
        graph.reset_scene(SCENE)

        def nobody_came() -> bool:
            """Resumes the policy, again where it starved on a busy machine before it could ask."""
            if graph.mode == HOLD and graph.modes[-1].reason != NOBODY:
                graph.click(RESUME)
            return bool(told) and told[-1].state == HelpRequest.HOLDING and graph.mode == HOLD

        graph.until(nobody_came)
        assert graph.modes[-1].reason == NOBODY
        asked_for = next(msg for msg in told if msg.state == HelpRequest.ASKED)
        assert asked_for.disagreement >= asked_for.threshold == pytest.approx(threshold, abs=1e-3)
        graph.press(DEAD_MAN)
        graph.until_mode(HUMAN)
        graph.until(lambda: told[-1].state == HelpRequest.NONE)
