"""`bcros export lerobot`: a checkpoint of ours in LeRobot's architecture becomes one that LeRobot loads."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor

from bc_core.checkpoint import load_policy
from bc_core.checkpoint_config import read_config
from bc_core.chunks import Array
from bc_core.errors import BcError
from bc_core.lerobot.policy import files
from bc_core.lerobot.policy.names import OWN, constants, lerobot_name
from bc_core.lerobot.policy.normalisation import INTERVALS
from bc_core.lerobot.policy.source import ACTION, ENVIRONMENT, IMAGE, STATE
from bc_core.lerobot.policy.streams import Streams
from bc_core.normalisation import Normaliser
from bc_core.policies.chunk_policy import ChunkPolicy
from bc_core.policies.features import stream_width
from bc_core.policies.lerobot.config import LeRobotActConfig, LeRobotConfig, LeRobotDiffusionConfig

_EPS = 1e-8
_WIDEST = 1e20
"""Wider is no statistic but a column that was taken for a constant on import."""
_MODES = {
    "act": {"VISUAL": "MEAN_STD", "STATE": "MEAN_STD", "ENV": "MEAN_STD", "ACTION": "MEAN_STD"},
    "diffusion": {"VISUAL": "MEAN_STD", "STATE": "MIN_MAX", "ENV": "MIN_MAX", "ACTION": "MIN_MAX"},
}


def export_policy(checkpoint: Path, out: Path) -> None:
    """Write LeRobot's config.json, model.safetensors and processors to `out`, and our bc_ros.json, which lets the
    checkpoint come back without a contract being named. BcError: LeRobot has no policy of this architecture, or `out`
    holds something else.
    """
    policy = load_policy(checkpoint)
    head = policy.config.head
    if not isinstance(head, LeRobotConfig):
        raise BcError(
            f"checkpoint '{checkpoint}' is a {head.type} policy, whose network LeRobot does not have: train "
            "a lerobot_act or lerobot_diffusion policy (config/policies/) to take it there"
        )
    if out.exists() and not (out / files.OWN_FILE).is_file():
        raise BcError(f"{out} exists and is no export of ours: name another folder, or delete it first")
    imported = read_config(checkpoint).get("training", {}).get("imported", {}).get("config")
    streams = _streams(policy, head, imported)
    partial = out.with_name(f".{out.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    config = _config(policy, head, streams, imported)
    _dump(partial / files.CONFIG_FILE, config)
    save_file(_weights(policy, head), partial / files.WEIGHTS_FILE, metadata={"format": "pt"})
    _write_processors(partial, config, _statistics(policy, streams, config["normalization_mapping"]))
    known = {"state": streams.state, "environment": streams.environment, "cameras": dict(streams.cameras)}
    _dump(partial / files.OWN_FILE, {"contract": policy.contract.document, "streams": known})
    shutil.rmtree(out, ignore_errors=True)
    partial.replace(out)


def _streams(policy: ChunkPolicy, head: LeRobotConfig, imported: dict[str, Any] | None) -> Streams:
    """Cameras keep the names that they had where the policy is from."""
    features = (imported or {}).get("input_features", {})
    keys = [key for key, feature in features.items() if feature["type"] == "VISUAL"]
    numeric = [stream for stream in policy.config.observations if stream not in policy.cameras]
    return Streams(
        tuple(stream for stream in numeric if stream not in head.environment),
        tuple(stream for stream in numeric if stream in head.environment),
        dict(zip(keys or [f"{IMAGE}s.{stream}" for stream in policy.cameras], policy.cameras, strict=True)),
    )


def _config(
    policy: ChunkPolicy, head: LeRobotConfig, streams: Streams, imported: dict[str, Any] | None
) -> dict[str, Any]:
    kind = "act" if isinstance(head, LeRobotActConfig) else "diffusion"
    settings = _act(policy, head) if isinstance(head, LeRobotActConfig) else _diffusion(policy, head, imported or {})
    inputs: dict[str, Any] = {}
    for key, kind_of, names in ((STATE, "STATE", streams.state), (ENVIRONMENT, "ENV", streams.environment)):
        if names:
            inputs[key] = {"type": kind_of, "shape": [_width(policy, names)]}
    for key, stream in streams.cameras.items():
        inputs[key] = {"type": "VISUAL", "shape": [3, *policy.contract.observations[stream].shape[:2]]}
    base = {"device": "cpu", "use_amp": False, "push_to_hub": False, "normalization_mapping": _MODES[kind]}
    return {
        "type": kind, **base, **(imported or {}), **settings,
        "n_obs_steps": policy.n_obs_steps, "input_features": inputs,
        "output_features": {ACTION: {"type": "ACTION", "shape": [policy.width]}},
        "vision_backbone": head.backbone, "n_action_steps": head.executed,
        "pretrained_backbone_weights": None,  # they are in the checkpoint: nothing is to be downloaded
    }  # fmt: skip


def _act(policy: ChunkPolicy, head: LeRobotActConfig) -> dict[str, Any]:
    config = policy.config
    return {
        "chunk_size": config.horizon, "dim_model": config.width, "n_encoder_layers": config.blocks,
        "dropout": config.dropout, "n_heads": head.attention_heads, "dim_feedforward": head.feedforward,
        "feedforward_activation": head.activation, "pre_norm": head.pre_norm, "n_decoder_layers": head.decoder_layers,
        "use_vae": head.vae, "latent_dim": head.latent, "n_vae_encoder_layers": head.vae_layers,
        "kl_weight": head.kl_weight,
    }  # fmt: skip


def _diffusion(policy: ChunkPolicy, head: LeRobotConfig, imported: Mapping[str, Any]) -> dict[str, Any]:
    config = policy.config
    assert isinstance(head, LeRobotDiffusionConfig)
    return {
        "horizon": config.horizon + config.n_obs_steps - 1, "diffusion_step_embed_dim": config.width,
        "down_dims": list(head.channels), "kernel_size": head.kernel, "n_groups": head.groups,
        "use_film_scale_modulation": head.film_scale, "num_train_timesteps": head.train_timesteps,
        "num_inference_steps": head.sampling_steps, "noise_scheduler_type": head.scheduler,
        "beta_schedule": head.beta_schedule, "beta_start": head.beta_start, "beta_end": head.beta_end,
        "prediction_type": head.prediction, "clip_sample": head.clip > 0.0,
        "clip_sample_range": head.clip or 1.0, "resize_shape": list(head.resize) or None,
        "crop_shape": list(head.crop) or None, "crop_ratio": _crop_ratio(head, imported),
        "crop_is_random": head.random_crop,
        "use_separate_rgb_encoder_per_camera": not head.shared_encoder, "use_group_norm": head.group_norm,
        "spatial_softmax_num_keypoints": head.keypoints, "do_mask_loss_for_padding": head.pad_loss,
        "compile_model": False,
    }  # fmt: skip


def _crop_ratio(head: LeRobotDiffusionConfig, imported: Mapping[str, Any]) -> float:
    """Of a crop after resizing, from which LeRobot computes it anew. BcError: no ratio gives it."""
    if not head.resize or not head.crop:
        return 1.0
    ratios = [imported.get("crop_ratio"), *(kept / side for kept, side in zip(head.crop, head.resize, strict=True))]
    for ratio in ratios:
        if ratio and tuple(int(side * ratio) for side in head.resize) == head.crop:
            return float(ratio)
    raise BcError(
        f"policy.crop = {list(head.crop)} of images resized to {list(head.resize)}: LeRobot crops both sides by one "
        "ratio: train with such a crop"
    )


def _weights(policy: ChunkPolicy, head: LeRobotConfig) -> dict[str, Tensor]:
    state = policy.network.state_dict()
    found = {lerobot_name(name, head): tensor for name, tensor in state.items() if not OWN.match(name)}
    found |= constants(policy.network, head)
    return {name: tensor.clone().contiguous() for name, tensor in found.items()}


def _statistics(policy: ChunkPolicy, streams: Streams, modes: dict[str, str]) -> dict[str, Tensor]:
    """Of every feature, by the modes; what normalises observations has LeRobot's eps in it, which adds it itself."""
    split = _width(policy, streams.state)
    observed = _same(policy.feature_normaliser, (policy.n_obs_steps, -1), "ticks")
    actions = _same(policy.action_normaliser, (policy.horizon, policy.width), "rows")
    parts: list[tuple[str, str, Normaliser, tuple[int, ...], float]] = [
        (STATE, "STATE", Normaliser(observed.mean[:split], observed.std[:split]), (-1,), _EPS),
        (ENVIRONMENT, "ENV", Normaliser(observed.mean[split:], observed.std[split:]), (-1,), _EPS),
        (ACTION, "ACTION", actions, (-1,), 0.0),
    ]
    state = policy.network.state_dict()
    for key, stream in streams.cameras.items():
        mean, std = (state[f"pixels.{stream}.{part}"].double().numpy() for part in ("mean", "std"))
        parts.append((key, "VISUAL", Normaliser(mean, std), (3, 1, 1), 0.0))
    found = {}
    for key, kind, normaliser, shape, eps in parts:
        if normaliser.mean.size:
            for name, values in _by_mode(key, normaliser, modes.get(kind, "IDENTITY"), eps).items():
                found[f"{key}.{name}"] = torch.from_numpy(values).float().reshape(shape)
    return found


