"""Start, pause, re-record, stop; and ends that nobody asked for."""

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from std_srvs.srv import SetBool, Trigger

from bc_core.bags import open_episode
from bc_msgs.msg import EpisodeOutcome, EpisodeStatus
from bc_teleop.episode_recorder import EpisodeRecorder
from bc_teleop.raw_topics import RawTopics

from .graph import PATIENCE, START, TICK, Graph, arguments


def test_an_episode_is_paused_resumed_and_recorded_again(lockstep: Graph) -> None:
    pause = lockstep.peer.create_client(SetBool, "episode/pause")
    again = lockstep.peer.create_client(Trigger, "episode/rerecord")
    lockstep.spin_until(lambda: pause.service_is_ready() and again.service_is_ready())
    assert not lockstep.call(pause, SetBool.Request(data=True)).success
    assert not lockstep.call(again, Trigger.Request()).success
    started = lockstep.start(task="pick")
    assert lockstep.call(again, Trigger.Request()).message == started.path
    for number, paused in enumerate((False, True, False)):
        if number:
            assert lockstep.call(pause, SetBool.Request(data=paused)).success
        lockstep.observe(START + number * TICK)
        lockstep.finish_tick(START + number * TICK)
    assert any(status.state == EpisodeStatus.PAUSED for status in lockstep.statuses)
    episode = open_episode(lockstep.stop().path)
    assert episode.info["task"] == "pick"
    assert episode.topics["joint_states"].count == 20


def test_what_cannot_be_done_now_is_refused(lockstep: Graph, tmp_path: Path) -> None:
    assert "no episode is being recorded" in lockstep.stop().message
    assert lockstep.start().success
    assert "is being recorded: stop it first" in lockstep.start().message
    assert "unknown outcome 77" in lockstep.stop(77).message
    assert lockstep.stop(EpisodeOutcome.FAILURE, discard=True).path == ""
    assert list(tmp_path.iterdir()) == []


def test_while_it_waits_for_messages_it_puts_them_on_disk(lockstep: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stop and a start wait for seconds: a recorder that is killed then loses no more than at any other moment."""
    monkeypatch.setattr("bc_teleop.episode_recorder.FLUSH_PERIOD", 0.0)
    recorder, flushed = lockstep.recorder, []
    assert recorder is not None and recorder._recording is not None
    assert lockstep.start().success
    monkeypatch.setattr(recorder._recording, "flush", flushed.append)
    recorder._pump_until(lambda: len(flushed) > 1, 1.0)
    assert len(flushed) > 1


def test_a_start_during_an_episode_waits_for_nothing(lockstep: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    assert lockstep.start().success
    monkeypatch.setattr(EpisodeRecorder, "_wait_for_streams", lambda *_: pytest.fail("streams are waited for"))
    assert "is being recorded: stop it first" in lockstep.start().message


def test_streams_that_came_are_not_called_absent_because_the_look_took_long(
    lockstep: Graph, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(topics: RawTopics) -> list[str]:
        assert lockstep.recorder is not None
        lockstep.recorder._simulated_ns += TICK * 100
        return []

    monkeypatch.setattr(RawTopics, "unmatched", slow)
    assert lockstep.start().success


def test_shutting_down_keeps_the_episode_as_aborted(lockstep: Graph) -> None:
    started = lockstep.start()
    lockstep.observe(START)
    lockstep.finish_tick(START)
    assert lockstep.recorder is not None
    lockstep.recorder.close()
    info = open_episode(started.path).info
    assert (info["state"], info["outcome"], info["reason"]) == ("complete", "aborted", "the recorder was shut down")


def test_a_full_disk_ends_the_episode_and_says_so(lockstep: Graph) -> None:
    started = lockstep.start()
    lockstep.observe(START)
    lockstep.finish_tick(START)
    lockstep.spin_until(lambda: lockstep.statuses[-1].written and max(lockstep.statuses[-1].written) >= 10)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, hard))
    try:
        lockstep.send("camera/image_raw", START, data=os.urandom(2_000_000))
        lockstep.spin_until(lambda: lockstep.statuses[-1].state == EpisodeStatus.IDLE)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert f"recording to {started.path} ended: File too large" in lockstep.statuses[-1].message
    episode = open_episode(started.path)
    assert (episode.info["outcome"], episode.truncated, episode.topics["joint_states"].count) == ("aborted", False, 10)
    assert "ended: File too large" in lockstep.stop().message
    lockstep.observe(START + TICK)
    lockstep.finish_tick(START + TICK)  # the robot's time goes on


@pytest.fixture
def process(domain: int, defaults: dict[str, Any]) -> Iterator[subprocess.Popen[bytes]]:
    """The recorder as a process of its own."""
    command = [sys.executable, "-m", "bc_teleop.episode_recorder"]
    command += arguments(defaults, {"lockstep": True, "use_sim_time": True})
    process = subprocess.Popen(command, env=os.environ | {"ROS_DOMAIN_ID": str(domain)})
    yield process
    if process.poll() is None:
        process.kill()
    process.wait()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_however_it_is_ended_the_episode_can_be_read(
    make: Callable[..., Graph], process: subprocess.Popen[bytes], number: int
) -> None:
    graph = make()
    graph.up(inside=False)
    graph.connect(START - TICK)
    started = graph.start()
    assert started.success, started.message
    graph.observe(START)
    graph.finish_tick(START)
    graph.statuses.clear()
    graph.spin_until(lambda: len(graph.statuses) >= 2)  # flushed since
    process.send_signal(number)
    code = process.wait(PATIENCE)
    episode = open_episode(started.path)
    assert episode.topics["joint_states"].count == 10
    if number == signal.SIGKILL:
        assert episode.truncated
        assert episode.info["state"] == "recording"
    else:
        assert (code, episode.truncated, episode.info["outcome"]) == (0, False, "aborted")
