"""Image encoders of policies: names in the configuration, what they make of images, what checkpoints keep of them."""

import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from bc_core.errors import BcError
from bc_core.policies.config import PolicyConfig, TrainConfig
from bc_core.policies.vision.augmentation import Augmentation, random_erase
from bc_core.policies.vision.base import View
from bc_core.policies.vision.build import build_encoder
from bc_core.policies.vision.config import EncoderConfig, ResNetConfig, SpatialSoftmaxConfig, VisionConfig, VitConfig
from bc_core.schema import Section

POLICIES = Path(__file__).parents[3] / "config" / "policies"
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
        ({"type": "spatial_softmax", "map": 8}, "unknown key camera.map"),
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


@pytest.mark.parametrize(
    "config",
    [
        ResNetConfig(), ResNetConfig(stem="small", pooling="mean"), VitConfig(patch=8, width=16, depth=1, heads=2),
        VitConfig(patch=16, width=16, depth=1, heads=2, pooling="spatial_softmax"),
    ],
)  # fmt: skip
def test_encoders_from_scratch_learn_in_all_their_weights(config: EncoderConfig) -> None:
    if isinstance(config, VitConfig):
        pytest.importorskip("transformers")
    encoder = build_encoder(VIEW, config)
    embedding = encoder(encoder.prepare(torch.randint(0, 255, (3, 2, 32, 48, 3), dtype=torch.uint8)))
    assert embedding.shape == (3, encoder.features)
    embedding.square().sum().backward()
    idle = [name for name, parameter in encoder.named_parameters() if parameter.grad is None]
    assert idle == []
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in encoder.modules())


def test_a_vision_transformer_that_does_not_tile_the_image_is_refused() -> None:
    with pytest.raises(BcError, match="patches of 64 pixels do not tile the images of 'camera', 48x32"):
        build_encoder(VIEW, VitConfig(patch=64))
    with pytest.raises(BcError, match="width = 16 must be a multiple of heads = 3"):
        build_encoder(VIEW, VitConfig(patch=16, width=16, heads=3))


def test_a_package_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(BcError, match=r"type vit_small needs package 'transformers'.*pip install"):
        build_encoder(VIEW, VitConfig(patch=16))
    build_encoder(VIEW, ResNetConfig())


def test_images_are_augmented_in_training_only_and_a_history_as_one() -> None:
    augmentation = Augmentation(SpatialSoftmaxConfig(shift=3, brightness=0.3, contrast=0.3, saturation=0.3, erase=0.3))
    torch.manual_seed(0)
    images = (torch.rand(5, 1, 3, 32, 48) * 255).expand(-1, 2, -1, -1, -1)
    changed = augmentation.train()(images)
    assert torch.equal(changed[:, 0], changed[:, 1])
    assert not any(torch.equal(changed[i], images[i]) for i in range(5))
    assert changed.min() >= 0.0 and changed.max() <= 255.0
    assert augmentation.eval()(images) is images


def test_erased_is_a_rectangle_of_at_most_the_given_part() -> None:
    torch.manual_seed(0)
    erased = random_erase(torch.zeros(200, 1, 1, 40, 40), 0.25)[:, 0, 0] == 127.5
    area = erased.float().mean(dim=(1, 2))
    assert 0.15 < area.max() <= 0.3 and area.mean() > 0.05
    box = erased.any(1).sum(1) * erased.any(2).sum(1)
    assert torch.equal(box, erased.sum(dim=(1, 2)))


def test_a_jittered_image_keeps_its_channels_where_only_brightness_changes() -> None:
    torch.manual_seed(0)
    images = torch.rand(4, 1, 3, 8, 8) * 100.0
    ratio = Augmentation(SpatialSoftmaxConfig(shift=0, brightness=0.5)).train()(images) / images
    assert torch.allclose(ratio, ratio[:, :1, :1, :1, :1].expand_as(ratio), atol=1e-3)
    assert ratio.std() > 0.05


def test_the_shipped_default_is_what_it_was() -> None:
    """Checkpoints from before there was a choice have these names and sizes."""
    encoder = build_encoder(VIEW, VisionConfig().of("camera"))
    shapes = {name: tuple(value.shape) for name, value in encoder.state_dict().items()}
    assert shapes["layers.0.weight"] == (32, 6, 5, 5) and shapes["layers.9.weight"] == (32, 64, 1, 1)
    assert set(shapes) == {f"layers.{n}.{kind}" for n in (0, 1, 3, 4, 6, 7, 9) for kind in ("weight", "bias")}


def test_shipped_policies_with_cameras_are_read() -> None:
    names = {"camera": "spatial_softmax", "camera_resnet18": "resnet18", "camera_vit": "vit_small"}
    names["camera_mae"] = "pretrained"
    for name, kind in names.items():
        config = TrainConfig.load(POLICIES / f"{name}.yaml").policy
        assert config.vision.of("camera").type == kind
        again = PolicyConfig.from_section(Section(config.to_document(), "test"))
        assert again == config
