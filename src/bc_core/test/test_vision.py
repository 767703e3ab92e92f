"""Image encoders of policies: names in the configuration, what they make of images, what checkpoints keep of them."""

from typing import Any

import pytest
import torch

from bc_core.errors import BcError
from bc_core.policies.vision.base import View
from bc_core.policies.vision.build import build_encoder
from bc_core.policies.vision.config import SpatialSoftmaxConfig, VisionConfig
from bc_core.schema import Section

VIEW = View("camera", n_obs_steps=2, height=32, width=48, channels=3, encoding="rgb8")


def vision(document: dict[str, Any]) -> VisionConfig:
    return VisionConfig.from_section(Section(document, "test"))


def test_cameras_have_the_encoder_of_their_name_or_the_default() -> None:
    config = vision({"default": {"type": "spatial_softmax", "maps": 8}, "wrist": {"type": "spatial_softmax"}})
    assert config.of("wrist") == SpatialSoftmaxConfig()
    assert config.of("camera") == SpatialSoftmaxConfig(maps=8)
    assert vision({}).of("camera") == SpatialSoftmaxConfig()
    assert vision(config.to_document()) == config


@pytest.mark.parametrize(
    "entry, named",
    [
        ({"type": "spatial_softmux"}, "did you mean spatial_softmax"),
        ({"type": "spatial_softmax", "map": 8}, "vision.camera.map|unknown key camera.map"),
        ({"type": "spatial_softmax", "maps": 0}, "camera.maps = 0"),
        ({}, "camera.type is missing"),
    ],
)
def test_what_is_misspelt_is_refused(entry: dict[str, Any], named: str) -> None:
    with pytest.raises(BcError, match=named):
        vision({"camera": entry})


def test_spatial_softmax_answers_where_things_are() -> None:
    encoder = build_encoder(VIEW, SpatialSoftmaxConfig(maps=8)).eval()
    images = torch.randint(0, 255, (3, 2, 32, 48, 3), dtype=torch.uint8)
    embedding = encoder(encoder.prepare(images))
    assert embedding.shape == (3, encoder.features) == (3, 16)
    assert embedding.abs().max() <= 1.0
