"""Frame assembly: which sample belongs to a tick, what is refused, and rebuilding from a manifest."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bc_core.contract import Contract
from bc_core.errors import BcError
from bc_core.fields import ObservationError
from bc_core.frames import FrameAssembler

TICK = 1000
MS = 1_000_000


def now(contract: Contract) -> int:
    return contract.grid.time(TICK)


def sample(value: float) -> np.ndarray:
    return np.array([value])


def test_newest_sample_up_to_the_tick(contract: Contract) -> None:
    assembler = FrameAssembler(contract, ["gripper"])
    for offset in (-30, -10, 0, 1):
        assembler.add("gripper", now(contract) + offset * MS, sample(offset))
    frame = assembler.frame(TICK)
    assert frame.values["gripper"].tolist() == [[0.0]]
    assert frame.stamps == {"gripper": (now(contract),)}


def test_latency_moves_the_choice_back(document: dict[str, Any]) -> None:
    document["observations"]["gripper"]["latency"] = 0.02
    contract = Contract.from_document(document, "test")
    assembler = FrameAssembler(contract, ["gripper"])
    for offset in (-30, -20, -10, 0):
        assembler.add("gripper", now(contract) + offset * MS, sample(offset))
    assert assembler.frame(TICK).stamps["gripper"] == (now(contract) - 20 * MS,)


def test_limit_of_age_is_exact(contract: Contract) -> None:
    assembler = FrameAssembler(contract, ["gripper"])
    limit = contract.observations["gripper"].max_age_ns
    assembler.add("gripper", now(contract) - limit, sample(1.0))
    assert assembler.frame(TICK).values["gripper"].item() == 1.0
    late = FrameAssembler(contract, ["gripper"])
    late.add("gripper", now(contract) - limit - 1, sample(1.0))
    with pytest.raises(ObservationError) as caught:
        late.frame(TICK)
    for word in ("'gripper'", "joint_states", "0.050 s old", f"tick {TICK}", "0.05 s", "max_age"):
        assert word in str(caught.value)


def test_a_frame_holds_nothing_from_before_a_change_of_mode(contract: Contract) -> None:
    assembler = FrameAssembler(contract, ["gripper"], n_obs_steps=2)
    dt = contract.grid.dt_ns
    for tick in range(-2, 2):
        assembler.add("gripper", now(contract) + tick * dt, sample(tick))
    assembler.begin(now(contract) - 10 * MS)
    with pytest.raises(ObservationError, match="between the change of mode and tick 999"):
        assembler.frame(TICK)
    assert assembler.frame(TICK + 1).values["gripper"].tolist() == [[0.0], [1.0]]


def test_missing_stream_is_refused_by_name(contract: Contract) -> None:
    assembler = FrameAssembler(contract, ["gripper", "object"])
    assembler.add("gripper", now(contract), sample(0.0))
    assembler.add("object", now(contract) + 1, np.zeros(6))
    with pytest.raises(ObservationError, match=r"'object': object/odometry has no sample at or before tick 1000"):
        assembler.frame(TICK)


def test_unknown_stream(contract: Contract) -> None:
    with pytest.raises(BcError, match=r"no observation 'lidar': use one of arm, gripper"):
        FrameAssembler(contract, ["lidar"])


def test_history_is_chosen_tick_by_tick_newest_last(contract: Contract) -> None:
    assembler = FrameAssembler(contract, ["gripper"], n_obs_steps=3)
    for tick in range(TICK - 4, TICK + 1):
        assembler.add("gripper", contract.grid.time(tick) - 7 * MS, sample(tick))
    frame = assembler.frame(TICK)
    assert frame.values["gripper"].tolist() == [[TICK - 2.0], [TICK - 1.0], [float(TICK)]]
    assert frame.stamps["gripper"][-1] == now(contract) - 7 * MS


def test_history_with_a_hole_is_refused(contract: Contract) -> None:
    assembler = FrameAssembler(contract, ["gripper"], n_obs_steps=3)
    for tick in (TICK - 3, TICK):
        assembler.add("gripper", contract.grid.time(tick), sample(tick))
    with pytest.raises(ObservationError, match=rf"0\.100 s old at tick {TICK - 1}"):
        assembler.frame(TICK)


def test_live_buffer_is_bounded_and_loses_nothing_needed(contract: Contract) -> None:
    live = FrameAssembler(contract, ["gripper"], n_obs_steps=2, keep=0.2)
    whole = FrameAssembler(contract, ["gripper"], n_obs_steps=2, keep=None)
    for step in range(2000):
        for assembler in (live, whole):
            assembler.add("gripper", step * 5 * MS, sample(step))
        if step >= 20 and step % 10 == 0:
            tick = contract.grid.floor(step * 5 * MS)
            assert np.array_equal(live.frame(tick).values["gripper"], whole.frame(tick).values["gripper"])
    assert len(live._samples["gripper"].stamps) < 100


def test_reset_forgets(contract: Contract) -> None:
    assembler = FrameAssembler(contract, ["gripper"])
    assembler.add("gripper", now(contract), sample(1.0))
    assembler.reset()
    with pytest.raises(ObservationError):
        assembler.frame(TICK)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(-400, 0), st.integers(0, 60)), min_size=5, max_size=80, unique_by=lambda s: s[0]),
    st.integers(1, 3),
)
def test_a_live_frame_is_rebuilt_to_the_bit_from_its_manifest(
    contract: Contract, samples: list[tuple[int, int]], n_obs_steps: int
) -> None:
    """Live, some samples arrive after the tick; the bag has them all and in another order."""
    relaxed = replace(contract.observations["gripper"], max_age=10.0)
    contract = replace(contract, observations={"gripper": relaxed})
    live = FrameAssembler(contract, n_obs_steps=n_obs_steps)
    offline = FrameAssembler(contract, n_obs_steps=n_obs_steps, keep=None)
    previous = -contract.grid.dt_ns // MS
    for stamp, delay in sorted(samples):
        # earlier history has arrived by now: transport is shorter than a tick
        if stamp + delay <= 0 or stamp <= previous:
            live.add("gripper", now(contract) + stamp * MS, sample(stamp + 0.5))
        offline.add("gripper", now(contract) + stamp * MS, sample(stamp + 0.5))
    try:
        frame = live.frame(TICK)
    except ObservationError:
        return
    rebuilt = offline.rebuild(TICK, frame.stamps)
    assert rebuilt.stamps == frame.stamps
    np.testing.assert_array_equal(rebuilt.values["gripper"], frame.values["gripper"])


def test_rebuilding_without_the_sample_is_refused(contract: Contract) -> None:
    assembler = FrameAssembler(contract, ["gripper"])
    assembler.add("gripper", now(contract), sample(1.0))
    with pytest.raises(ObservationError, match="not in the recording"):
        assembler.rebuild(TICK, {"gripper": (now(contract) - 1,)})
    with pytest.raises(ObservationError, match="no stamp"):
        assembler.rebuild(TICK, {})
