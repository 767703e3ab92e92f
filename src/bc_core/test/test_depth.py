"""Depth images: metres and validity out of messages, the same live and offline; what is refused; the encoder."""

from array import array
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from bc_core.bags import open_episode
from bc_core.contract import Contract, Observation
from bc_core.conversion.segments import select
from bc_core.dataset import read_episode
from bc_core.errors import BcError
from bc_core.fields import BlindObservationError, ObservationError, extract, stamp_ns
from bc_core.frames import FrameAssembler
from bc_core.policies.chunk_policy import input_layout
from bc_core.policies.config import TrainConfig
from bc_core.policies.vision.base import View
from bc_core.policies.vision.build import build_encoder
from bc_core.policies.vision.config import DepthConfig, SpatialSoftmaxConfig, VisionConfig
from bc_core.schema import Section
from bc_core.seen import seen_frames
from bc_core.viewing import view

CONFIG = Path(__file__).parents[3] / "config"
HEIGHT, WIDTH, FIRST, TICKS = 24, 32, 1000, 20
VIEW = View("depth", n_obs_steps=2, height=HEIGHT, width=WIDTH, channels=1, encoding="16UC1", is_depth=True)
RANGE = DepthConfig(near=0.5, far=1.5)
STREAM = {
    "topic": "camera/depth/image_raw", "type": "sensor_msgs/msg/Image", "shape": [HEIGHT, WIDTH, 1],
    "encoding": "16UC1", "rate": 20, "rule": "asof", "latency": 0.0, "max_age": 0.12,
}  # fmt: skip


@pytest.fixture
def measuring(document: dict[str, Any]) -> Contract:
    """The shipped contract with a small depth camera."""
    document["observations"]["depth"] = dict(STREAM)
    return Contract.from_document(document, "test")


@pytest.fixture
def stream(measuring: Contract) -> Observation:
    return measuring.observations["depth"]


def scene(seed: int) -> np.ndarray:
    """Whole millimetres from 300 to 2000, a tenth of them not measured: (HEIGHT, WIDTH) uint16."""
    rng = np.random.default_rng(seed)
    return np.where(rng.random((HEIGHT, WIDTH)) < 0.1, 0, rng.integers(300, 2000, (HEIGHT, WIDTH))).astype(np.uint16)


def message(numbers: np.ndarray, encoding: str, padding: int = 0, is_bigendian: int = 0) -> SimpleNamespace:
    raw = numbers.astype(numbers.dtype.newbyteorder(">" if is_bigendian else "<"))
    rows = np.pad(raw.view(np.uint8).reshape(len(numbers), -1), ((0, 0), (0, padding)), constant_values=77)
    return SimpleNamespace(
        height=numbers.shape[0], width=numbers.shape[1], encoding=encoding, step=rows.shape[1],
        is_bigendian=is_bigendian, data=array("B", rows.tobytes()),
    )  # fmt: skip


@pytest.mark.parametrize(("padding", "is_bigendian"), [(0, 0), (6, 0), (0, 1)])
def test_both_encodings_are_metres(stream: Observation, padding: int, is_bigendian: int) -> None:
    millimetres = scene(0)
    expected = (millimetres.astype(np.float64) / 1000.0).astype(np.float32)[..., None]
    metres = expected[..., 0].copy()
    whole = extract(stream, message(millimetres, "16UC1", padding, is_bigendian))
    assert whole.dtype == np.float32
    np.testing.assert_array_equal(whole, expected)
    metres[metres == 0.0] = np.resize([np.nan, np.inf, -np.inf, 0.0, -0.4], np.count_nonzero(metres == 0.0))
    np.testing.assert_array_equal(extract(stream, message(metres, "32FC1", padding, is_bigendian)), expected)


def test_what_is_refused(stream: Observation, contract: Contract) -> None:
    with pytest.raises(ObservationError, match=r"'depth'.*encoding 'mono16': publish one of 16UC1, 32FC1"):
        extract(stream, message(scene(0), "mono16"))
    with pytest.raises(ObservationError, match=r"'camera'.*encoding '16UC1': publish one of rgb8"):
        extract(contract.observations["camera"], message(scene(0), "16UC1"))
    with pytest.raises(ObservationError, match=r"sends 16x24 pixels, the contract says 32x24"):
        extract(stream, message(scene(0)[:, :16], "16UC1"))
    with pytest.raises(ObservationError, match="the image is broken"):
        extract(stream, message(scene(0), "32FC1"))  # bytes of 16 bits each
    for blind in (np.zeros((HEIGHT, WIDTH), np.uint16), np.full((HEIGHT, WIDTH), np.nan, np.float32)):
        with pytest.raises(BlindObservationError, match="without any distance in 768 pixels"):
            extract(stream, message(blind, "16UC1" if blind.dtype == np.uint16 else "32FC1"))


