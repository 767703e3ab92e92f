"""What went wrong with chunking in other people's robots, one test for each complaint, named after it."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from test_scheduler import DT_NS, GROUPS, WIDTH
from test_together import GRID, HORIZON, jitter, random_phases, simulate, wave

from bc_core import guidance
from bc_core.contract import Contract
from bc_core.cycle import SchedulerConfig
from bc_core.delay import ESTIMATORS, WindowMax, make_estimator
from bc_core.errors import BcError
from bc_core.frames import FrameAssembler
from bc_core.grid import Grid
from bc_core.mask import Mask, mask_weights
from bc_core.scheduler import Scheduler
from bc_core.strategies.registry import choose
from bc_msgs.msg import ControlMode


def scheduler(n_obs_steps: int = 1) -> Scheduler:
    """H = 8, s_min = 2, delay_init = 2; in POLICY, epoch 2."""
    config = SchedulerConfig(choose("rtc", "flow", {Mask.SOFT}), 8, s_min=2, n_obs_steps=n_obs_steps)
    machine = Scheduler(config, Grid(DT_NS), WindowMax(initial=2, window=3), GROUPS)
    machine.on_mode(True, 2)
    return machine


def in_force(machine: Scheduler, tick: int, value: float, delay: int = 1) -> Any:
    """A whole cycle that begins at `tick`: the request."""
    request = machine.on_tick(tick, np.zeros(WIDTH))
    assert request is not None
    effective = (tick + delay) * DT_NS
    delivery = machine.on_answer(request.sequence, np.full((8, WIDTH), value), 0.0, effective - 2)
    assert delivery is not None
    machine.on_ack(delivery.sequence, True, effective - 1, 0.0)
    return request


def test_the_slow_first_inference_is_never_learnt() -> None:
    run = simulate(iter([0.7] + [0.09] * 100), delay_init=3)
    assert run.cycles[0].delay_measured == math.ceil(0.701 / GRID.dt)
    assert all(cycle.delay_estimated <= 3 for cycle in run.cycles)


@pytest.mark.parametrize("name", ESTIMATORS)
def test_one_slow_inference_is_forgotten(name: str) -> None:
    estimator = make_estimator(name, initial=2, window=10, quantile=0.9)
    for delay in [2] * 5 + [12] + [2] * 40:
        estimator.observe(delay)
    assert estimator.estimate == 2


@pytest.mark.parametrize("delay_init", [2, 7])
def test_a_chunk_is_never_cut_by_the_estimate(delay_init: int) -> None:
    """Whatever was estimated, row i is executed at its own tick: nothing is skipped."""
    run = simulate(iter(lambda: 0.09, None), delay_init=delay_init)
    for now, row in run.reference:
        if now % GRID.dt_ns == 0 and now > 12_000_000_000:  # well after the way from the start into the wave
            np.testing.assert_allclose(row, wave(GRID.floor(now), 0.0)[0], atol=1e-6)


def test_the_prefix_is_not_padded_with_zeros() -> None:
    machine = scheduler()
    in_force(machine, 100, 3.0)
    request = in_force(machine, 105, 3.0)
    assert request.prefix.shape == (3, WIDTH)  # what is left of 8 rows, and nothing invented
    weights = mask_weights(Mask.SOFT, 8, 1, 2, prefix_rows=3)
    assert weights[3:].tolist() == [0.0] * 5


@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode])
def test_guidance_has_the_jacobian_where_gradients_are_off(context: type) -> None:
    """A linear denoiser mixes rows: the correction is error times its matrix, not the raw error."""
    matrix = torch.tensor([[0.5, 1.0], [0.0, 0.25]])
    target, weights = torch.ones(2, 1), torch.ones(2)
    with context():
        estimate, gradient = guidance.vector_jacobian(
            lambda actions, _: matrix @ actions, torch.zeros(1, 2, 1), 0.0, target, weights
        )
    torch.testing.assert_close(gradient, (matrix.T @ (target - estimate[0]))[None])
    assert not torch.allclose(gradient, target - estimate)


def test_a_delay_beyond_the_execution_horizon_is_cut_and_said() -> None:
    machine = scheduler()
    in_force(machine, 100, 1.0)
    in_force(machine, 102, 1.0, delay=6)
    request = machine.on_tick(108, np.zeros(WIDTH))
    assert request is not None and request.delay_estimated == machine.config.largest_delay
    assert machine.counters.infeasible == 1
    assert "train longer chunks" in machine.message
    with pytest.raises(ValueError, match="exceed horizon"):
        mask_weights(Mask.SOFT, 8, 6, 3, prefix_rows=8)  # never left unguided in silence
    with pytest.raises(BcError, match="first delay estimate is 6 ticks"):
        Scheduler(machine.config, Grid(DT_NS), WindowMax(initial=6, window=3), GROUPS)


def test_an_empty_queue_is_said_and_the_robot_holds() -> None:
    run = simulate(iter([0.05] * 4 + [99.0] * 50), delay_init=2)
    assert run.starved_ticks > 0
    assert run.mode == ControlMode.HOLD


def test_after_a_human_nothing_from_before_is_used() -> None:
    """Neither the old chunk, nor an answer to it, nor a frame whose history reaches back beyond the change."""
    machine = scheduler(n_obs_steps=2)
    machine.on_tick(99, np.zeros(WIDTH))
    in_force(machine, 100, 3.0)
    late = machine.on_tick(102, np.zeros(WIDTH))
    assert late is not None
    machine.on_mode(False, 3)  # the human has it
    machine.on_mode(True, 4)
    assert machine.on_answer(late.sequence, np.zeros((8, WIDTH)), 0.0, 103 * DT_NS) is None
    assert machine.on_tick(103, np.full(WIDTH, 7.0)) is None  # one tick of history is not two
    request = machine.on_tick(104, np.full(WIDTH, 7.0))
    assert request is not None and request.prefix is not None
    assert (request.prefix == 7.0).all()


def test_a_policy_that_cannot_be_guided_is_refused_at_start() -> None:
    with pytest.raises(BcError, match=r"policy 'act' can do: use sync, naive, ensemble, conditioned"):
        choose("rtc", "act", {Mask.FREE, Mask.CONDITION})


def test_the_whole_history_reaches_the_policy() -> None:
    stream = {"topic": "x", "type": "sensor_msgs/msg/JointState", "fields": ["position"], "names": ["a"], "rate": 20}
    contract = Contract.from_document(
        {
            "contract": "one", "version": 1, "dt": 0.05, "robot": {"description": "one", "base_frame": "base"},
            "observations": {"arm": {**stream, "rule": "asof", "latency": 0.0, "max_age": 0.1}},
            "actions": {"arm": {"space": "joint_position", "names": ["a"]}},
        },
        "a test",
    )  # fmt: skip
    assembler = FrameAssembler(contract, ("arm",), 3)
    for tick in range(98, 103):
        assembler.add("arm", tick * DT_NS, np.array([float(tick)]))
    assert assembler.frame(101).values["arm"][:, 0].tolist() == [99.0, 100.0, 101.0]


def test_a_seed_decides_a_run_to_the_bit() -> None:
    """Delays are counted in ticks of a clock that the caller holds: no run depends on the machine."""
    first, again = (simulate(jitter(4, 0.05, 0.24), phases=random_phases(4), seconds=3.0) for _ in range(2))
    assert [cycle.delay_measured for cycle in first.cycles] == [cycle.delay_measured for cycle in again.cycles]
    for (_, row), (_, other) in zip(first.reference, again.reference, strict=True):
        assert np.array_equal(row, other)
    assert HORIZON == 16 and len(first.cycles) > 5
