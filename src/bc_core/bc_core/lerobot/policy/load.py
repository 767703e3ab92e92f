"""`bcros import lerobot`: a checkpoint of LeRobot becomes one of ours."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bc_core.checkpoint import save_policy
from bc_core.contract import Contract
from bc_core.errors import BcError
from bc_core.lerobot.policy import files
from bc_core.lerobot.policy.names import OWN, constants, lerobot_name
from bc_core.lerobot.policy.normalisation import Normalisation, read_normalisation
from bc_core.lerobot.policy.source import Source, read_source
from bc_core.lerobot.policy.streams import Streams, check_units, choose_streams
from bc_core.normalisation import Normaliser
from bc_core.policies.chunk_policy import ChunkPolicy
from bc_core.policies.config import DataConfig, OptimiserConfig, PolicyConfig
from bc_core.policies.lerobot.config import LeRobotConfig
from bc_core.policies.lerobot.network import lerobot_network
from bc_core.policies.network import Network
from bc_core.policies.trunks import Size
from bc_core.schema import Section

_TOLERANCE = 1e-4
_COMPILED = "_orig_mod."  # torch.compile's, in the names of a compiled U-Net


def import_policy(
    folder: Path, out: Path, contract: Contract | None, given: Streams | None = None, as_constants: bool = False
) -> ChunkPolicy:
    """Convert the checkpoint in `folder`, write ours to `out` and return it, ready to infer.

    contract: of the robot (None: the one that our own export left in the checkpoint). given: which streams are which
    features. as_constants: see read_normalisation. BcError names file, tensor, value and remedy of whatever is wrong,
    and nothing is written.
    """
    policy = read_policy(folder, contract, given, as_constants)
    save_policy(policy, out, {"imported": imported_from(folder), **_how_to_judge()})
    return policy


def read_policy(
    folder: Path, contract: Contract | None, given: Streams | None = None, as_constants: bool = False
) -> ChunkPolicy:
    source = read_source(folder)
    contract, kept = _own(folder, contract)
    weights = files.read_weights(folder)
    normalisation = read_normalisation(source, as_constants)
    named = given if given is not None and given != Streams() else kept
    streams = choose_streams(source, contract, named, normalisation.renamed)
    check_units(contract, normalisation.actions)
    config = _config(source, streams)
    # first without memory for its numbers: what a file claims to be must not be able to exhaust this machine
    with torch.device("meta"):
        outline = _network(contract, config)
    tensors = _matched(outline, config, weights, folder / files.WEIGHTS_FILE)
    policy = ChunkPolicy(contract, config, _tiled(normalisation.observations, config.n_obs_steps),
                         _rows(normalisation.actions, config.horizon))  # fmt: skip
    _check_constants(policy.network, _head(config), weights, folder / files.WEIGHTS_FILE)
    policy.network.load_state_dict({**tensors, **_pixels(streams, normalisation)})
    policy.network.eval().requires_grad_(False)
    return policy


def imported_from(folder: Path) -> dict[str, Any]:
    """For our checkpoint: where it is from, and LeRobot's own settings, which an export gives back."""
    return {"format": "lerobot", "folder": folder.resolve().name, "config": dict(read_source(folder).document)}


def _own(folder: Path, contract: Contract | None) -> tuple[Contract, Streams]:
    """Contract and streams: what our export left in the checkpoint, where nothing is given."""
    if contract is None and not (folder / files.OWN_FILE).is_file():
        raise BcError(
            f"the checkpoint in '{folder}' does not say which robot it is for: give its contract, --contract NAME. "
            "Its dt must be the period of the data set that the policy was trained on"
        )
    if contract is not None:
        return contract, Streams()
    root = files.open_section(folder, files.OWN_FILE, "give a contract, --contract NAME")
    found = Contract.from_document(root.section("contract").document, str(folder / files.OWN_FILE))
    streams = root.section("streams")
    cameras = streams.section("cameras")
    return found, Streams(streams.texts("state"), streams.texts("environment"),
                          {key: cameras.text(key) for key in cameras.document})  # fmt: skip


