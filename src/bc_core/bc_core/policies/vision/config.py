"""Settings of every image encoder, and which camera has which. No torch here: a node reads them without loading one."""

from abc import ABC
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, ClassVar

from bc_core.policies.vision.backbone_config import BackboneConfig
from bc_core.schema import Section, read_settings, setting

DEFAULT = "default"
"""Name, in the section `vision`, of the encoder of every camera that the section does not name."""


@dataclass(frozen=True)
class EncoderConfig(ABC):
    """type: its name in a configuration. The other settings are augmentation, in training only; 0: none.

    shift: pixels by which images move at random. brightness, contrast, saturation: largest relative change. erase: part
    of the image's area that is blanked at most.
    """

    type: ClassVar[str]
    shift: int = setting(4, 0, 64)
    brightness: float = setting(0.0, 0.0, 1.0)
    contrast: float = setting(0.0, 0.0, 1.0)
    saturation: float = setting(0.0, 0.0, 1.0)
    erase: float = setting(0.0, 0.0, 0.5)


@dataclass(frozen=True)
class SpatialSoftmaxConfig(EncoderConfig):
    """A small convolutional network, cheap enough for a CPU. maps: whose expected coordinates it answers."""

    type: ClassVar[str] = "spatial_softmax"
    maps: int = setting(32, 1, 1024)


@dataclass(frozen=True)
class FlowConfig(EncoderConfig):
    """Dense optical flow between successive images as further channels of the small convolutional network; it takes a
    history of two ticks or more. maps: as above. reach: flow that counts as 1 [pixels per tick]; more is cut off."""

    type: ClassVar[str] = "optical_flow"
    brightness: float = setting(0.0, 0.0, 0.0)  # colours are in one tensor with the flow, which has none
    contrast: float = setting(0.0, 0.0, 0.0)
    saturation: float = setting(0.0, 0.0, 0.0)
    maps: int = setting(32, 1, 1024)
    reach: float = setting(8.0, 0.1, 1000.0)


@dataclass(frozen=True)
class DepthConfig(EncoderConfig):
    """For depth images, which no other encoder takes: a small convolutional network over distances and validity. maps:
    as above. near, far: distances that become -1 and 1 [m]; what lies beyond is cut off. They must be given."""

    type: ClassVar[str] = "depth"
    brightness: float = setting(0.0, 0.0, 0.0)  # a changed distance would be a wrong one
    contrast: float = setting(0.0, 0.0, 0.0)
    saturation: float = setting(0.0, 0.0, 0.0)
    maps: int = setting(32, 1, 1024)
    near: float = setting(0.0, 0.0, 1000.0)
    far: float = setting(0.0, 0.0, 1000.0)


@dataclass(frozen=True)
class KeypointsConfig(EncoderConfig):
    """The strongest keypoints of each image instead of its pixels. detector: with its descriptor. keypoints: how many.
    width: of the descriptors' projection. maps: landmarks whose positions are answered."""

    type: ClassVar[str] = "keypoints"
    shift: int = setting(0, 0, 0)  # keypoints are found before training: there are no pixels to change
    brightness: float = setting(0.0, 0.0, 0.0)
    contrast: float = setting(0.0, 0.0, 0.0)
    saturation: float = setting(0.0, 0.0, 0.0)
    erase: float = setting(0.0, 0.0, 0.0)
    detector: str = setting("sift", choices=("sift", "orb"))
    keypoints: int = setting(64, 1, 4096)
    width: int = setting(64, 1, 4096)
    maps: int = setting(16, 1, 1024)


@dataclass(frozen=True)
class ResNetConfig(EncoderConfig):
    """ResNet-18 from scratch. stem: `large` as published, maps of a 32nd of the image; `small`: an 8th.

    pooling, maps: spatial softmax of so many maps, or the mean over the image.
    """

    type: ClassVar[str] = "resnet18"
    stem: str = setting("large", choices=("large", "small"))
    pooling: str = setting("spatial_softmax", choices=("spatial_softmax", "mean"))
    maps: int = setting(32, 1, 1024)


