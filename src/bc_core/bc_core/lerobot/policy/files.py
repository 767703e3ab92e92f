"""The files of a LeRobot checkpoint, opened with suspicion: JSON and safetensors, nothing else."""

import json
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from bc_core.errors import BcError
from bc_core.schema import Section

CONFIG_FILE, WEIGHTS_FILE = "config.json", "model.safetensors"
PREPROCESSOR, POSTPROCESSOR = "policy_preprocessor.json", "policy_postprocessor.json"
OWN_FILE = "bc_ros.json"
"""Written by our export: the contract, and which stream is which feature."""
_PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle")


def open_section(folder: Path, name: str, remedy: str) -> Section:
    """A JSON file of a checkpoint. remedy: what to do where it is missing. BcError names the file."""
    path = folder / name
    if not path.is_file():
        raise BcError(f"no {name} in '{folder}': {remedy}")
    try:
        return Section(json.loads(path.read_text(encoding="utf-8")), f"LeRobot checkpoint '{path}'")
    except (OSError, ValueError, RecursionError) as error:
        raise BcError(f"'{path}' cannot be read as JSON ({error}): download or save the checkpoint again") from error


def read_weights(folder: Path) -> dict[str, Tensor]:
    """All tensors of model.safetensors. BcError: it is missing or damaged, or there is only a pickle."""
    path = folder / WEIGHTS_FILE
    if not path.is_file():
        for other in sorted(folder.iterdir()) if folder.is_dir() else ():
            if other.suffix in _PICKLES:
                raise BcError(
                    f"'{other}' is a pickle, which runs whatever code is in it as it is opened, and is never opened "
                    f"here: where you trust it, load and save it again with save_pretrained ({WEIGHTS_FILE})"
                )
            if other.name.startswith("adapter_"):
                raise BcError(f"'{folder}' holds an adapter ({other.name}), not a policy: merge it with LeRobot first")
        raise BcError(f"no {WEIGHTS_FILE} in '{folder}': give the folder that holds it (often 'pretrained_model')")
    return read_tensors(path)


def read_tensors(path: Path) -> dict[str, Tensor]:
    """BcError: the file is missing, damaged, or holds a number that is none."""
    try:
        tensors = load_file(path)
    except (OSError, SafetensorError, ValueError) as error:
        raise BcError(f"'{path}' cannot be read ({error}): download or save the checkpoint again") from error
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            count = int((~torch.isfinite(tensor)).sum())
            raise BcError(f"'{path}': tensor '{name}' holds {count} values that are not finite: train again")
    return tensors


def named_state(folder: Path, json_name: str, name: str) -> Path:
    """The path of a state file that a JSON file names. BcError: it lies elsewhere, or is no safetensors."""
    if Path(name).name != name or not name.endswith(".safetensors"):
        raise BcError(
            f"'{folder / json_name}' names the state file '{name}': only a safetensors file in the checkpoint's own "
            "folder is opened; save the checkpoint again with LeRobot"
        )
    return folder / name
