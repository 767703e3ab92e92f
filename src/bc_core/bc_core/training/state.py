"""An unfinished training run on disk, from which it goes on as if nothing had happened.

One safetensors file: weights, averaged weights, the optimiser's moments, the best weights so far; its header holds the
curves and what the run is of. The noise of a step depends on seed, step and process alone (optimise.step_seed), so no
state of a random generator has to be kept.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from bc_core.errors import BcError
from bc_core.policies.config import TrainConfig
from bc_core.policies.vision.base import frozen_names
from bc_core.training.curves import Curves
from bc_core.training.data import TrainingSet

STATE_FILE = "state.safetensors"


@dataclass
class TrainingState:
    """After `step` steps. tensors: by part ("network", "average", "optimiser", "best") and name."""

    step: int
    tensors: dict[str, dict[str, Tensor]]
    curves: Curves


@dataclass(frozen=True)
class Identity:
    """What a run is of: a run goes on only with the same settings and the same data."""

    settings: Mapping[str, Any]
    data: str

    @classmethod
    def of(cls, config: TrainConfig, data: TrainingSet) -> "Identity":
        policy = config.policy.to_document()
        return cls.of_settings(
            {"policy": policy, "data": asdict(config.data), "training": asdict(config.training)}, data
        )

    @classmethod
    def of_settings(cls, settings: Mapping[str, Any], data: TrainingSet) -> "Identity":
        """settings: sections, by name, of names and values."""
        digest = hashlib.sha256()
        for tensor in (data.features, data.actions, data.valid, data.weight, *data.images.values()):
            digest.update(tensor.contiguous().numpy().tobytes())
        return cls(json.loads(json.dumps(settings)), digest.hexdigest())

    def check_same(self, before: "Identity", file: Path) -> None:
        """BcError names the first setting that differs."""
        for section, now in self.settings.items():
            then = before.settings.get(section, {})
            for key in now.keys() | then.keys():
                if now.get(key) != then.get(key):
                    raise BcError(
                        f"the unfinished training in '{file.parent}' has {section}.{key} = {then.get(key)}, now it is "
                        f"{now.get(key)}: set it back, or train anew without --resume"
                    )
        if self.data != before.data:
            raise BcError(
                f"the unfinished training in '{file.parent}' was of other frames than these episodes hold: "
                "name the same episodes, or train anew without --resume"
            )


def save_state(folder: Path, identity: Identity, state: TrainingState) -> None:
    """Written in one step: a kill leaves the state before or the new one."""
    flat = {
        f"{part}.{name}": tensor.detach().cpu().contiguous().clone()
        for part, tensors in state.tensors.items()
        for name, tensor in tensors.items()
    }
    header = {
        "step": str(state.step),
        "settings": json.dumps(identity.settings),
        "data": identity.data,
        "curves": json.dumps(state.curves.to_document()),
    }
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / f".{STATE_FILE}"
    save_file(flat, partial, metadata=header)
    partial.replace(folder / STATE_FILE)


def load_state(folder: Path, identity: Identity) -> TrainingState:
    """BcError: there is none, it is damaged, or of another run."""
    file = folder / STATE_FILE
    if not file.is_file():
        raise BcError(f"no unfinished training in '{folder}' ({STATE_FILE} is missing): train without --resume")
    tensors: dict[str, dict[str, Tensor]] = {}
    try:
        with safe_open(file, framework="pt") as opened:
            header = opened.metadata()
            for key in opened.keys():  # noqa: SIM118 (no mapping)
                part, _, name = key.partition(".")
                tensors.setdefault(part, {})[name] = opened.get_tensor(key)
        before = Identity(json.loads(header["settings"]), header["data"])
        state = TrainingState(int(header["step"]), tensors, Curves.from_document(json.loads(header["curves"])))
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise BcError(f"unfinished training '{file}' cannot be read ({error!r}): train without --resume") from error
    identity.check_same(before, file)
    return state


def varying(module: nn.Module) -> dict[str, Tensor]:
    """Weights and buffers without those that are Frozen: a run begins with them as with its data."""
    frozen = frozen_names(module)
    return {name: value for name, value in module.state_dict().items() if not name.startswith(frozen)}


def restore(module: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """What `varying` returned."""
    module.load_state_dict({**module.state_dict(), **tensors})


def optimiser_tensors(optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The moments of every parameter, by its number and their name."""
    state = optimiser.state_dict()["state"]
    return {f"{index}.{name}": value for index, moments in state.items() for name, value in moments.items()}


def restore_optimiser(optimiser: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    document = optimiser.state_dict()
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        index, _, name = key.partition(".")
        state.setdefault(int(index), {})[name] = value
    optimiser.load_state_dict({**document, "state": state})
