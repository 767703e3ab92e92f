"""Settings of every image encoder, and which camera has which. No torch here: a node reads them without loading one."""

from abc import ABC
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar

from bc_core.schema import Section, read_settings, setting

DEFAULT = "default"
"""Name, in the section `vision`, of the encoder of every camera that the section does not name."""


@dataclass(frozen=True)
class EncoderConfig(ABC):
    """type: its name in a configuration. The other settings are augmentation, in training only.

    shift: pixels by which images move at random, up, down and sideways; what moves in repeats the border.
    """

    type: ClassVar[str]
    shift: int = setting(4, 0, 64)


@dataclass(frozen=True)
class SpatialSoftmaxConfig(EncoderConfig):
    """A small convolutional network, cheap enough for a CPU. maps: whose expected coordinates it answers."""

    type: ClassVar[str] = "spatial_softmax"
    maps: int = setting(32, 1, 1024)


ENCODERS: dict[str, type[EncoderConfig]] = {config.type: config for config in (SpatialSoftmaxConfig,)}


@dataclass(frozen=True)
class VisionConfig:
    """Section `vision` of a policy: encoders by name of the camera's stream, or `default`. Empty: spatial softmax."""

    encoders: Mapping[str, EncoderConfig] = field(default_factory=dict)

    def of(self, stream: str) -> EncoderConfig:
        return self.encoders.get(stream) or self.encoders.get(DEFAULT) or SpatialSoftmaxConfig()

    @classmethod
    def from_section(cls, section: Section) -> "VisionConfig":
        return cls({stream: read_encoder(section.section(stream)) for stream in section.document})

    def to_document(self) -> dict[str, Any]:
        return {stream: {"type": encoder.type, **asdict(encoder)} for stream, encoder in self.encoders.items()}


def read_encoder(section: Section) -> EncoderConfig:
    """BcError names the key that is missing, unknown or has a wrong value."""
    config = read_settings(ENCODERS[section.text("type", choices=tuple(ENCODERS))], section)
    section.finish()
    return config
