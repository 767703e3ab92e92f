"""Optical flow and keypoints as inputs of policies: what they say of pictures whose motion and places are known."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from bc_core.errors import BcError
from bc_core.policies.vision.base import ImageEncoder, View
from bc_core.policies.vision.build import build_encoder
from bc_core.policies.vision.config import FlowConfig, KeypointsConfig, VisionConfig
from bc_core.schema import Section

VIEW = View("camera", n_obs_steps=2, height=96, width=96, channels=3, encoding="rgb8")
REACH = 8.0


def scene(seed: int) -> np.ndarray:
    """Blots and boxes of several sizes on grey, larger than any picture of it: (160, 160, 3)."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:160, :160]
    image = np.full((160, 160), 120.0)
    for _ in range(120):
        y, x, size = rng.uniform(0, 160), rng.uniform(0, 160), rng.uniform(2, 6)
        image += rng.uniform(-90, 90) * np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / (2 * size**2))
    for _ in range(30):
        top, left, high, wide = rng.integers(0, 140), rng.integers(0, 140), rng.integers(4, 20), rng.integers(4, 20)
        image[top : top + high, left : left + wide] += rng.uniform(-60, 60)
    return np.repeat(image.clip(0, 255).astype(np.uint8)[:, :, None], 3, axis=2)


def moving(seed: int, dx: int, dy: int) -> Tensor:
    """Two pictures, in which everything moves by (dx, dy) pixels: (1, 2, 96, 96, 3)."""
    whole = scene(seed)
    pictures = [whole[32:128, 32:128], whole[32 - dy : 128 - dy, 32 - dx : 128 - dx]]
    return torch.from_numpy(np.stack(pictures))[None]


@pytest.mark.parametrize(("dx", "dy"), [(3, 0), (-2, 4), (0, 0)])
def test_flow_is_how_far_things_move(dx: int, dy: int) -> None:
    prepared = build_encoder(VIEW, FlowConfig(reach=REACH)).prepare(moving(0, dx, dy))
    assert prepared.shape == (1, 1, 5, 96, 96) and prepared.dtype == torch.float16
    middle = prepared[0, 0, 3:, 16:-16, 16:-16].float() * REACH
    assert torch.allclose(middle.flatten(1).median(dim=1).values, torch.tensor([dx, dy]).float(), atol=0.25)
    newest = moving(0, dx, dy)[0, -1].permute(2, 0, 1)
    assert torch.equal(prepared[0, 0, :3], newest.half())


def test_flow_beyond_its_reach_is_cut_off() -> None:
    prepared = build_encoder(VIEW, FlowConfig(reach=2.0)).prepare(moving(1, 6, 0))
    assert prepared[0, 0, 3:].abs().max() == 1.0


def test_flow_without_a_history_or_of_tiny_images_is_refused() -> None:
    with pytest.raises(BcError, match="n_obs_steps = 1"):
        build_encoder(replace(VIEW, n_obs_steps=1), FlowConfig())
    with pytest.raises(BcError, match="8x8"):
        build_encoder(replace(VIEW, height=8, width=8), FlowConfig())


@pytest.mark.parametrize("detector", ["sift", "orb"])
def test_keypoints_move_with_what_they_are_on(detector: str) -> None:
    """Matched by their descriptors, many have moved as the picture has, to a pixel or so; by chance hardly one."""
    encoder = build_encoder(VIEW, KeypointsConfig(detector=detector, keypoints=48))
    before, after = encoder.prepare(moving(2, 5, -3))[0]
    before, after = before[before[:, 0] > 0.5], after[after[:, 0] > 0.5]
    assert min(len(before), len(after)) >= 15
    nearest = torch.cdist(before[:, 4:], after[:, 4:]).argmin(dim=1)
    moved = (after[nearest, 1:3] - before[:, 1:3]) * 95.0 / 2.0
    right = (moved - torch.tensor([5.0, -3.0])).norm(dim=1) < 1.5
    assert right.float().mean() > 0.35


@pytest.mark.parametrize("detector", ["sift", "orb"])
def test_pictures_with_few_keypoints_and_with_none(detector: str) -> None:
    """What is not there has no part in the answer, and nothing is not a number."""
    encoder = build_encoder(VIEW, KeypointsConfig(detector=detector, keypoints=500)).eval()
    blank = torch.full((1, 2, 96, 96, 3), 90, dtype=torch.uint8)
    both = torch.cat([blank, moving(3, 0, 0)])
    prepared = encoder.prepare(both)
    assert prepared.shape == (2, 2, 500, 4 + (128 if detector == "sift" else 256))
    assert not prepared[0].any()
    assert 0 < int((prepared[1, :, :, 0] > 0.5).sum()) < 1000
    answer = encoder(prepared)
    assert answer.shape == (2, encoder.features) and torch.isfinite(answer).all()
    assert not answer[0].any()
    order = torch.randperm(500)
    torch.testing.assert_close(encoder(prepared[:, :, order]), answer, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("config", [FlowConfig(shift=2, erase=0.2), KeypointsConfig(keypoints=16)])
@pytest.mark.parametrize("encoding", ["rgb8", "bgr8", "mono8"])
def test_they_learn(config: Any, encoding: str) -> None:
    """All weights have a gradient, also with augmentation, whatever the encoding."""
    channels = 1 if encoding == "mono8" else 3
    encoder: ImageEncoder = build_encoder(replace(VIEW, channels=channels, encoding=encoding), config).train()
    images = torch.cat([moving(number, number, 1) for number in range(3)])[..., :channels]
    answer = encoder(encoder.prepare(images))
    assert answer.shape == (3, encoder.features)
    (answer**2).sum().backward()
    assert all(weight.grad is not None and torch.isfinite(weight.grad).all() for weight in encoder.parameters())


def test_settings_survive_a_document_and_colours_are_not_changed() -> None:
    document = {"a": {"type": "optical_flow", "reach": 4.0}, "b": {"type": "keypoints", "detector": "orb"}}
    config = VisionConfig.from_section(Section(document, "test"))
    assert VisionConfig.from_section(Section(config.to_document(), "test")) == config
    assert (config.of("a"), config.of("b")) == (FlowConfig(reach=4.0), KeypointsConfig(detector="orb"))
    with pytest.raises(BcError, match="brightness"):
        VisionConfig.from_section(Section({"a": {"type": "optical_flow", "brightness": 0.2}}, "test"))