@dataclass(frozen=True)
class VitConfig(EncoderConfig):
    """Vision transformer from scratch; the default is ViT-S/16. patch: side in pixels. depth: layers. heads: of
    attention. pooling: the CLS token, the mean of the patches, or spatial softmax of `maps` projections of them."""

    type: ClassVar[str] = "vit_small"
    patch: int = setting(16, 1, 256)
    width: int = setting(384, 8, 8192)
    depth: int = setting(12, 1, 64)
    heads: int = setting(6, 1, 128)
    dropout: float = setting(0.0, 0.0, 0.9)
    pooling: str = setting("own", choices=("own", "mean", "spatial_softmax"))
    maps: int = setting(32, 1, 1024)


@dataclass(frozen=True)
class PretrainedConfig(EncoderConfig):
    """A backbone from a local folder (`path`), or from a model hub (`hub`: owner/name, `revision`).

    trainable: frozen, or fine-tuned with the policy. size: side to which images are scaled; 0: the backbone's own.
    pooling: its own embedding (CLS token, attention pooling, ...), the mean over the image, spatial softmax of `maps`
    projections, or all cells in a row. text: embedded by its text tower, beside the image. backbone: what was found
    in the folder; a checkpoint holds it, a configuration does not.
    """

    type: ClassVar[str] = "pretrained"
    shift: int = setting(0, 0, 64)
    path: str = setting("")
    hub: str = setting("")
    revision: str = setting("main")
    trainable: str = setting("frozen", choices=("frozen", "finetune"))
    size: int = setting(0, 0, 4096)
    pooling: str = setting("own", choices=("own", "mean", "spatial_softmax", "flat"))
    maps: int = setting(32, 1, 1024)
    text: str = setting("")
    backbone: BackboneConfig | None = None


ENCODERS: dict[str, type[EncoderConfig]] = {
    config.type: config
    for config in (
        SpatialSoftmaxConfig, FlowConfig, DepthConfig, KeypointsConfig, ResNetConfig, VitConfig, PretrainedConfig,
    )
}  # fmt: skip


@dataclass(frozen=True)
class VisionConfig:
    """Section `vision` of a policy: encoders by name of the camera's stream, or `default`. Empty: spatial softmax."""

    encoders: Mapping[str, EncoderConfig] = field(default_factory=dict)

    def of(self, stream: str) -> EncoderConfig:
        return self.encoders.get(stream) or self.encoders.get(DEFAULT) or SpatialSoftmaxConfig()

    @property
    def given(self) -> "VisionConfig":
        """As configured: without what was found in backbones' folders."""
        return VisionConfig(
            {
                stream: replace(encoder, backbone=None) if isinstance(encoder, PretrainedConfig) else encoder
                for stream, encoder in self.encoders.items()
            }
        )

    @classmethod
    def from_section(cls, section: Section) -> "VisionConfig":
        return cls({stream: read_encoder(section.section(stream)) for stream in section.document})

    def to_document(self) -> dict[str, Any]:
        return {stream: _document(encoder) for stream, encoder in self.encoders.items()}


def read_encoder(section: Section) -> EncoderConfig:
    """BcError names the key that is missing, unknown or has a wrong value."""
    config = read_settings(ENCODERS[section.text("type", choices=tuple(ENCODERS))], section)
    if isinstance(config, PretrainedConfig):
        if bool(config.path) == bool(config.hub):
            raise section.error("path", config.path, f"give a folder here, or owner/name in hub ('{config.hub}')")
        if section.has("backbone"):
            config = replace(config, backbone=BackboneConfig.from_section(section.section("backbone")))
    if isinstance(config, DepthConfig) and not 0.0 < config.near < config.far:
        raise section.error("near", config.near, f"give near and far (here {config.far:g}) in m, with 0 < near < far")
    section.finish()
    return config


def _document(encoder: EncoderConfig) -> dict[str, Any]:
    document = {"type": encoder.type, **asdict(encoder)}
    return {key: value for key, value in document.items() if value is not None}