def test_contracts_with_depth(measuring: Contract, document: dict[str, Any]) -> None:
    depth, camera = measuring.observations["depth"], measuring.observations["camera"]
    assert (depth.is_image, depth.is_depth, depth.is_picture) == (True, True, False)
    assert (camera.is_image, camera.is_depth, camera.is_picture) == (True, False, True)
    for key, value, words in (
        ("type", "sensor_msgs/msg/CompressedImage", "depth is not read compressed"),
        ("shape", [HEIGHT, WIDTH, 3], r"must be \[height, width, 1\]"),
        ("rule", "linear", "not interpolated"),
    ):
        document["observations"]["depth"] = STREAM | {key: value}
        with pytest.raises(BcError, match=words):
            Contract.from_document(document, "test")


@pytest.fixture
def bag(measuring: Contract, recording_at: Callable[..., Any], tmp_path: Path) -> Path:
    """A picture at every tick; nothing is measured in those of ticks 8 to 12. A manifest of what a policy saw."""
    recording = recording_at(tmp_path / "episode_000000", 0, measuring)
    live = FrameAssembler(measuring, ("arm", "depth"), 2)
    for tick in range(FIRST, FIRST + TICKS):
        time = measuring.grid.time(tick)
        recording.joints(time, np.full(7, 0.01 * tick), 0.04)
        numbers = np.zeros((HEIGHT, WIDTH), np.uint16) if 8 <= tick - FIRST <= 12 else scene(tick)
        sent = message(numbers, "16UC1")
        recording._write(
            STREAM["topic"], time, height=HEIGHT, width=WIDTH, encoding="16UC1", step=2 * WIDTH,
            data=np.frombuffer(sent.data, np.uint8),
        )  # fmt: skip
        live.add("arm", time, np.full(7, 0.01 * tick))
        if numbers.any():
            live.add("depth", time, extract(measuring.observations["depth"], sent))
        if 1 <= tick - FIRST <= 9:
            recording.manifest(live.frame(tick))
    path: Path = recording.close()
    return path


def test_frames_are_the_same_live_and_offline_and_blind_pictures_age(measuring: Contract, bag: Path) -> None:
    """Live, a sample that is refused is left out, and the frame ages; the converter does the same."""
    live = FrameAssembler(measuring, ("arm", "depth"), 2)
    by_topic = {measuring.observations[stream].topic: stream for stream in live.streams}
    waiting = [(stamp_ns(m.msg), by_topic[m.topic], m.msg) for m in open_episode(bag).messages(by_topic)]
    ticks, refused, seen = read_episode(bag, measuring, live.streams, 2), [], {}
    for tick in range(FIRST + 1, FIRST + TICKS):
        while waiting and waiting[0][0] <= measuring.grid.time(tick):
            stamp, name, sent = waiting.pop(0)
            try:
                live.add(name, stamp, extract(measuring.observations[name], sent))
            except BlindObservationError:
                assert 8 <= tick - FIRST <= 12
        row = tick - ticks.first_tick
        try:
            seen[tick] = live.frame(tick)
        except ObservationError as error:
            assert error.stream == "depth" and not ticks.has_frame[row]
            refused.append(tick - FIRST)
            continue
        assert ticks.has_frame[row]
        values = seen[tick].values["depth"]
        assert (values.dtype, ticks.values["depth"].dtype) == (np.float32, np.float32)
        np.testing.assert_array_equal(ticks.values["depth"][row], values)
    assert refused == [10, 11, 12, 13]  # of 0.1 s and more, against a limit of 0.12 s, in a history of two
    manifests = list(seen_frames(open_episode(bag), measuring, 2))
    assert [frame.tick - FIRST for frame in manifests] == list(range(1, 10))
    for frame in manifests:
        np.testing.assert_array_equal(frame.values["depth"], seen[frame.tick].values["depth"])


