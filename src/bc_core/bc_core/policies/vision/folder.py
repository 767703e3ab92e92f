"""A pre-trained backbone's folder, local or fetched from a hub: what it is, and its weights.

Weights are safetensors; a pickle is never opened, and code that lies in a folder is never run.
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor, nn
from torch.nn.functional import normalize

from bc_core.errors import BcError
from bc_core.optional import require
from bc_core.policies.vision.backbone_config import BackboneConfig
from bc_core.policies.vision.backbones import PURPOSE, LatentBackbone, TransformersBackbone, transformers
from bc_core.policies.vision.config import EncoderConfig, PretrainedConfig, VisionConfig
from bc_core.policies.vision.preprocessing import image_statistics, read_json

CONFIG_FILE = "config.json"
_FETCHED = ("*.json", "*.safetensors", "*.txt")
_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl", "*.h5", "*.msgpack")


def described(vision: VisionConfig) -> VisionConfig:
    """With what the folders of pre-trained backbones say of them. BcError: a folder is missing, foreign or damaged."""
    return VisionConfig({stream: _described(encoder) for stream, encoder in vision.encoders.items()})


def load_weights(backbone: nn.Module, config: PretrainedConfig) -> None:
    """Into a backbone built from what `described` found. BcError: missing, misshapen, not finite, pickles."""
    folder = _folder(config)
    _check_weights(folder)
    kept = backbone.state_dict()
    if isinstance(backbone, LatentBackbone):
        weights = _latent_weights(folder)
    else:
        assert isinstance(backbone, TransformersBackbone)
        weights = {f"model.{name}": value for name, value in _transformers_weights(folder, backbone.model).items()}
    missing = sorted(kept.keys() - weights.keys())
    if missing:
        raise BcError(f"'{folder}' lacks weights '{missing[0]}' ({len(missing)} of {len(kept)}): give a whole model")
    for name in kept:
        if weights[name].is_floating_point() and not bool(weights[name].isfinite().all()):
            raise BcError(f"weights '{name}' in '{folder}' are not finite: fetch or train the backbone anew")
    backbone.load_state_dict({name: weights[name] for name in kept})


def _described(encoder: EncoderConfig) -> EncoderConfig:
    if not isinstance(encoder, PretrainedConfig) or encoder.backbone is not None:
        return encoder
    folder = _folder(encoder)
    document = read_json(folder, CONFIG_FILE)
    if document.get("_class_name") == "AutoencoderKL":
        library, architecture, made_for = "diffusers", document, document.get("sample_size")
    elif "model_type" in document:
        architecture = _vision_tower(folder, document)
        library, made_for = "transformers", architecture.get("image_size")
    else:
        raise BcError(f"'{folder / CONFIG_FILE}' names no model_type: give the folder of a vision model")
    statistics = image_statistics(folder, made_for)
    text = _embedded_text(folder, document, encoder.text) if encoder.text else ()
    return replace(encoder, backbone=BackboneConfig(library, architecture, *statistics, text))


def _folder(config: PretrainedConfig) -> Path:
    if config.path:
        folder = Path(config.path)
        if not (folder / CONFIG_FILE).is_file():
            what = f"has no {CONFIG_FILE}" if folder.is_dir() else "does not exist"
            raise BcError(
                f"policy.vision.path: '{folder}' {what}: give the folder of a model, e.g. what `bcros pretrain` wrote, "
                "or hub: owner/name"
            )
        return folder
    hub = require("huggingface_hub", "huggingface_hub", PURPOSE)
    try:
        return Path(hub.snapshot_download(config.hub, revision=config.revision, allow_patterns=list(_FETCHED)))
    except Exception as error:  # of several libraries below: HTTP, sockets, its own
        raise BcError(
            f"policy.vision.hub: '{config.hub}' cannot be fetched from the hub ({type(error).__name__}: {error}): "
            "check name and connection, or copy the model here and give its folder as path"
        ) from error


def _vision_tower(folder: Path, document: dict[str, Any]) -> dict[str, Any]:
    """config.json of the part of a model that sees, complete. A masked auto-encoder's is a ViT (it would mask)."""
    library = transformers()
    try:
        config = library.AutoConfig.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
        config = getattr(config, "vision_config", config)
        tower: dict[str, Any] = json.loads(config.to_json_string(use_diff=False))
    except Exception as error:  # whatever such a document makes of a class with its keys as arguments
        kind = document.get("model_type")
        raise BcError(
            f"'{folder / CONFIG_FILE}' (model_type '{kind}') cannot be read ({error}): another model"
        ) from error
    if tower.get("num_channels", 3) != 3:
        raise BcError(f"'{folder}' sees {tower['num_channels']} channels: give a backbone for colour images")
    if tower["model_type"] == "vit_mae":
        kept = set(library.ViTConfig().to_dict())
        tower = {key: value for key, value in tower.items() if key in kept} | {"model_type": "vit"}
    return tower


