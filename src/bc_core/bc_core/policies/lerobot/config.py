"""Settings of policies in LeRobot's architecture. No torch here: a node reads them without loading a policy.

Of the keys that every policy has, `width` is ACT's model dimension or that of the diffusion step's embedding, `blocks`
the layers of ACT's encoder or the residual blocks per resolution (always 2), `encoding` is absolute, and `relations`
are none: observations enter as they are.
"""

from dataclasses import dataclass
from typing import ClassVar

from bc_core.policies.abilities import Ability
from bc_core.policies.heads.config import HeadConfig
from bc_core.schema import setting

BACKBONES = ("resnet18", "resnet34", "resnet50")
"""He et al., "Deep Residual Learning for Image Recognition", CVPR 2016."""


@dataclass(frozen=True)
class LeRobotConfig(HeadConfig):
    """What both have. environment: streams, among the observations, that are LeRobot's `observation.environment_state`;
    the other numeric ones are its `observation.state`. executed: rows that LeRobot executes of a chunk."""

    environment: tuple[str, ...] = setting((), of=str)
    backbone: str = setting("resnet18", choices=BACKBONES)
    executed: int = setting(1, 1, 256)


@dataclass(frozen=True)
class LeRobotActConfig(LeRobotConfig):
    """pre_norm: layer norm before the layers, not after. vae: the latent has an encoder (needed in training only)."""

    type: ClassVar[str] = "lerobot_act"
    attention_heads: int = setting(8, 1, 128)
    feedforward: int = setting(3200, 1, 65536)
    activation: str = setting("relu", choices=("relu", "gelu"))
    pre_norm: bool = setting(False)
    decoder_layers: int = setting(1, 1, 64)
    vae: bool = setting(True)
    latent: int = setting(32, 1, 4096)
    vae_layers: int = setting(4, 1, 64)
    kl_weight: float = setting(10.0, 0.0, 1e6)

    @property
    def abilities(self) -> frozenset[Ability]:
        return frozenset()


@dataclass(frozen=True)
class LeRobotDiffusionConfig(LeRobotConfig):
    """channels: of the U-Net, by resolution. film_scale: conditions scale channels too, not only shift them. beta_*:
    of a linear schedule. clip: bound on the clean chunk; 0: none. sampling_steps, scheduler: of inference.

    Cameras: resize, crop: [height, width] or none; shared_encoder: one for all of them; keypoints: of its spatial
    softmax; group_norm: its normalisation, otherwise batch statistics.
    """

    type: ClassVar[str] = "lerobot_diffusion"
    channels: tuple[int, ...] = setting((512, 1024, 2048), of=int)
    kernel: int = setting(5, 1, 99)
    groups: int = setting(8, 1, 1024)
    film_scale: bool = setting(True)
    train_timesteps: int = setting(100, 1, 100_000)
    sampling_steps: int = setting(100, 1, 100_000)
    scheduler: str = setting("DDPM", choices=("DDPM", "DDIM"))
    beta_schedule: str = setting("squaredcos_cap_v2", choices=("squaredcos_cap_v2", "linear"))
    beta_start: float = setting(0.0001, 0.0, 1.0)
    beta_end: float = setting(0.02, 0.0, 1.0)
    prediction: str = setting("epsilon", choices=("epsilon", "sample"))
    clip: float = setting(1.0, 0.0, 1e6)
    resize: tuple[int, ...] = setting((), of=int)
    crop: tuple[int, ...] = setting((), of=int)
    random_crop: bool = setting(True)
    shared_encoder: bool = setting(True)
    keypoints: int = setting(32, 1, 4096)
    group_norm: bool = setting(True)
    pad_loss: bool = setting(False)

    @property
    def abilities(self) -> frozenset[Ability]:
        """As of our own diffusion policies: guidance goes through the clean chunk, not through a predicted noise."""
        guided = {Ability.GUIDANCE} if self.prediction == "sample" else set()
        return frozenset({Ability.SAMPLING} | guided)


LEROBOT_HEADS: dict[str, type[HeadConfig]] = {
    config.type: config for config in (LeRobotActConfig, LeRobotDiffusionConfig)
}
