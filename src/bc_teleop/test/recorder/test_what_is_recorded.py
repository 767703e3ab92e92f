"""What is in the bag, in lock step and in real time; nothing is lost without being counted."""

import time
from collections.abc import Callable

import pytest

from bc_core.bags import open_episode
from bc_msgs.msg import EpisodeOutcome
from bc_msgs.srv import StartEpisode
from bc_nodes import qos
from bc_nodes.convert import to_ns

from .graph import MS, PATIENCE, START, TICK, Graph, begin


def test_in_lock_step_everything_is_in_the_bag(lockstep: Graph) -> None:
    started = lockstep.start(task="pick", seed=9)
    assert started.success, started.message
    for tick in range(START, START + 40 * TICK, TICK):
        lockstep.observe(tick)
        lockstep.finish_tick(tick)
    stopped = lockstep.stop(reason="task success")
    assert (stopped.success, stopped.lost, stopped.path) == (True, 0, started.path)
    episode = open_episode(stopped.path)
    messages = list(episode.messages())
    assert len(messages) == stopped.written == lockstep.sent + 2  # with the mode of before, and the outcome
    assert {name: topic.count for name, topic in episode.topics.items() if topic.count} == {
        "joint_states": 400,
        "controller/state": 200,
        "object/odometry": 200,
        "camera/image_raw": 40,
        "task/state": 40,
        "controller/mode": 1,
        "episode/outcome": 1,
    }
    stamps = [to_ns(m.msg.header.stamp) for m in messages if m.topic == "joint_states"]
    assert stamps == list(range(START - 45 * MS, START + 39 * TICK + 1, 5 * MS))
    assert all(m.received_ns >= to_ns(m.msg.header.stamp) for m in messages)
    assert messages[-1].msg.outcome == EpisodeOutcome.SUCCESS
    assert (episode.info["seed"], episode.info["outcome"], episode.info["reason"]) == (9, "success", "task success")


def test_mode_changes_in_quick_succession_are_all_recorded(lockstep: Graph) -> None:
    assert lockstep.start().success
    for epoch in range(2, 7):
        lockstep.send("controller/mode", START, epoch=epoch)
    lockstep.observe(START)
    lockstep.finish_tick(START)
    episode = open_episode(lockstep.stop().path)
    assert [msg.epoch for _, _, msg in episode.messages(["controller/mode"])] == [1, 2, 3, 4, 5, 6]
    assert episode.lost_total == 0


def test_a_tick_waits_for_its_last_sample(lockstep: Graph) -> None:
    assert lockstep.start().success
    lockstep.observe(START, skip=("object/odometry",))
    for _ in range(10):
        lockstep.executor.spin_once(timeout_sec=0.01)
    assert START not in lockstep.ticks_done
    lockstep.send("object/odometry", START)
    lockstep.finish_tick(START)


def test_a_stream_that_died_does_not_stop_time_for_ever(make: Callable[..., Graph]) -> None:
    lockstep = begin(make(lockstep=True, use_sim_time=True, tick_timeout=0.1))
    assert lockstep.start().success
    lockstep.observe(START)
    lockstep.finish_tick(START)
    for tick in (START + TICK, START + 2 * TICK):
        lockstep.observe(tick, skip=("camera/image_raw",))
        lockstep.finish_tick(tick)
    lockstep.spin_until(lambda: any("'camera/image_raw'" in status.message for status in lockstep.statuses))
    assert lockstep.stop().success


def test_a_best_effort_camera_is_recorded_in_real_time(make: Callable[..., Graph]) -> None:
    graph = make(start_timeout=0.05)
    graph.up({"camera/image_raw": qos.SENSOR_IN})
    deadline = time.monotonic() + PATIENCE
    answer = StartEpisode.Response()
    while not answer.success:
        assert time.monotonic() < deadline, answer.message
        graph.observe_now()
        graph.executor.spin_once(timeout_sec=0.02)
        answer = graph.start()
    before = time.time_ns()
    for _ in range(5):
        graph.observe_now()
    after = time.time_ns()
    stopped = graph.stop()
    images = [m for m in open_episode(stopped.path).messages(["camera/image_raw"]) if m.received_ns >= before]
    assert len(images) == 5
    assert all(to_ns(m.msg.header.stamp) <= m.received_ns for m in images)
    assert images[0].received_ns <= after + 1000 * MS


def test_an_overflow_is_counted(lockstep: Graph) -> None:
    """Nobody spins the recorder while more arrives than its queues hold."""
    assert lockstep.start().success
    lockstep.observe(START)
    lockstep.finish_tick(START)
    for index in range(1, qos.record(200.0).depth + 301):
        lockstep.send("joint_states", START + index * MS // 10)
    stopped = lockstep.stop()
    assert stopped.lost >= 300
    account = open_episode(stopped.path).info["topics"]["joint_states"]
    assert account["written"] + account["lost"] == 10 + qos.record(200.0).depth + 300
    told = ("'joint_states' were lost", "'joint_states' are lost by now")  # at the end, or while it lasted
    lockstep.spin_until(
        lambda: any(words in text for s in lockstep.statuses for text in (s.message, *s.warnings) for words in told)
    )


def test_what_has_arrived_is_recorded_however_little_is_taken_at_once(
    lockstep: Graph, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bc_teleop.episode_recorder.TAKE_SECONDS", 0.0)  # one message of every topic
    assert lockstep.start().success
    lockstep.observe(START)
    lockstep.finish_tick(START)
    for index in range(1, 301):
        lockstep.send("joint_states", START + index * 5 * MS)
    stopped = lockstep.stop()
    assert stopped.lost == 0
    assert open_episode(stopped.path).topics["joint_states"].count == 310
