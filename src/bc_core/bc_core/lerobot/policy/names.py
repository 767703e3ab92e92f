"""What LeRobot calls the tensors of a policy of ours, and which of its tensors are constants."""

import re
from collections.abc import Mapping

from torch import Tensor

from bc_core.policies.lerobot.act import LeRobotActHead
from bc_core.policies.lerobot.cameras import KeypointEncoder
from bc_core.policies.lerobot.config import LeRobotActConfig, LeRobotConfig, LeRobotDiffusionConfig
from bc_core.policies.network import Network

OWN = re.compile(r"pixels\.")
"""Tensors of ours that are statistics there."""
_ACT = (
    (r"^projection\.", "encoder_img_feat_input_proj."),
    (r"^head\.style_encoder\.", "vae_encoder."),
    (r"^head\.style_token$", "vae_encoder_cls_embed.weight"),
    (r"^head\.style_state\.", "vae_encoder_robot_state_input_proj."),
    (r"^head\.style_rows\.", "vae_encoder_action_input_proj."),
    (r"^head\.style\.", "vae_encoder_latent_output_proj."),
    (r"^head\.state\.", "encoder_robot_state_input_proj."),
    (r"^head\.environment\.", "encoder_env_state_input_proj."),
    (r"^head\.latent\.", "encoder_latent_input_proj."),
    (r"^head\.positions$", "encoder_1d_feature_pos_embed.weight"),
    (r"^head\.queries$", "decoder_pos_embed.weight"),
    (r"^head\.output\.", "action_head."),
    (r"^head\.", ""),
    (r"^", "model."),
)
_UNET = (
    (r"^head\.unet\.step_encoder\.0", "unet.diffusion_step_encoder.1"),
    (r"^head\.unet\.step_encoder\.2", "unet.diffusion_step_encoder.3"),
    (r"^head\.unet\.down\.", "unet.down_modules."),
    (r"^head\.unet\.middle\.", "unet.mid_modules."),
    (r"^head\.unet\.up\.", "unet.up_modules."),
    (r"^head\.unet\.output\.0\.", "unet.final_conv.0.block."),
    (r"^head\.unet\.output\.", "unet.final_conv."),
    (r"\.(conv[12])\.([01])\.(weight|bias)$", r".\1.block.\2.\3"),
    (r"\.modulation\.", ".cond_encoder.1."),
    (r"\.skip\.", ".residual_conv."),
)
_EYES = (
    (r"\.backbone\.conv1\.", ".backbone.0."),
    (r"\.backbone\.bn1\.", ".backbone.1."),
    *((rf"\.backbone\.layer{index}\.", f".backbone.{index + 3}.") for index in range(1, 5)),
    (r"\.keypoints\.", ".pool.nets."),
    (r"\.output\.", ".out."),
)


def lerobot_name(name: str, config: LeRobotConfig) -> str:
    """LeRobot's name of a tensor of our network."""
    if isinstance(config, LeRobotActConfig):
        return _renamed(name, _ACT)
    assert isinstance(config, LeRobotDiffusionConfig)
    if name.startswith("encoders."):
        prefix = "rgb_encoder" if config.shared_encoder else r"rgb_encoder.\1"
        return "diffusion." + re.sub(r"^encoders\.(\d+)", prefix, _renamed(name, _EYES))
    return "diffusion." + _renamed(name, _UNET)


def constants(network: Network, config: LeRobotConfig) -> Mapping[str, Tensor]:
    """Tensors that LeRobot stores though every policy of these settings has the same, as ours computes them."""
    found: dict[str, Tensor] = {}
    if isinstance(network.head, LeRobotActHead) and network.head.config.vae:
        found["model.vae_encoder_pos_enc"] = network.head.style_positions[None]
    for name, module in network.named_modules():
        if isinstance(module, KeypointEncoder):
            place = lerobot_name(f"{name}.keypoints.weight", config).removesuffix("nets.weight")
            found[f"{place}pos_grid"] = module.coordinates
    return found


def _renamed(name: str, rules: tuple[tuple[str, str], ...]) -> str:
    for pattern, replacement in rules:
        name = re.sub(pattern, replacement, name, count=1)
    return name
