"""What must be known of a pre-trained backbone to build it anew, without the folder that it came from."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bc_core.schema import Section


@dataclass(frozen=True)
class BackboneConfig:
    """library: transformers, or diffusers (AutoencoderKL). architecture: its config.json. height, width: of the images
    it was made for [pixels]. mean, std: by channel of images scaled to 0 to 1. text: embedding of the task's text."""

    library: str
    architecture: Mapping[str, Any]
    height: int
    width: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    text: tuple[float, ...] = ()

    @classmethod
    def from_section(cls, section: Section) -> "BackboneConfig":
        config = cls(
            library=section.text("library", choices=("transformers", "diffusers")),
            architecture=section.section("architecture").document,
            height=section.integer("height", minimum=1, maximum=8192),
            width=section.integer("width", minimum=1, maximum=8192),
            mean=section.numbers("mean", 3),
            std=section.numbers("std", 3),
            text=section.numbers("text"),
        )
        section.finish()
        return config