def _check_weights(folder: Path) -> None:
    if any(folder.glob("*.safetensors")):
        return
    pickles = sorted(path.name for pattern in _PICKLES for path in folder.glob(pattern))
    if pickles:
        raise BcError(
            f"'{folder}' has its weights as {pickles[0]}, which can execute code and is never opened: "
            "give a folder with model.safetensors"
        )
    raise BcError(f"'{folder}' has no weights (model.safetensors): give the folder of a whole model")


def _transformers_weights(folder: Path, model: Any) -> dict[str, Tensor]:
    return _loaded(type(model), folder, config=model.config, dtype=torch.float32)


def _latent_weights(folder: Path) -> dict[str, Tensor]:
    return _loaded(require("diffusers", "diffusers", PURPOSE).AutoencoderKL, folder, low_cpu_mem_usage=False)


def _loaded(kind: Any, folder: Path, **options: Any) -> dict[str, Tensor]:
    """Weights of a whole model of that class; what the folder lacks is left out."""
    try:
        loaded, found = kind.from_pretrained(
            folder, use_safetensors=True, local_files_only=True, output_loading_info=True, **options
        )
    except (OSError, SafetensorError, RuntimeError, ValueError, KeyError, TypeError) as error:
        raise BcError(
            f"the weights in '{folder}' cannot be loaded ({error}): fetch or train the backbone anew"
        ) from error
    missing = {str(key) for key in found["missing_keys"]}
    return {name: value for name, value in loaded.state_dict().items() if name not in missing}


@torch.no_grad()
def _embedded_text(folder: Path, document: dict[str, Any], text: str) -> tuple[float, ...]:
    """By the model's own tokenizer and text tower, of length 1."""
    if "text_config" not in document:
        raise BcError(
            f"policy.vision.text = '{text}': '{folder}' has no text tower: give CLIP, SigLIP, ..., or no text"
        )
    library = transformers()
    _check_weights(folder)
    try:
        tokenizer = library.AutoTokenizer.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
        model, found = library.AutoModel.from_pretrained(
            folder, use_safetensors=True, local_files_only=True, trust_remote_code=False, output_loading_info=True
        )
        longest = model.config.text_config.max_position_embeddings
        tokens = tokenizer([text], padding="max_length", truncation=True, max_length=longest, return_tensors="pt")
        embedded = model.eval().get_text_features(**tokens)
    except Exception as error:  # tokenizers raise their own, and bare ones
        raise BcError(
            f"'{folder}' cannot embed policy.vision.text ({error}): give a whole model, or no text"
        ) from error
    if found["missing_keys"]:
        raise BcError(f"'{folder}' lacks weights '{min(map(str, found['missing_keys']))}': give a whole model")
    embedding = embedded if isinstance(embedded, Tensor) else embedded.pooler_output
    return tuple(normalize(embedding[0].float(), dim=0).tolist())
