"""Cameras of 15 and 5 Hz on a grid of 20 Hz: what a frame holds of each, live as offline; a policy that sees both, and
depth."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bc_core.bags import open_episode
from bc_core.checkpoint import load_policy
from bc_core.contract import Contract
from bc_core.dataset import read_episode
from bc_core.fields import ObservationError, extract, stamp_ns
from bc_core.frames import FrameAssembler

from .swing import EPISODE_TICKS, record, settings, train

FIRST = 1000  # tick of the first command
STREAMS, N_OBS_STEPS = ("arm", "camera", "wrist"), 2
WRIST = {
    "topic": "wrist/image_raw", "type": "sensor_msgs/msg/Image", "shape": [32, 48, 1], "encoding": "mono8",
    "rate": 5, "rule": "asof", "latency": 0.05, "max_age": 0.3,
}  # fmt: skip
DEPTH = {
    "topic": "camera/depth/image_raw", "type": "sensor_msgs/msg/Image", "shape": [16, 24, 1], "encoding": "32FC1",
    "rate": 15, "rule": "asof", "latency": 0.0, "max_age": 0.2,
}  # fmt: skip


@pytest.fixture
def seeing(document: dict[str, Any]) -> Contract:
    """The shipped contract with a second camera, whose pictures are 50 ms late, and with depth."""
    document["observations"] |= {"wrist": WRIST, "depth": DEPTH}
    return Contract.from_document(document, "test")


@pytest.fixture
def bag(seeing: Contract, recording_at: Callable[..., Any], tmp_path: Path) -> Path:
    """Pictures are grey, of their number. The slow camera misses its fourth picture."""
    recording, begin = recording_at(tmp_path / "episode_000000", 0, seeing), seeing.grid.time(FIRST)
    for number in range(-3, 23):
        time, metres = begin + number * 10**9 // 15, np.linspace(0.4, 1.4, 16 * 24, dtype=np.float32)
        recording.image(time, np.full((96, 96, 3), number + 3, dtype=np.uint8))
        recording._write(
            DEPTH["topic"], time, height=16, width=24, encoding="32FC1", step=4 * 24, data=metres.view(np.uint8)
        )
    for number in range(-2, 8):
        if number != 3:
            pixels = np.full(32 * 48, number + 2, dtype=np.uint8)
            recording._write(
                WRIST["topic"], begin + number * 10**9 // 5, height=32, width=48, encoding="mono8", step=48, data=pixels
            )
    path: Path = record(seeing, recording, 1.0)
    return path


def test_frames_hold_the_newest_of_each_live_as_offline(seeing: Contract, bag: Path) -> None:
    """Live, samples come one by one, and a tick's frame is asked for when its time has come."""
    live = FrameAssembler(seeing, STREAMS, N_OBS_STEPS)
    by_topic = {seeing.observations[stream].topic: stream for stream in STREAMS}
    messages = open_episode(bag).messages(by_topic)
    samples = [(stamp_ns(message.msg), by_topic[message.topic], message.msg) for message in messages]
    waiting = sorted(samples, key=lambda sample: sample[0])
    ticks = read_episode(bag, seeing, STREAMS, N_OBS_STEPS)
    refused = []
    for tick in range(FIRST + 1, FIRST + EPISODE_TICKS - 1):
        now = seeing.grid.time(tick)
        while waiting and waiting[0][0] <= now:
            stamp, stream, message = waiting.pop(0)
            live.add(stream, stamp, extract(seeing.observations[stream], message))
        row = tick - ticks.first_tick
        try:
            frame = live.frame(tick)
        except ObservationError as error:
            assert error.stream == "wrist"
            assert not ticks.has_frame[row]
            refused.append(tick - FIRST)
            continue
        since = (now - seeing.grid.time(FIRST)) / 1e9
        assert frame.values["camera"][-1, 0, 0, 0] == math.floor(since * 15 + 1e-6) + 3
        newest = math.floor((since - 0.05) * 5 + 1e-6)
        assert frame.values["wrist"][-1, 0, 0, 0] == (2 if newest == 3 else newest) + 2
        assert ticks.has_frame[row]
        for stream in STREAMS:
            np.testing.assert_array_equal(ticks.values[stream][row], frame.values[stream])
    # Picture 2 is of 0.4 s and the next of 0.8 s, seen 50 ms later: too old at 0.75 s and 0.8 s, and in their history.
    assert refused == [15, 16, 17]


def test_a_policy_sees_all_of_them(seeing: Contract, bag: Path, tmp_path: Path) -> None:
    """Each camera has the encoder of its name."""
    document = settings(steps=3, batch=4, validation=0.0)
    document["policy"] |= {
        "observations": [*STREAMS, "depth"], "n_obs_steps": N_OBS_STEPS,
        "vision": {
            "camera": {"type": "spatial_softmax", "maps": 8},
            "wrist": {"type": "optical_flow", "maps": 4},
            "depth": {"type": "depth", "maps": 4, "near": 0.5, "far": 1.3},
        },
    }  # fmt: skip
    summary = train([bag], seeing, document, tmp_path / "policy")
    assert math.isfinite(summary["train_loss"])
    policy = load_policy(tmp_path / "policy")
    assert policy.streams == (*STREAMS, "depth")
    frame = FrameAssembler(seeing, policy.streams, N_OBS_STEPS, keep=None)
    episode = open_episode(bag)
    for stream in policy.streams:
        observation = seeing.observations[stream]
        for message in episode.messages([observation.topic]):
            frame.take(stream, message.msg)
    assert np.isfinite(policy.infer(frame.frame(FIRST + 5), seed=0)).all()
