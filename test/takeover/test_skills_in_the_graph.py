"""Skills in real processes, with the real arbiter: policies that take turns, and a hand that ends it."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import yaml
from std_srvs.srv import Trigger

from bc_bringup.virtual.operator import DEAD_MAN, NODES, drifting_policy
from bc_msgs.msg import ChunkAck, ControlMode, SkillStatus
from bc_msgs.srv import SelectSkill
from bc_nodes import qos
from takeover_rig import CONFIG, FrozenRows, launched

HOLD, POLICY, HUMAN = ControlMode.HOLD, ControlMode.POLICY, ControlMode.HUMAN
MACHINE = {
    "machine": "turns",
    "initial": "one",
    "states": {
        "one": {"skill": "first", "then": {"success": "two"}},
        "two": {"skill": "second", "then": {"success": "done"}},
    },
}


def write_skills(folder: Path) -> Path:
    """Two policies that turn the first joint so far, and one of them for ever [rad]."""
    contract, policy = CONFIG / "contracts" / "panda_conveyor.yaml", CONFIG / "policies" / "flow.yaml"
    skills = folder / "skills"
    skills.mkdir()
    for name, checkpoint, turned in (("first", "a", 0.08), ("second", "b", 0.2), ("endless", "a", 9.0)):
        if not (folder / checkpoint).exists():
            drifting_policy(contract, policy, folder / checkpoint)
        document = {
            "skill": name,
            "description": name,
            "checkpoint": str(folder / checkpoint),
            "precondition": {"within": {"tcp": {"position.z": [0.1, None]}}},
            "patience": 5.0,
            "termination": {"success": {"within": {"arm": {"panda_joint1": [turned, None]}}}},
            "timeout": 60.0,
        }
        (skills / f"{name}.yaml").write_text(yaml.safe_dump(document))
    return skills


def with_machine(folder: Path) -> str:
    """The installed launch file, with a state machine of the test's."""
    from bc_bringup import resources

    machine = folder / "turns.yaml"
    machine.write_text(yaml.safe_dump(MACHINE))
    text = (resources.share() / "launch" / "skills.launch.yaml").read_text()
    text = text.replace("name: selector, default: name", "name: selector, default: machine")
    text = text.replace("$(var config)/machines/$(var machine).yaml", str(machine))
    path = folder / "skills.launch.yaml"
    path.write_text(text)
    return str(path)


def test_policies_take_turns_through_hold_and_a_hand_ends_it(tmp_path: Path) -> None:
    nodes = (*NODES, "skill_selector")
    with launched(tmp_path, with_machine(tmp_path), "joy", nodes, skills=str(write_skills(tmp_path))) as graph:
        frozen = FrozenRows(graph)
        status: list[SkillStatus] = []
        graph.node.create_subscription(SkillStatus, "skill/status", status.append, qos.RECORD_LATCHED)
        graph.until(lambda: bool(status))
        assert graph.mode == HOLD
        graph.accepted(Trigger, "skill/start")
        graph.until(lambda: status[-1].ended == 2 and not status[-1].choosing)
        assert "has ended: success" in status[-1].message
        assert [s.checkpoint for s in status if s.phase == SkillStatus.RUNNING] == [
            str(tmp_path / "a"), str(tmp_path / "b"),
        ]  # fmt: skip
        graph.until(lambda: [mode.mode for mode in graph.modes][-4:] == [POLICY, HOLD, POLICY, HOLD])
        assert all(new.mode == HOLD or old.mode == HOLD for old, new in pairwise(graph.modes))
        for epoch in (mode.epoch for mode in graph.modes if mode.mode == POLICY):
            acks = [a for a in graph.acks if a.mode_epoch == epoch and a.verdict == ChunkAck.IN_FORCE]
            assert len(acks) >= 1
            frozen.check(acks[0])  # the second policy began where the first had left the robot

        graph.accepted(SelectSkill, "skill/select", skill="endless")
        graph.until(lambda: graph.mode == POLICY and graph.states[-1].source == "policy")
        graph.press(DEAD_MAN)
        graph.until_mode(HUMAN)
        graph.until(lambda: status[-1].ended == 3)
        assert (status[-1].last_outcome, status[-1].last_reason) == (SkillStatus.PREEMPTED, "a human took over")
        graph.press()
        graph.until_mode(HOLD)
        changes = len(graph.modes)
        graph.spin_for(1.0)
        assert len(graph.modes) == changes
        np.testing.assert_array_equal(graph.states[-1].velocity_reference, 0.0)
