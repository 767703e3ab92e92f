"""The reference meets the rows exactly, and is continuous through everything that changes them."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest

from bc_controllers import Arbiter, ControllerConfig
from bc_core.chunks import ActionChunk
from bc_msgs.msg import ControlMode
from bc_msgs.srv import ChangeMode

Array = npt.NDArray[np.float64]
MakeChunk = Callable[..., ActionChunk]
START, PERIOD, DT = 10_000_000_000, 1_000_000, 50_000_000
RESUME, HOLD = ChangeMode.Request.RESUME, ChangeMode.Request.HOLD


def resume(arbiter: Arbiter) -> None:
    arbiter.request(RESUME, "test")
    arbiter.advance(START)
    assert arbiter.mode == ControlMode.POLICY


def trace(arbiter: Arbiter, begin_ns: int, seconds: float) -> Array:
    """References at every period after `begin_ns`, shape (N, 8)."""
    return np.array([arbiter.advance(begin_ns + i * PERIOD) for i in range(1, round(seconds * 1000) + 1)])


def assert_smooth(joints: Array, config: ControllerConfig, slack: float = 1.0) -> None:
    """Steps within the velocity limits, and changes of step within `slack` times the acceleration limits."""
    steps = np.diff(joints, axis=0) / 1e-3
    assert np.all(np.abs(steps) <= np.array(config.velocity) * (1 + 1e-9))
    changes = np.diff(steps, axis=0) / 1e-3
    assert np.all(np.abs(changes) <= slack * np.array(config.acceleration) * (1 + 1e-6)), np.abs(changes).max(axis=0)


def test_rows_are_met_as_the_python_chunk_samples_them(arbiter: Arbiter, make_chunk: MakeChunk) -> None:
    resume(arbiter)
    rng = np.random.default_rng(1)
    rows = 0.1 + np.cumsum(rng.uniform(-0.02, 0.02, (10, 8)), axis=0)
    rows[:2, :7], rows[:, 7] = 0.1, np.linspace(0.04, 0.06, 10)
    chunk = make_chunk(rows, START, mode_epoch=2)
    arbiter.submit("policy", chunk)
    for time in range(START, chunk.end_ns + 1, 7 * PERIOD):
        np.testing.assert_allclose(arbiter.advance(time), chunk.sample(time), rtol=0, atol=1e-12)
    assert arbiter.status().velocity_limited == 0


def test_repeated_rows_hide_the_change_of_chunk(arbiter: Arbiter, make_chunk: MakeChunk) -> None:
    """RTC: rows 0 ... d repeat the chunk in force, so that the reference does not notice the change at all."""
    resume(arbiter)
    rng = np.random.default_rng(2)
    old = np.vstack([np.full((1, 8), 0.1), 0.1 + np.cumsum(rng.uniform(-0.02, 0.02, (11, 8)), axis=0)])
    old[:, 7] = 0.04
    old[1] = old[0]
    before = make_chunk(old, START, mode_epoch=2)
    arbiter.submit("policy", before)
    arbiter.advance(START)
    arbiter.advance(START + 4 * DT + 13 * PERIOD)
    new = np.vstack([old[2:6], old[5] + np.cumsum(rng.uniform(-0.01, 0.01, (8, 8)), axis=0)])
    new[:, 7] = 0.04
    chunk = make_chunk(new, START + 2 * DT, mode_epoch=2, frozen=4)
    arbiter.submit("policy", chunk)
    for time in range(START + 4 * DT + 14 * PERIOD, START + 5 * DT - 4 * PERIOD, PERIOD):
        np.testing.assert_allclose(arbiter.advance(time), before.sample(time), rtol=0, atol=1e-12)
    rates = np.diff(trace(arbiter, START + 5 * DT - 5 * PERIOD, 0.01)[:, :7], axis=0) / 1e-3
    assert np.abs(np.diff(rates, axis=0)).max() < 0.1  # of slopes up to 0.4 rad/s on both sides of row d
    for row in range(4, chunk.horizon):
        np.testing.assert_array_equal(arbiter.advance(chunk.stamp_ns + row * DT), chunk.actions[row])
    first, second = arbiter.poll_acks()
    assert (first.raw_jump, second.raw_jump, second.raw_jump_gripper) == (0.0, 0.0, 0.0)
    assert second.row == pytest.approx(2 + 14 / 50)


@pytest.mark.parametrize("jump", [0.002, 0.05, 0.6])
def test_a_raw_jump_is_reported_whole_and_fades_within_the_limits(
    arbiter: Arbiter, config: ControllerConfig, make_chunk: MakeChunk, level: Callable[..., Array], jump: float
) -> None:
    resume(arbiter)
    arbiter.submit("policy", make_chunk(level(0.1, 30), START, mode_epoch=2))
    arbiter.advance(START + PERIOD)
    arbiter.submit("policy", make_chunk(level(0.1 + jump, 60), START, mode_epoch=2))
    path = trace(arbiter, START + PERIOD, 2.5)
    assert arbiter.poll_acks()[1].raw_jump == pytest.approx(jump * np.sqrt(7), rel=1e-9)
    joints = np.vstack([np.full(7, 0.1), path[:, :7]])
    assert_smooth(joints, config)
    np.testing.assert_array_equal(path[-1, :7], 0.1 + jump)  # exactly: the offset is gone
    assert path[:, :7].max() <= 0.1 + jump * 1.01  # no overshoot to speak of


@pytest.mark.parametrize("later", [0, PERIOD // 3, PERIOD])
def test_takeover_by_a_human_starts_from_the_moving_reference(
    arbiter: Arbiter, config: ControllerConfig, make_chunk: MakeChunk, later: int
) -> None:
    """Whether it takes effect at the last move, between two, or now."""
    resume(arbiter)
    ramp = np.hstack([0.1 + 0.02 * np.arange(20)[:, None] * np.ones((1, 7)), np.full((20, 1), 0.04)])  # 0.4 rad/s
    arbiter.submit("policy", make_chunk(ramp, START, mode_epoch=2))
    before = trace(arbiter, START, 0.3)
    human = make_chunk(np.full((20, 8), 0.05), START + round(0.3e9) + later, mode_epoch=1, producer_id=9)
    arbiter.submit("human", human)
    after = trace(arbiter, START + round(0.3e9), 0.8)
    assert arbiter.mode == ControlMode.HUMAN
    assert_smooth(np.vstack([before[-5:, :7], after[:, :7]]), config)


def test_stopping_keeps_to_the_acceleration_limits_and_the_direction(
    arbiter: Arbiter, config: ControllerConfig, make_chunk: MakeChunk
) -> None:
    resume(arbiter)
    speeds = np.linspace(0.2, 0.8, 7)
    rows = np.hstack([0.1 + 0.05 * np.arange(8)[:, None] * speeds, np.full((8, 1), 0.03)])
    chunk = make_chunk(rows, START, mode_epoch=2)
    arbiter.submit("policy", chunk)
    arbiter.advance(START)
    arbiter.advance(chunk.end_ns - 5 * PERIOD)
    path = trace(arbiter, chunk.end_ns - 5 * PERIOD, 0.6)
    joints = path[:, :7]
    assert_smooth(joints, config)
    travelled = joints[-1] - rows[-1, :7]
    assert np.all(travelled > 0) and np.all(arbiter.velocity == 0.0)
    np.testing.assert_allclose(travelled / travelled[0], speeds / speeds[0], rtol=1e-9)
    np.testing.assert_allclose(path[-1, 7], 0.03, atol=1e-12)  # the grip stays
    assert arbiter.mode == ControlMode.HOLD


def test_a_chunk_steeper_than_the_limits_is_followed_as_fast_as_they_allow(
    arbiter: Arbiter, config: ControllerConfig, make_chunk: MakeChunk
) -> None:
    resume(arbiter)
    rows = np.full((40, 8), 0.04)
    rows[0, :7], rows[1:, :7] = 0.1, 1.6  # 30 rad/s
    arbiter.submit("policy", make_chunk(rows, START, mode_epoch=2))
    path = trace(arbiter, START, 1.9)
    steps = np.diff(path[:, :7], axis=0) / 1e-3
    assert np.all(np.abs(steps) <= np.array(config.velocity) * (1 + 1e-9))
    status = arbiter.status()
    assert status.velocity_limited + status.acceleration_limited > 0
    assert np.abs(np.diff(steps, axis=0)).max() <= 10.0 * 10.0 * 1e-3 * 1.1  # peak_acceleration x acceleration
    np.testing.assert_allclose(path[-1, :7], 1.6, atol=2e-3)


def test_the_gripper_keeps_to_its_speed(
    arbiter: Arbiter, config: ControllerConfig, make_chunk: MakeChunk, level: Callable[..., Array]
) -> None:
    resume(arbiter)
    arbiter.submit("policy", make_chunk(level(0.1, 20, gripper=0.0), START, mode_epoch=2))
    opening = trace(arbiter, START, 0.4)[:, 7]
    assert np.abs(np.diff(opening)).max() <= config.gripper_velocity * 1e-3 * (1 + 1e-9)
    assert opening[-1] == 0.0


def test_a_start_outside_the_limits_is_not_thrown_inside(
    config: ControllerConfig, make_chunk: MakeChunk, level: Callable[..., Array]
) -> None:
    arbiter = Arbiter(config, [2.6] * 7, 0.04)  # the limit is 2.5
    arbiter.advance(START)
    resume(arbiter)
    arbiter.submit("policy", make_chunk(level(2.9, 30), START, mode_epoch=2))
    path = np.vstack([np.full(7, 2.6), trace(arbiter, START, 1.0)[:, :7]])
    assert_smooth(path, config)
    assert np.all(np.diff(path, axis=0) <= 0.0)
    np.testing.assert_allclose(path[-1], 2.5, atol=1e-6)
    assert arbiter.poll_acks()[0].clamped == 30 * 7


def test_hold_from_motion_is_continuous(arbiter: Arbiter, config: ControllerConfig, make_chunk: MakeChunk) -> None:
    resume(arbiter)
    rows = np.hstack([0.1 + 0.04 * np.arange(30)[:, None] * np.ones((1, 7)), np.full((30, 1), 0.04)])
    arbiter.submit("policy", make_chunk(rows, START, mode_epoch=2))
    before = trace(arbiter, START, 0.5)
    arbiter.request(HOLD, "test")
    after = trace(arbiter, START + round(0.5e9), 0.5)
    assert_smooth(np.vstack([before[-5:, :7], after[:, :7]]), config)
    assert arbiter.mode == ControlMode.HOLD and np.all(arbiter.velocity == 0.0)
