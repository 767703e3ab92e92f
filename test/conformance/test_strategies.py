"""What the scheduler asks for and sends under each strategy that robots can run."""

from typing import Any

import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from test_scheduler import DT_NS, GROUPS, WIDTH
from test_together import jitter, random_phases, simulate

from bc_core.averaging import averaged, commands
from bc_core.chunks import ActionGroup, Space
from bc_core.cycle import SchedulerConfig
from bc_core.delay import WindowMax
from bc_core.grid import Grid
from bc_core.mask import Mask
from bc_core.scheduler import Scheduler
from bc_core.strategies.registry import STRATEGIES

HORIZON = 8


def started(name: str) -> Scheduler:
    config = SchedulerConfig(STRATEGIES[name], HORIZON, s_min=2)
    scheduler = Scheduler(config, Grid(DT_NS), WindowMax(initial=2, window=3), GROUPS)
    scheduler.on_mode(True, 2)
    return scheduler


def cycle(scheduler: Scheduler, tick: int, value: float, delivered: bool = True) -> Any:
    """Ask at `tick`, answer with rows of `value`, and have the chunk in force at once; the delivery."""
    request = scheduler.on_tick(tick, np.zeros(WIDTH))
    assert request is not None
    delivery = scheduler.on_answer(request.sequence, np.full((HORIZON, WIDTH), value), 0.0, tick * DT_NS + 1)
    assert delivery is not None
    scheduler.on_ack(delivery.sequence, delivered, tick * DT_NS + 2, 0.0, "lost")
    return delivery


@pytest.mark.parametrize(
    ("name", "mask", "frozen"),
    [
        ("rtc", Mask.SOFT, 2),
        ("rtc_linear", Mask.LINEAR, 2),
        ("rtc_hard", Mask.HARD, 2),
        ("conditioned", Mask.CONDITION, 2),
        ("bid", Mask.COHERENT, 0),
    ],
)
def test_a_request_says_what_to_do_with_the_rows_in_force(name: str, mask: Mask, frozen: int) -> None:
    scheduler = started(name)
    for tick in (100, 102, 104, 106):  # by then the window has forgotten the initial delay: 1 tick
        cycle(scheduler, tick, 3.0)
    request = scheduler.on_tick(108, np.zeros(WIDTH))
    assert request is not None and request.prefix is not None
    assert (request.mask, request.frozen, request.execution_horizon) == (mask, frozen, 2)
    assert request.prefix.shape == (HORIZON - 2, WIDTH)


def test_the_first_chunk_has_nothing_to_be_coherent_with() -> None:
    request = started("bid").on_tick(100, np.zeros(WIDTH))
    assert request is not None
    assert (request.mask, request.prefix) == (Mask.FREE, None)


def test_ensembling_sends_the_average_of_the_chunks_that_were_in_force() -> None:
    """Weights exp(-0.01 i), oldest first; a refused chunk has no vote; rows that one chunk alone covers are its own."""
    scheduler = started("ensemble")
    assert (cycle(scheduler, 100, 1.0).actions == 1.0).all()
    cycle(scheduler, 102, 50.0, delivered=False)
    sent = cycle(scheduler, 103, 2.0).actions
    weight = np.exp(-0.01)
    np.testing.assert_allclose(sent[:5], (1.0 + 2.0 * weight) / (1.0 + weight))
    np.testing.assert_allclose(sent[5:], 2.0)
    third = cycle(scheduler, 105, 4.0).actions
    np.testing.assert_allclose(third[:3], (1.0 + 2.0 * weight + 4.0 * weight**2) / (1.0 + weight + weight**2))
    scheduler.on_mode(False, 3)
    scheduler.on_mode(True, 4)
    assert (cycle(scheduler, 110, 9.0).actions == 9.0).all()  # nothing of the old epoch votes


def test_rotations_are_averaged_whatever_the_sign_of_their_quaternions() -> None:
    group = (ActionGroup("hand", Space.CARTESIAN_POSE, (), 0, 7, tip="tcp", frame_id="base"),)
    pose = np.zeros((4, 7))
    pose[:, 3:] = Rotation.from_rotvec([0.0, 0.0, 0.2]).as_quat()
    other = np.zeros((4, 7))
    other[:, 3:] = -Rotation.from_rotvec([0.0, 0.0, 0.4]).as_quat()
    rows = commands(averaged(averaged(None, 0, pose, group), 1, other, group), group)
    yaw = Rotation.from_quat(rows[:, 3:]).as_rotvec()[:, 2]
    np.testing.assert_allclose(yaw[:3], 0.3, atol=1e-3)
    np.testing.assert_allclose(np.linalg.norm(rows[:, 3:], axis=1), 1.0)


@pytest.mark.parametrize("name", ["bid", "ensemble"])
def test_strategies_that_freeze_nothing_drive_without_starving(name: str) -> None:
    run = simulate(jitter(3, 0.15, 0.24), STRATEGIES[name], phases=random_phases(3))
    assert len(run.cycles) > 15
    assert run.starved_ticks == 0


def test_averaging_moves_the_reference_less_than_switching() -> None:
    jumps = {}
    for name in ("naive", "ensemble"):
        run = simulate(jitter(3, 0.05, 0.09), STRATEGIES[name], phases=random_phases(3))
        jumps[name] = np.median([ack.raw_jump for ack in run.acks[1:]])
    assert jumps["ensemble"] < 0.7 * jumps["naive"]
