"""Settings of pre-training, as in config/vision/."""

from abc import ABC
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

import yaml

from bc_core.errors import BcError
from bc_core.policies.config import OptimiserConfig
from bc_core.schema import Section, read_settings, setting


@dataclass(frozen=True)
class AutoencoderConfig(ABC):
    """type: its name in a configuration. size: side to which images are scaled [pixels]."""

    type: ClassVar[str]
    size: int = setting(96, 8, 1024)


@dataclass(frozen=True)
class MaeConfig(AutoencoderConfig):
    """Masked auto-encoder. patch: side in pixels. mask: part of the patches that is hidden. Of the encoder: width,
    depth (layers), heads (of attention); decoder_*: of the decoder, which is thrown away."""

    type: ClassVar[str] = "mae"
    patch: int = setting(8, 1, 128)
    mask: float = setting(0.75, 0.05, 0.95)
    width: int = setting(192, 8, 4096)
    depth: int = setting(6, 1, 64)
    heads: int = setting(3, 1, 128)
    decoder_width: int = setting(96, 8, 4096)
    decoder_depth: int = setting(2, 1, 64)
    decoder_heads: int = setting(3, 1, 128)


@dataclass(frozen=True)
class VaeConfig(AutoencoderConfig):
    """Variational auto-encoder. channels: of its levels, each of half the size of the one before. latent: channels of
    the latent map. kl_weight: of the divergence from the prior, per latent, against the squared error per pixel."""

    type: ClassVar[str] = "vae"
    channels: tuple[int, ...] = setting((32, 64, 64, 128), of=int)
    latent: int = setting(4, 1, 256)
    kl_weight: float = setting(1e-3, 0.0, 100.0)


AUTOENCODERS: dict[str, type[AutoencoderConfig]] = {config.type: config for config in (MaeConfig, VaeConfig)}


@dataclass(frozen=True)
class FramesConfig:
    """streams: cameras of the contract; none named: all of them. every: so many-th image of an episode. most: images
    at all, thinned evenly."""

    streams: tuple[str, ...] = setting((), of=str)
    every: int = setting(3, 1, 100_000)
    most: int = setting(20_000, 1)


@dataclass(frozen=True)
class PretrainConfig:
    """A whole configuration file of `bcros pretrain`."""

    model: AutoencoderConfig
    data: FramesConfig
    training: OptimiserConfig

    @classmethod
    def load(cls, path: str | Path, **training: Any) -> "PretrainConfig":
        """training: values instead of the file's. BcError names file, key, value and remedy."""
        try:
            document = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
        except (OSError, yaml.YAMLError) as error:
            raise BcError(
                f"pre-training configuration '{path}' cannot be read ({error}): give a file like config/vision/mae.yaml"
            ) from error
        root = Section(document, f"pre-training configuration '{path}'")
        model, data = root.section("model"), root.section("data", {})
        kind = AUTOENCODERS[model.text("type", choices=tuple(AUTOENCODERS))]
        given = Section({**root.section("training").document, **training}, f"'{path}'", "training")
        config = cls(read_settings(kind, model), read_settings(FramesConfig, data), OptimiserConfig.from_section(given))
        for section in (model, data, root):
            section.finish()
        return config

    def to_document(self) -> dict[str, Any]:
        return {
            "model": {"type": self.model.type, **asdict(self.model)},
            "data": asdict(self.data),
            "training": vars(self.training),
        }
