"""teleop_node in lock step with the simulation: every tick is answered, and time waits where it must."""

from collections.abc import Callable

import pytest
from teleop_graph import TICK, Graph

from bc_msgs.msg import EpisodeStatus
from bc_nodes.convert import chunk_from_msg, to_ns


def test_in_lock_step_every_tick_is_answered_from_its_own_observations(graph: Callable[..., Graph]) -> None:
    world = graph(lockstep=True, seed=3)
    world.up()
    for tick in range(20, 40):
        world.publish_tick(tick, seed=1, elapsed=(tick - 20) * 0.05)
        world.spin_until(lambda tick=tick: bool(world.done) and to_ns(world.done[-1].header.stamp) == tick * TICK)
    assert len(world.done) == 20
    assert {done.participant for done in world.done} == {"teleop"}
    world.spin_until(lambda: bool(world.chunks) and world.chunks[-1].sequence == world.done[-1].sequence)
    first = chunk_from_msg(world.chunks[0])
    assert first.stamp_ns % TICK == 0 and first.horizon >= 3 and first.producer == "teleop"
    assert first.producer_id == world.node.process_id
    assert list(first.actions[0][:7]) == pytest.approx(world.robot.home)
    assert [chunk.sequence for chunk in world.chunks] == list(range(1, len(world.chunks) + 1))


def test_time_stands_still_until_the_recorder_records(graph: Callable[..., Graph]) -> None:
    """The node is heard of meanwhile, without having done a tick."""
    world = graph(lockstep=True, await_recording=True)
    world.up()
    world.publish_tick(20, seed=1, elapsed=0.0)
    world.spin(20)
    assert {to_ns(done.header.stamp) for done in world.done} == {0}
    world.publishers["episode/status"].publish(EpisodeStatus(state=EpisodeStatus.RECORDING))
    world.spin_until(lambda: to_ns(world.done[-1].header.stamp) == 20 * TICK)


def test_a_decided_episode_ends_with_a_release(graph: Callable[..., Graph]) -> None:
    world = graph(lockstep=True)
    world.up()
    for tick in range(20, 36):
        world.publish_tick(tick, seed=1, elapsed=(tick - 20) * 0.05)
        world.spin_until(lambda tick=tick: bool(world.done) and to_ns(world.done[-1].header.stamp) == tick * TICK)
    world.publish_tick(36, seed=1, elapsed=0.8, success=True)
    world.spin_until(lambda: bool(world.chunks) and world.chunks[-1].release)
    world.publish_tick(37, seed=1, elapsed=0.85, success=True)
    world.spin_until(lambda: to_ns(world.done[-1].header.stamp) == 37 * TICK)
    assert world.done[-1].sequence == world.chunks[-1].sequence


def test_deactivating_gives_the_lease_back(graph: Callable[..., Graph]) -> None:
    world = graph(lockstep=True)
    world.up()
    for tick in range(20, 36):
        world.publish_tick(tick, seed=1, elapsed=(tick - 20) * 0.05)
        world.spin_until(lambda tick=tick: bool(world.done) and to_ns(world.done[-1].header.stamp) == tick * TICK)
    assert world.node.session.engaged
    world.node.trigger_deactivate()
    world.spin_until(lambda: world.chunks[-1].release)
    sent = len(world.chunks)
    world.publish_tick(36, seed=1, elapsed=0.8)
    world.spin_until(lambda: to_ns(world.done[-1].header.stamp) == 36 * TICK)
    assert len(world.chunks) == sent