def _config(source: Source, streams: Streams) -> PolicyConfig:
    document = {**source.settings, "observations": streams.observations, "environment": streams.environment}
    return PolicyConfig.from_section(Section(document, f"LeRobot checkpoint '{source.folder}', as settings of ours"))


def _head(config: PolicyConfig) -> LeRobotConfig:
    assert isinstance(config.head, LeRobotConfig)
    return config.head


def _network(contract: Contract, config: PolicyConfig) -> Network:
    size = Size(config.horizon, contract.width, config.width, config.blocks, config.dropout)
    return lerobot_network(contract, config, _head(config), size)


def _matched(network: Network, config: PolicyConfig, weights: Mapping[str, Tensor], path: Path) -> dict[str, Tensor]:
    """LeRobot's tensors under our names. BcError: one is missing, left over, or of another shape or type."""
    stored = {name.replace(_COMPILED, ""): tensor for name, tensor in weights.items()}
    found = {}
    head = _head(config)
    wanted = {name: tensor for name, tensor in network.state_dict().items() if not OWN.match(name)}
    theirs = {name: lerobot_name(name, head) for name in wanted}
    known = {*theirs.values(), *constants(network, head)}
    missing, extra = [name for name in theirs.values() if name not in stored], sorted(stored.keys() - known)
    if missing or extra:
        raise BcError(
            f"'{path}' is not the policy that {files.CONFIG_FILE} describes: it lacks {_some(missing)}, and holds "
            f"{_some(extra)} that such a policy does not have: use a checkpoint whose files belong together"
        )
    for name, tensor in wanted.items():
        other = stored[theirs[name]]
        if other.shape != tensor.shape or other.is_floating_point() != tensor.is_floating_point():
            raise BcError(
                f"'{path}': tensor '{theirs[name]}' has shape {list(other.shape)} ({other.dtype}), {files.CONFIG_FILE} "
                f"and contract make it {list(tensor.shape)}: use a checkpoint whose files belong together"
            )
        found[name] = other.to(tensor.dtype)
    return found


def _check_constants(network: Network, head: LeRobotConfig, weights: Mapping[str, Tensor], path: Path) -> None:
    """Positions and grids that are no weights must be those that we compute."""
    for name, ours in constants(network, head).items():
        theirs = weights.get(name)

        if theirs is None:
            continue
        if theirs.shape != ours.shape or bool((theirs.float() - ours).abs().max() > _TOLERANCE):
            raise BcError(
                f"'{path}': tensor '{name}' {list(theirs.shape)} is a constant, which policies of these settings have "
                f"otherwise ({list(ours.shape)}): another version of the architecture, which cannot be imported"
            )


def _some(names: list[str]) -> str:
    shown = ", ".join(f"'{name}'" for name in names[:3])
    return f"{shown} and {len(names) - 3} more tensors" if len(names) > 3 else shown or "nothing"


def _pixels(streams: Streams, normalisation: Normalisation) -> dict[str, Tensor]:
    found = {}
    for key, stream in streams.cameras.items():
        for part in ("mean", "std"):
            found[f"pixels.{stream}.{part}"] = torch.from_numpy(getattr(normalisation.images[key], part)).float()
    return found


def _tiled(normaliser: Normaliser, steps: int) -> Normaliser:
    return Normaliser(np.tile(normaliser.mean, steps), np.tile(normaliser.std, steps))


def _rows(normaliser: Normaliser, horizon: int) -> Normaliser:
    return Normaliser(np.tile(normaliser.mean, (horizon, 1)), np.tile(normaliser.std, (horizon, 1)))


def _how_to_judge() -> dict[str, Any]:
    """So that `bcros eval --all` knows what to compare with: what people did, in episodes that succeeded."""
    training = OptimiserConfig(
        steps=1, batch=64, noise_draws=1, learning_rate=1e-5, weight_decay=1e-4, warmup=0, ema=0.0,
        observation_noise=0.0, validation=0.0, seed=0, threads=1,
    )  # fmt: skip
    data = DataConfig(sources=("human",), outcomes=("success",), pad_end=True)
    return {"settings": {"data": asdict(data), "training": asdict(training)}}
