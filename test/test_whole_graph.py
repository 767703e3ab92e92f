"""The main job, once, with real processes: collect, train briefly, roll out; then what the bags must hold.

Real time and a small machine: nothing here expects speed, nor that so short a training succeeds.
"""

import os
import signal
import subprocess
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bc_core.bags import Episode, find_episodes, open_episode
from bc_core.fields import time_ns

DT_NS = 50_000_000
IN_FORCE, POLICY = 1, 1  # bc_msgs/ChunkAck, bc_msgs/ControlMode
STEPS = 40
MARK = "BC_TEST_RUN"


@dataclass
class Bcros:
    """Runs the command line; every process of the run carries a mark in its environment."""

    mark: str

    def start(self, *args: str | Path) -> subprocess.Popen[str]:
        return subprocess.Popen(
            ["bcros", *map(str, args)],
            env=os.environ | {MARK: self.mark},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *args: str | Path) -> str:
        process = self.start(*args)
        output, _ = process.communicate(timeout=240)
        assert process.returncode == 0, output
        assert self.survivors() == []
        return output

    def survivors(self) -> list[str]:
        """Processes of the run that are still there."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                if f"{MARK}={self.mark}".encode() in (folder / "environ").read_bytes():
                    found.append((folder / "cmdline").read_bytes().replace(b"\0", b" ").decode())
            except OSError:  # ended meanwhile
                continue
        return found


@pytest.fixture(scope="module")
def bcros() -> Iterator[Bcros]:
    run = Bcros(uuid.uuid4().hex)
    yield run
    assert run.survivors() == []


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("whole_graph")


@pytest.fixture(scope="module")
def demonstrations(bcros: Bcros, folder: Path) -> list[Episode]:
    bcros.run("collect", "--episodes", "3", "--directory", folder / "episodes")
    return [open_episode(path) for path in find_episodes(folder / "episodes")]


@pytest.fixture(scope="module")
def checkpoint(bcros: Bcros, folder: Path, demonstrations: list[Episode]) -> Path:
    bcros.run("train", folder / "episodes", "--steps", str(STEPS), "--out", folder / "checkpoint")
    return folder / "checkpoint"


@pytest.fixture(scope="module")
def rollout(bcros: Bcros, folder: Path, checkpoint: Path) -> Episode:
    bcros.run(
        "rollout", "--checkpoint", checkpoint, "--trials", "1", "--mode", "rtc", "--directory", folder / "rollout"
    )
    (path,) = find_episodes(folder / "rollout")
    return open_episode(path)


def messages(episode: Episode, topic: str) -> list[Any]:
    return [message.msg for message in episode.messages([topic])]


def test_demonstrations_are_whole_and_made_through_the_human_path(demonstrations: list[Episode]) -> None:
    assert len(demonstrations) == 3
    assert sum(episode.info["outcome"] == "success" for episode in demonstrations) >= 2
    for episode in demonstrations:
        assert episode.lost_total == 0
        assert not episode.truncated
        chunks, acks = messages(episode, "command/human"), messages(episode, "controller/ack")
        assert len(chunks) > 20
        assert {ack.source for ack in acks} == {"human"}
        assert sum(ack.verdict == IN_FORCE for ack in acks) > 0.9 * len(chunks)
        assert messages(episode, "episode/outcome")[-1].outcome in (1, 2)


def test_lock_step_leaves_no_gap_whatever_the_load(demonstrations: list[Episode]) -> None:
    for episode in demonstrations:
        stamps = np.array([time_ns(msg.header.stamp) for msg in messages(episode, "joint_states")])
        assert set(np.diff(stamps)) == {5_000_000}
        images = np.array([time_ns(msg.header.stamp) for msg in messages(episode, "camera/image_raw")])
        assert np.diff(images).max() < 70_000_000
        assert {msg.data.size for msg in messages(episode, "camera/image_raw")} == {96 * 96 * 3}


def test_the_policy_drives_in_chunks_whose_frozen_rows_are_exact(rollout: Episode) -> None:
    in_force = {ack.sequence for ack in messages(rollout, "controller/ack") if ack.verdict == IN_FORCE}
    chunks = [msg for msg in messages(rollout, "command/policy") if msg.sequence in in_force]
    assert len(chunks) >= 5
    chained = 0
    for old, new in pairwise(chunks):
        executed = (time_ns(new.header.stamp) - time_ns(old.header.stamp)) // DT_NS
        if new.mode_epoch != old.mode_epoch or not 0 < executed < old.horizon - new.frozen:
            continue
        assert new.frozen >= 2
        before = old.actions.reshape(old.horizon, -1)[executed : executed + new.frozen]
        np.testing.assert_array_equal(new.actions.reshape(new.horizon, -1)[: new.frozen], before)
        chained += 1
    assert chained >= 3


def test_the_injected_latency_is_measured_in_ticks(rollout: Episode) -> None:
    delays = [msg.delay_measured for msg in messages(rollout, "scheduler/status") if msg.delay_measured >= 0]
    assert delays
    assert min(delays) >= 3  # 150 ms and more at 50 ms a tick


def test_every_chunk_is_acknowledged_and_every_frame_has_its_manifest(rollout: Episode) -> None:
    chunks, acks = messages(rollout, "command/policy"), messages(rollout, "controller/ack")
    assert {msg.sequence for msg in chunks} <= {ack.sequence for ack in acks}
    manifests = messages(rollout, "policy/manifest")
    assert {time_ns(msg.header.stamp) for msg in chunks} <= {msg.tick * DT_NS for msg in manifests}
    assert POLICY in {msg.mode for msg in messages(rollout, "controller/mode")}


def test_control_c_ends_every_process(bcros: Bcros, folder: Path) -> None:
    process = bcros.start("collect", "--episodes", "50", "--directory", folder / "interrupted")
    try:
        deadline = time.monotonic() + 120
        while not list((folder / "interrupted").glob("episode_*")):
            assert process.poll() is None, process.communicate()[0]
            assert time.monotonic() < deadline
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 128 + signal.SIGINT, output
    assert bcros.survivors() == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["collect", "--episodes", "1", "--task", "juggling"], "juggling"),
        (["collect", "--episodes", "1", "--contract", "none"], "none"),
        (["rollout", "--checkpoint", "nowhere", "--trials", "1", "--mode", "rtc"], "nowhere"),
        (["inspect", "nowhere"], "nowhere"),
        (["launch", "nowhere"], "nowhere"),
    ],
)
def test_what_does_not_exist_is_named_in_one_line(
    bcros: Bcros, arguments: list[str], message: str, folder: Path
) -> None:
    process = subprocess.run(["bcros", *arguments], cwd=folder, capture_output=True, text=True, check=False, timeout=60)
    assert process.returncode == 2
    assert message in process.stderr
    assert "Traceback" not in process.stderr
    assert len(process.stderr.strip().splitlines()) == 1
