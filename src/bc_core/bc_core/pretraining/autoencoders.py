"""Two ways to learn what images hold without labels: by filling in what is hidden, and through a narrow latent."""

from abc import abstractmethod
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import mse_loss

from bc_core.errors import BcError
from bc_core.optional import require
from bc_core.policies.learner import Batch, Learner
from bc_core.policies.lerobot.attention import image_positions
from bc_core.policies.vision.backbones import transformers
from bc_core.pretraining.config import AutoencoderConfig, MaeConfig, VaeConfig

STREAM = "images"
"""Under which a batch holds uint8 images (B, size, size, 3)."""


class Autoencoder(Learner):
    """Pixels (B, 3, size, size) are -1 to 1: mean and std of preprocessor_config.json are 0.5."""

    def loss(self, batch: Batch, draws: int, generator: torch.Generator) -> Tensor:
        return self.error(pixels(batch.images[STREAM]), generator)

    @abstractmethod
    def error(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Of pixels, a scalar."""

    @abstractmethod
    def shown(self, images: Tensor, generator: torch.Generator) -> list[Tensor]:
        """Rows of a picture for people, each as pixels: the images, ..., what is made of them."""

    @abstractmethod
    def save(self, folder: Path) -> None:
        """The encoder, as its library writes it."""


class Mae(Autoencoder):
    """He et al., "Masked Autoencoders Are Scalable Vision Learners", arXiv 2111.06377; pixels normalised by patch."""

    def __init__(self, config: MaeConfig) -> None:
        super().__init__()
        self.library = transformers()
        for width, heads in ((config.width, config.heads), (config.decoder_width, config.decoder_heads)):
            if width % heads or width % 4:
                raise BcError(f"model: a width of {width} must be a multiple of its heads = {heads} and of 4")
        if config.size % config.patch:
            raise BcError(f"model.size = {config.size} must be a multiple of patch = {config.patch}")
        self.patches = (config.size // config.patch) ** 2
        self.model = self.library.ViTMAEForPreTraining(
            self.library.ViTMAEConfig(
                image_size=config.size, patch_size=config.patch, mask_ratio=config.mask, norm_pix_loss=True,
                hidden_size=config.width, num_hidden_layers=config.depth, num_attention_heads=config.heads,
                intermediate_size=4 * config.width, decoder_hidden_size=config.decoder_width,
                decoder_num_hidden_layers=config.decoder_depth, decoder_num_attention_heads=config.decoder_heads,
                decoder_intermediate_size=4 * config.decoder_width,
            )
        )  # fmt: skip
        side = config.size // config.patch
        _place(self.model.vit.embeddings.position_embeddings, side)
        _place(self.model.decoder.decoder_pos_embed, side)

    def error(self, images: Tensor, generator: torch.Generator) -> Tensor:
        return self._answer(images, generator).loss

    def shown(self, images: Tensor, generator: torch.Generator) -> list[Tensor]:
        answer = self._answer(images, generator)
        patches = self.model.patchify(images)
        mean, variance = patches.mean(-1, keepdim=True), patches.var(-1, keepdim=True)
        hidden = answer.mask[..., None]
        filled = hidden * (answer.logits * (variance + 1e-6) ** 0.5 + mean) + (1 - hidden) * patches
        return [images, self.model.unpatchify(patches * (1 - hidden)), self.model.unpatchify(filled)]

    def save(self, folder: Path) -> None:
        """As a plain ViT, which hides nothing."""
        document = self.model.config.to_dict()
        known = set(self.library.ViTConfig().to_dict()) - {"model_type", "architectures", "transformers_version"}
        encoder = self.library.ViTModel(
            self.library.ViTConfig(**{key: document[key] for key in known & document.keys()}), add_pooling_layer=False
        )
        encoder.load_state_dict(self.model.vit.state_dict())
        encoder.save_pretrained(folder)

    def _answer(self, images: Tensor, generator: torch.Generator) -> Any:
        noise = torch.rand(len(images), self.patches, generator=generator, device=generator.device)
        return self.model(pixel_values=images, noise=noise)


class Vae(Autoencoder):
    """Kingma and Welling, "Auto-Encoding Variational Bayes", arXiv 1312.6114, with a map of latents."""

    def __init__(self, config: VaeConfig) -> None:
        super().__init__()
        library = require("diffusers", "diffusers", "pre-training a variational auto-encoder")
        groups, levels = 8, len(config.channels)
        if not levels or any(channels % groups or not channels for channels in config.channels):
            raise BcError(f"model.channels = {list(config.channels)} must be multiples of {groups}, at least one")
        if config.size % 2 ** (levels - 1):
            raise BcError(f"model.size = {config.size} must be a multiple of {2 ** (levels - 1)}, for {levels} levels")
        self.weight = config.kl_weight
        self.model = library.AutoencoderKL(
            down_block_types=("DownEncoderBlock2D",) * levels, up_block_types=("UpDecoderBlock2D",) * levels,
            block_out_channels=config.channels, layers_per_block=1, norm_num_groups=groups,
            latent_channels=config.latent, sample_size=config.size,
        )  # fmt: skip

    def error(self, images: Tensor, generator: torch.Generator) -> Tensor:
        latents = self.model.encode(images).latent_dist
        decoded = self.model.decode(latents.sample(generator)).sample
        return mse_loss(decoded, images) + self.weight * latents.kl().mean() / latents.mean[0].numel()

    def shown(self, images: Tensor, generator: torch.Generator) -> list[Tensor]:
        return [images, self.model.decode(self.model.encode(images).latent_dist.mode()).sample]

    def save(self, folder: Path) -> None:
        self.model.save_pretrained(folder, safe_serialization=True)


@torch.no_grad()
def _place(positions: Tensor, side: int) -> None:
    """Sine and cosine of row and column into positions (1, 1 + side^2, width), which are not learnt: transformers 5.23
    leaves them at 0 in a model that is not loaded from a file, and a model that cannot tell its patches apart."""
    positions[0, 1:] = image_positions(side, side, positions.shape[2])


def build_autoencoder(config: AutoencoderConfig) -> Autoencoder:
    """BcError: settings that do not fit together, or a package that is not installed."""
    match config:
        case MaeConfig():
            return Mae(config)
        case VaeConfig():
            return Vae(config)
        case _:
            raise ValueError(f"no auto-encoder for {config}")


def pixels(images: Tensor) -> Tensor:
    """uint8 (B, size, size, 3) to (B, 3, size, size), -1 to 1."""
    return images.permute(0, 3, 1, 2).float() / 127.5 - 1.0
