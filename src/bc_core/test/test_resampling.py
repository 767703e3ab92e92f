"""Rules that make a stream's value at a time, and frames that are rebuilt from what they name."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from bc_core.contract import Contract
from bc_core.errors import BcError
from bc_core.fields import ObservationError
from bc_core.frames import FrameAssembler
from bc_core.resampling import NoSampleError, Samples, choose, combine

TICK = 1000
MS = 1_000_000
STAMPS = (0, 10, 20, 40)


def samples(values: Any = None) -> Samples:
    made = Samples()
    for index, stamp in enumerate(STAMPS):
        made.add(stamp, np.array([float(stamp)]) if values is None else values[index])
    return made


def value(rule: str, time: int) -> float:
    made = samples()
    return float(combine(rule, made, choose(rule, made, time), time)[0])


@pytest.mark.parametrize(
    ("rule", "times"),
    [
        ("asof", {0: 0, 9: 0, 10: 10, 39: 20, 400: 40}),
        ("hold", {0: 0, 9: 0, 10: 10, 39: 20, 400: 40}),
        ("nearest", {0: 0, 5: 0, 6: 10, 30: 20, 31: 40, 40: 40}),
        ("linear", {0: 0, 5: 5, 10: 10, 32: 32, 40: 40}),
    ],
)
def test_the_value_at_a_time(rule: str, times: dict[int, float]) -> None:
    assert {time: value(rule, time) for time in times} == times


@pytest.mark.parametrize("rule", ["asof", "hold", "nearest", "linear", "slerp"])
def test_before_the_first_sample_there_is_none(rule: str) -> None:
    with pytest.raises(NoSampleError, match="before"):
        choose(rule, samples(), -1)


@pytest.mark.parametrize("rule", ["nearest", "linear", "slerp"])
def test_rules_that_look_ahead_wait_for_what_comes(rule: str) -> None:
    with pytest.raises(NoSampleError, match="after"):
        choose(rule, samples(), 41)


def test_slerp_turns_evenly_along_the_shorter_arc_and_carries_positions_along() -> None:
    angles = (0.0, 1.0, 2.0, 3.0)
    poses = [np.array([a, 0, 0, *Rotation.from_euler("z", a).as_quat()]) for a in angles]
    poses[2][3:] *= -1  # the same rotation in the other hemisphere
    made = samples(poses)
    for time, angle in ((5, 0.5), (15, 1.5), (30, 2.5), (20, 2.0)):
        pose = combine("slerp", made, choose("slerp", made, time), time)
        assert pose[0] == pytest.approx(angle)
        assert Rotation.from_quat(pose[3:]).magnitude() == pytest.approx(angle)
        assert np.linalg.norm(pose[3:]) == pytest.approx(1.0)


def contract_with(document: dict[str, Any], rule: str) -> Contract:
    document["observations"]["gripper"] |= {"rule": rule, "latency": 0.005, "max_age": 0.5}
    return Contract.from_document(document, "test")


def test_a_frame_waits_for_the_sample_after_it(document: dict[str, Any]) -> None:
    contract = contract_with(document, "linear")
    assembler, now = FrameAssembler(contract, ["gripper"]), contract.grid.time(TICK)
    assembler.add("gripper", now - 7 * MS, np.array([1.0]))
    assert assembler.awaits(TICK)
    with pytest.raises(ObservationError, match="no sample after tick 1000"):
        assembler.frame(TICK)
    assembler.add("gripper", now - 3 * MS, np.array([2.0]))
    assert not assembler.awaits(TICK)
    frame = assembler.frame(TICK)
    assert frame.values["gripper"].item() == pytest.approx(1.5)
    assert frame.stamps["gripper"] == (now - 7 * MS, now - 3 * MS)


def test_what_is_held_is_never_too_old(document: dict[str, Any]) -> None:
    contract = contract_with(document, "hold")
    assembler = FrameAssembler(contract, ["gripper"])
    assembler.add("gripper", 0, np.array([1.0]))
    assert not assembler.awaits(TICK)
    assert assembler.frame(TICK).values["gripper"].item() == 1.0


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(-300, 10), min_size=6, max_size=60, unique=True),
    st.sets(st.integers(0, 59)),
    st.integers(1, 3),
    st.sampled_from(["asof", "nearest", "linear"]),
)
def test_a_frame_is_rebuilt_to_the_bit_though_live_missed_samples(
    contract: Contract, stamps: list[int], missed: set[int], n_obs_steps: int, rule: str
) -> None:
    """Consumers are best effort: the bag holds samples that the policy never saw, in every step of its history."""
    document = dict(contract.document)
    gripper = document["observations"]["gripper"] | {"rule": rule, "latency": 0.005, "max_age": 10.0}
    document["observations"] = document["observations"] | {"gripper": gripper}
    contract = Contract.from_document(document, "test")
    live = FrameAssembler(contract, ["gripper"], n_obs_steps)
    bag = FrameAssembler(contract, ["gripper"], n_obs_steps, keep=None)
    for index, stamp in enumerate(stamps):
        time, sample = contract.grid.time(TICK) + stamp * MS, np.array([0.1 * stamp])
        bag.add("gripper", time, sample)
        if index not in missed:
            live.add("gripper", time, sample)
    try:
        frame = live.frame(TICK)
    except ObservationError:
        return
    rebuilt = bag.rebuild(TICK, frame.stamps)
    assert rebuilt.stamps == frame.stamps
    np.testing.assert_array_equal(rebuilt.values["gripper"], frame.values["gripper"])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"rule": "linear"}, "needs the sample after"),
        ({"rule": "slerp", "latency": 0.01}, "last four numbers"),
    ],
)
def test_rules_that_cannot_work_are_refused(document: dict[str, Any], changes: dict[str, Any], words: str) -> None:
    document["observations"]["gripper"] |= changes
    with pytest.raises(BcError, match=words):
        Contract.from_document(document, "test")
