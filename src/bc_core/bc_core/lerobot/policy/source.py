"""config.json of a LeRobot checkpoint: what the policy sees, says, and is made of."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bc_core.errors import BcError
from bc_core.lerobot.policy.files import CONFIG_FILE, open_section
from bc_core.policies.lerobot.config import BACKBONES
from bc_core.schema import Section

STATE, ENVIRONMENT, ACTION = "observation.state", "observation.environment_state", "action"
IMAGE = "observation.image"
TYPES = {"act": "lerobot_act", "diffusion": "lerobot_diffusion"}
_WITHOUT_MEANING = {
    "device", "use_amp", "push_to_hub", "repo_id", "private", "tags", "license", "pretrained_path",
    "pretrained_revision", "normalization_mapping", "drop_n_last_frames", "pretrained_backbone_weights",
    "temporal_ensemble_coeff", "compile_model", "compile_mode", "gradient_checkpointing", "crop_ratio",
}  # fmt: skip
"""Keys that change nothing in what a policy of given weights answers; so do those of optimisers."""
_OF_TRAINING = ("optimizer_", "scheduler_")


@dataclass(frozen=True)
class Source:
    """kind: act or diffusion. state, environment, action: widths, 0: there is none. cameras: feature -> height, width.
    settings: of our PolicyConfig, observations excepted. document: all of config.json."""

    folder: Path
    kind: str
    state: int
    environment: int
    cameras: Mapping[str, tuple[int, int]]
    action: int
    settings: Mapping[str, Any]
    document: Mapping[str, Any]


def read_source(folder: Path) -> Source:
    """BcError: no checkpoint, another kind of policy, or settings that are not supported."""
    root = open_section(folder, CONFIG_FILE, "give the folder of a LeRobot checkpoint (often 'pretrained_model')")
    kind = root.text("type")
    if kind not in TYPES:
        raise root.error("type", kind, f"policies of type {' and '.join(TYPES)} can be imported, this one cannot")
    inputs, outputs = dict(root.sections("input_features")), dict(root.sections("output_features"))
    cameras = {key: _image(feature) for key, feature in inputs.items() if feature.text("type") == "VISUAL"}
    others = {key: feature.document.get("type") for key, feature in inputs.items()}
    unknown = [key for key, value in others.items() if value not in ("STATE", "ENV", "VISUAL")]
    if unknown:
        raise root.error("input_features", {unknown[0]: others[unknown[0]]}, "is no input of ACT or of diffusion")
    if set(outputs) != {ACTION}:
        raise root.error("output_features", list(outputs), f"must be '{ACTION}' alone")
    settings = _act(root) if kind == "act" else _diffusion(root)
    if root.has("use_peft") and root.boolean("use_peft"):
        raise root.error("use_peft", True, "an adapter is not a policy: merge it into the weights with LeRobot first")
    source = Source(
        folder=folder, kind=kind, state=_width(inputs, STATE), environment=_width(inputs, ENVIRONMENT),
        cameras=cameras, action=_width(outputs, ACTION), document=root.document,
        settings={"type": TYPES[kind], "encoding": "absolute", "row_floor": 1.0, "relations": [], **settings},
    )  # fmt: skip
    _refuse_unknown(root)
    return source


def _act(root: Section) -> dict[str, Any]:
    if root.has("replace_final_stride_with_dilation") and root.document["replace_final_stride_with_dilation"]:
        raise root.error("replace_final_stride_with_dilation", True, "dilated backbones are not supported")
    return {
        "n_obs_steps": root.integer("n_obs_steps", minimum=1, maximum=1),
        "horizon": root.integer("chunk_size"),
        "executed": root.integer("n_action_steps"),
        "width": root.integer("dim_model"),
        "blocks": root.integer("n_encoder_layers"),
        "dropout": root.number("dropout"),
        "backbone": root.text("vision_backbone", choices=BACKBONES),
        "attention_heads": root.integer("n_heads", minimum=1),
        "feedforward": root.integer("dim_feedforward"),
        "activation": root.text("feedforward_activation", choices=("relu", "gelu")),
        "pre_norm": root.boolean("pre_norm"),
        "decoder_layers": root.integer("n_decoder_layers"),
        "vae": root.boolean("use_vae"),
        "latent": root.integer("latent_dim"),
        "vae_layers": root.integer("n_vae_encoder_layers"),
        "kl_weight": root.number("kl_weight"),
    }


def _diffusion(root: Section) -> dict[str, Any]:
    n_obs_steps = root.integer("n_obs_steps", minimum=1)
    timesteps = root.integer("num_train_timesteps")
    clip = root.number("clip_sample_range", minimum=0.0) if root.boolean("clip_sample") else 0.0
    root.has("clip_sample_range")
    return {
        "n_obs_steps": n_obs_steps,
        "horizon": root.integer("horizon") - (n_obs_steps - 1),
        "executed": root.integer("n_action_steps"),
        "width": root.integer("diffusion_step_embed_dim"),
        "blocks": 2,
        "dropout": 0.0,
        "backbone": root.text("vision_backbone", choices=BACKBONES),
        "channels": root.integers("down_dims", minimum=1),
        "kernel": root.integer("kernel_size"),
        "groups": root.integer("n_groups", minimum=1),
        "film_scale": root.boolean("use_film_scale_modulation"),
        "train_timesteps": timesteps,
        "sampling_steps": root.integer("num_inference_steps") if root.has("num_inference_steps") else timesteps,
        "scheduler": root.text("noise_scheduler_type", choices=("DDPM", "DDIM")),
        "beta_schedule": root.text("beta_schedule", choices=("squaredcos_cap_v2", "linear")),
        "beta_start": root.number("beta_start"),
        "beta_end": root.number("beta_end"),
        "prediction": root.text("prediction_type", choices=("epsilon", "sample")),
        "clip": clip,
        "resize": root.integers("resize_shape", minimum=1) if root.has("resize_shape") else (),
        "crop": root.integers("crop_shape", minimum=1) if root.has("crop_shape") else (),
        "random_crop": root.boolean("crop_is_random"),
        "shared_encoder": not root.boolean("use_separate_rgb_encoder_per_camera"),
        "keypoints": root.integer("spatial_softmax_num_keypoints"),
        "group_norm": root.boolean("use_group_norm"),
        "pad_loss": root.boolean("do_mask_loss_for_padding"),
    }


def _width(features: Mapping[str, Section], key: str) -> int:
    """Numbers in a feature, 0 where there is none of that name."""
    if key not in features:
        return 0
    shape = features[key].integers("shape", minimum=1)
    if len(shape) != 1:
        raise features[key].error("shape", list(shape), "must be the number of its values")
    return shape[0]


def _image(feature: Section) -> tuple[int, int]:
    shape = feature.integers("shape", minimum=1)
    if len(shape) != 3 or shape[0] != 3:
        raise feature.error("shape", list(shape), "must be [3, height, width]: only colour images are supported")
    return shape[1], shape[2]


def _refuse_unknown(root: Section) -> None:
    """A key of a later LeRobot may change what the network computes: it is ignored only where it says nothing."""
    for key in _WITHOUT_MEANING:
        root.has(key)
    for key, value in root.document.items():
        if key.startswith(_OF_TRAINING) or value is None or value is False:
            root.has(key)
    try:
        root.finish()
    except BcError as error:
        raise BcError(f"{error}; if you know that it changes nothing in inference, delete it from the file") from error