def test_the_encoder_tells_distance_and_validity(stream: Observation) -> None:
    images = torch.zeros(1, 2, HEIGHT, WIDTH, 1)
    images[0, 1, 0, :5, 0] = torch.tensor([0.5, 1.0, 1.5, 0.2, 9.0])
    prepared = build_encoder(VIEW, RANGE).prepare(images)
    assert (prepared.shape, prepared.dtype) == ((1, 2, 2, HEIGHT, WIDTH), torch.float16)
    assert prepared[0, 1, 0, 0, :6].tolist() == [-1.0, 0.0, 1.0, -1.0, 1.0, 0.0]
    assert prepared[0, 1, 1, 0, :6].tolist() == [1.0, 1.0, 1.0, 1.0, 1.0, 0.0]
    assert not prepared[0, 0].any()
    fine = torch.linspace(0.5, 1.5, 1001)[None, None, :, None, None].expand(1, 1, 1001, 1, 1)
    back = build_encoder(VIEW, RANGE).prepare(fine)[0, 0, 0, :, 0].float() / 2.0 + 1.0
    assert (back - fine[0, 0, :, 0, 0]).abs().max() < 1.0 / 2000.0


def test_what_augmentation_blanks_was_not_measured() -> None:
    encoder = build_encoder(VIEW, replace(RANGE, shift=3, erase=0.4)).train()
    given = []
    encoder.layers.register_forward_pre_hook(lambda _, inputs: given.append(inputs[0]))
    torch.manual_seed(0)
    encoder(encoder.prepare(torch.full((16, 2, HEIGHT, WIDTH, 1), 0.7)))
    distance, valid = given[0][:, ::2], given[0][:, 1::2]
    erased = valid == 0.0
    assert 0.02 < erased.float().mean() < 0.5
    assert not distance[erased].any()
    torch.testing.assert_close(distance[~erased], torch.full_like(distance[~erased], -0.6), rtol=0.0, atol=1e-3)
    assert (valid[~erased] == 1.0).all()


def test_it_learns_and_a_picture_of_nothing_is_a_number() -> None:
    encoder = build_encoder(VIEW, replace(RANGE, shift=2, erase=0.2)).train()
    metres = torch.from_numpy(np.stack([scene(0), scene(1), 0 * scene(0)]).astype(np.float32) / 1000.0)
    answer = encoder(encoder.prepare(metres[:, None, :, :, None].expand(-1, 2, -1, -1, -1)))
    assert answer.shape == (3, encoder.features) and torch.isfinite(answer).all()
    (answer**2).sum().backward()
    assert all(weight.grad is not None and torch.isfinite(weight.grad).all() for weight in encoder.parameters())


def test_encoders_and_images_must_suit_each_other() -> None:
    with pytest.raises(BcError, match=r"'depth' is a depth image \(16UC1\), which spatial_softmax does not take: set"):
        build_encoder(VIEW, SpatialSoftmaxConfig())
    with pytest.raises(BcError, match=r"'depth' shows colours \(rgb8\)"):
        build_encoder(replace(VIEW, encoding="rgb8", channels=3, is_depth=False), RANGE)
    with pytest.raises(BcError, match=r"near = 0 m to far = 0 m"):
        build_encoder(VIEW, DepthConfig())
    for setting in ({}, {"near": 1.0, "far": 0.5}, {"near": 0.5, "far": 1.0, "contrast": 0.1}):
        with pytest.raises(BcError, match=r"contrast|near"):
            VisionConfig.from_section(Section({"depth": {"type": "depth", **setting}}, "test"))
    config = VisionConfig.from_section(Section({"depth": {"type": "depth", "near": 0.5, "far": 1.5}}, "test"))
    assert VisionConfig.from_section(Section(config.to_document(), "test")) == config == VisionConfig({"depth": RANGE})


def test_the_shipped_policy_fits_the_shipped_contract() -> None:
    contract = Contract.load(CONFIG / "contracts" / "panda_conveyor_depth.yaml")
    policy = TrainConfig.load(CONFIG / "policies" / "camera_depth.yaml").policy
    _, _, streams, cameras = input_layout(contract, policy)
    assert cameras == ("camera", "depth") and set(streams) == {"arm", "gripper", "tcp", *cameras}
    for camera in cameras:
        assert build_encoder(View.of(contract, camera, 2), policy.vision.of(camera)).features == 64


def test_data_sets_refuse_it_and_rerun_shows_it(measuring: Contract, bag: Path, tmp_path: Path) -> None:
    with pytest.raises(BcError, match=r"'depth' is a depth image.*--streams arm gripper tcp object camera\)"):
        select(measuring)
    assert select(measuring, ("arm", "camera")).cameras == ("camera",)
    view(open_episode(bag), save=tmp_path / "episode.rrd")
    assert b"DepthImage:buffer" in (tmp_path / "episode.rrd").read_bytes()
