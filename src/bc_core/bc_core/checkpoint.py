"""Checkpoints: a directory with model.safetensors and config.json; nothing in it can execute code.

config.json holds the policy's settings, the whole contract, the normalisation, and how it was trained.
"""

import json
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from bc_core.checkpoint_config import CONFIG_FILE, FORMAT, read_config
from bc_core.contract import Contract
from bc_core.errors import BcError
from bc_core.normalisation import Normaliser
from bc_core.policies.chunk_policy import ChunkPolicy
from bc_core.policies.config import PolicyConfig
from bc_core.schema import Section

WEIGHTS_FILE = "model.safetensors"


def save_policy(
    policy: ChunkPolicy, directory: str | Path, training: dict[str, Any], pages: Mapping[str, str] | None = None
) -> None:
    """Write a checkpoint. It appears whole or not at all: an older one at this place stays until the new one is there.

    training: how it came about (data, losses, seconds), for people and reports. pages: further files, name -> text.
    """
    directory = Path(directory)
    document = {
        "format": FORMAT,
        "policy": policy.config.to_document(),
        "contract": policy.contract.document,
        "normalisation": {
            "features": policy.feature_normaliser.to_document(),
            "actions": policy.action_normaliser.to_document(),
        },
        "training": training,
    }
    weights = {key: value.contiguous() for key, value in policy.network.state_dict().items()}
    with whole_folder(directory) as partial:
        save_file(weights, partial / WEIGHTS_FILE)
        (partial / CONFIG_FILE).write_text(json.dumps(document, indent=1), encoding="utf-8")
        for name, text in (pages or {}).items():
            (partial / name).write_text(text, encoding="utf-8")


@contextmanager
def whole_folder(directory: Path) -> Iterator[Path]:
    """A folder to write into, which then takes the place of `directory`; where writing fails, all stays as it was."""
    partial = directory.with_name(f".{directory.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    yield partial
    if directory.exists():
        old = directory.with_name(f".{directory.name}.old")
        shutil.rmtree(old, ignore_errors=True)
        directory.replace(old)
        partial.replace(directory)
        shutil.rmtree(old)
    else:
        partial.replace(directory)


def load_policy(directory: str | Path, trainable: bool = False) -> ChunkPolicy:
    """The policy of a checkpoint, ready to infer. BcError names what is missing, damaged or does not fit.

    trainable: ready to be trained further: what a new policy of its kind would learn asks for gradients, and no more (a
    quantiser that was fitted beforehand stays as it is).
    """
    document = read_config(directory)
    root = Section(document, f"checkpoint '{directory}'")
    contract = Contract.from_document(root.section("contract").document, f"{directory}/{CONFIG_FILE}")
    normalisation = root.section("normalisation")
    policy = ChunkPolicy(
        contract,
        PolicyConfig.from_section(root.section("policy")),
        Normaliser.from_document(normalisation.section("features").document, f"checkpoint '{directory}'"),
        Normaliser.from_document(normalisation.section("actions").document, f"checkpoint '{directory}'"),
    )
    path = Path(directory) / WEIGHTS_FILE
    try:
        policy.network.load_state_dict(_weights(path, document["format"]))
    except (OSError, SafetensorError, RuntimeError) as error:
        raise BcError(f"checkpoint '{path}' cannot be loaded ({error}): train again") from error
    if not trainable:
        policy.network.eval()
        policy.network.requires_grad_(False)  # guidance differentiates by the actions only
    return policy


def _weights(path: Path, version: int) -> dict[str, Tensor]:
    """Weights under the names that the network has now. In format 1 the flow's trunk was the head itself."""
    weights = load_file(path)
    if version == 1:
        return {re.sub(r"^head\.", "head.trunk.", name): value for name, value in weights.items()}
    return weights