def _same(normaliser: Normaliser, shape: tuple[int, int], what: str) -> Normaliser:
    """The normaliser of one row or tick. BcError: they differ."""
    mean, std = normaliser.mean.reshape(shape), normaliser.std.reshape(shape)
    if (mean != mean[0]).any() or (std != std[0]).any():
        raise BcError(f"the normalisation differs between {what}, which LeRobot does not know: train the policy again")
    return Normaliser(mean[0], std[0])


def _by_mode(key: str, normaliser: Normaliser, mode: str, eps: float) -> dict[str, Array]:
    mean, std = normaliser.mean, normaliser.std
    if (std > _WIDEST).any() or (std < 1.0 / _WIDEST).any():
        column = int(np.flatnonzero((std > _WIDEST) | (std < 1.0 / _WIDEST))[0])
        raise BcError(f"column {column} of {key} was taken for a constant on import: its statistics are gone, so the "
                      "policy cannot be exported")  # fmt: skip
    if mode == "IDENTITY":
        return {}
    if mode in INTERVALS:
        return dict(zip(INTERVALS[mode], (mean - std, mean + std), strict=True))
    return {"mean": mean, "std": std - eps}


def _write_processors(folder: Path, config: dict[str, Any], statistics: dict[str, Tensor]) -> None:
    inputs, outputs, modes = config["input_features"], config["output_features"], config["normalization_mapping"]
    before, after = (
        "policy_preprocessor_step_3_normalizer_processor",
        "policy_postprocessor_step_0_unnormalizer_processor",
    )
    device = {"registry_name": "device_processor", "config": {"device": "cpu", "float_dtype": None}}

    def step(name: str, features: dict[str, Any], state: str) -> dict[str, Any]:
        settings = {"eps": _EPS, "features": features, "norm_map": modes}
        return {"registry_name": name, "config": settings, "state_file": f"{state}.safetensors"}

    _dump(folder / files.PREPROCESSOR, {"name": "policy_preprocessor", "steps": [
        {"registry_name": "rename_observations_processor", "config": {"rename_map": {}}},
        {"registry_name": "to_batch_processor", "config": {}},
        device, step("normalizer_processor", {**inputs, **outputs}, before),
    ]})  # fmt: skip
    _dump(folder / files.POSTPROCESSOR, {"name": "policy_postprocessor", "steps": [
        step("unnormalizer_processor", outputs, after), device,
    ]})  # fmt: skip
    for state in (before, after):
        save_file(statistics, folder / f"{state}.safetensors")


def _width(policy: ChunkPolicy, streams: tuple[str, ...]) -> int:
    return sum(stream_width(policy.contract.observations[stream]) for stream in streams)


def _dump(path: Path, document: dict[str, Any]) -> None:
    path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
