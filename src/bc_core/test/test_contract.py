"""Contracts: what is read, what is refused with which words, and what counts as a difference."""

from pathlib import Path
from typing import Any

import pytest

from bc_core.chunks import Space
from bc_core.contract import Contract
from bc_core.errors import BcError


def change(document: dict[str, Any], path: str, value: object) -> None:
    *parents, key = path.split(".")
    for parent in parents:
        document = document[parent]
    if value is None:
        del document[key]
    else:
        document[key] = value


def test_groups_tile_the_row(contract: Contract) -> None:
    arm, gripper = contract.groups
    assert (arm.space, arm.offset, arm.width) == (Space.JOINT_POSITION, 0, 7)
    assert (gripper.space, gripper.offset, gripper.names) == (Space.GRIPPER, 7, ("panda_gripper",))
    assert contract.width == 8
    assert contract.grid.dt_ns == 50_000_000


def test_latched_topics_are_known(contract: Contract) -> None:
    assert [entry.topic for entry in contract.record if entry.latched] == [
        "controller/mode",
        "policy/help",
        "skill/status",
    ]


def test_cartesian_group(document: dict[str, Any]) -> None:
    document["actions"]["arm"] = {"space": "cartesian_pose", "tip": "hand", "frame_id": "base"}
    arm = Contract.from_document(document, "test").groups[0]
    assert (arm.width, arm.tip, arm.frame_id, arm.names) == (7, "hand", "base", ())


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("dt", None, ["dt is missing"]),
        ("dt", 0.0, ["dt = 0.0", "[0.001, 1]"]),
        ("dt", "fast", ["dt = 'fast'", "number"]),
        ("dt", 0.0333333333333, ["dt", "nanoseconds"]),
        ("version", 0, ["version = 0"]),
        ("robot", [1], ["robot must be a mapping"]),
        ("robot.colour", "white", ["unknown key robot.colour", "base_frame"]),
        ("observations", {}, ["observations", "at least one"]),
        ("observations.arm.rate", None, ["observations.arm.rate is missing"]),
        ("observations.arm.latecy", 0.1, ["unknown key observations.arm.latecy", "latency"]),
        ("observations.arm.rule", "newest", ["observations.arm.rule = 'newest'", "asof", "slerp"]),
        ("observations.arm.rule", "nearest", ["observations.arm.latency = 0.0", "at least one period (0.005 s)"]),
        ("observations.camera.rule", "linear", ["observations.camera.rule = 'linear'", "images are not interpolated"]),
        ("observations.arm.max_age", 0.0, ["observations.arm.max_age", "above latency"]),
        ("observations.arm.topic", "joint states", ["observations.arm.topic", "joint states"]),
        ("observations.arm.type", "JointState", ["observations.arm.type", "sensor_msgs/msg/JointState"]),
        ("observations.arm.fields", [], ["observations.arm.fields", "at least one"]),
        ("observations.arm.names", ["a", "a"], ["observations.arm.names", "twice"]),
        ("observations.camera.encoding", "yuv", ["observations.camera.encoding = 'yuv'", "rgb8"]),
        ("observations.camera.shape", [96, 96, 1], ["observations.camera.shape", "[height, width, 3]"]),
        ("observations.camera.fields", ["data"], ["observations.camera.fields", "remove"]),
        ("actions.arm.space", "torque", ["actions.arm.space = 'torque'", "joint_position"]),
        ("actions.arm.names", [], ["actions.arm.names", "at least one"]),
        ("actions.gripper.names", ["panda_joint1"], ["panda_joint1", "already commanded by group 'arm'"]),
        ("record", "everything", ["record = 'everything'", "list"]),
        ("record", [{"topic": "x", "type": "a/msg/B", "latched": 1}], ["record[0].latched = 1", "true or false"]),
    ],
)
def test_refusals_name_key_value_and_remedy(
    document: dict[str, Any], path: str, value: object, words: list[str]
) -> None:
    change(document, path, value)
    with pytest.raises(BcError) as caught:
        Contract.from_document(document, "here.yaml")
    assert "here.yaml" in str(caught.value)
    for word in words:
        assert word in str(caught.value)


def test_unreadable_files(tmp_path: Path) -> None:
    with pytest.raises(BcError, match=r"absent\.yaml"):
        Contract.load(tmp_path / "absent.yaml")
    broken = tmp_path / "broken.yaml"
    broken.write_text("a: [1,")
    with pytest.raises(BcError, match="not valid YAML"):
        Contract.load(broken)


def test_same_meaning_is_no_difference(contract: Contract, document: dict[str, Any]) -> None:
    document.update(contract="another name", version=7, record=[])
    document["observations"]["arm"]["shape"] = []  # a default, spelt out
    contract.check_same(Contract.from_document(document, "other"))


@pytest.mark.parametrize(
    ("path", "value", "difference"),
    [
        ("dt", 0.02, "dt: 0.05 / 0.02"),
        ("robot.base_frame", "world", "robot.base_frame: panda_link0 / world"),
        ("observations.tcp.latency", 0.05, "observations.tcp.latency: 0.0 / 0.05"),
        ("observations.camera", None, "observations.camera: present / (absent)"),
        ("actions.gripper", None, "actions: ['arm', 'gripper'] / ['arm']"),
        ("actions.gripper.names", ["other"], "actions.gripper.names: ['panda_gripper'] / ['other']"),
    ],
)
def test_differences_show_key_and_both_values(
    contract: Contract, document: dict[str, Any], path: str, value: object, difference: str
) -> None:
    change(document, path, value)
    with pytest.raises(BcError) as caught:
        contract.check_same(Contract.from_document(document, "other"), "checkpoint 'p'", "contract 'c'")
    assert difference in str(caught.value)
    assert "checkpoint 'p' and contract 'c' disagree" in str(caught.value)


def test_only_the_streams_in_use_are_compared(contract: Contract, document: dict[str, Any]) -> None:
    change(document, "observations.camera.rate", 30)
    other = Contract.from_document(document, "other")
    contract.check_same(other, streams=["arm", "object"])
    assert contract.differences(other, ["arm", "camera"]) == ["observations.camera.rate: 15.0 / 30.0"]
