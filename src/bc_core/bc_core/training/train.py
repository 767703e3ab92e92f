"""bags -> frames -> policy -> checkpoint."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from bc_core.bags import find_episodes
from bc_core.checkpoint import load_policy, save_policy
from bc_core.contract import Contract
from bc_core.errors import BcError
from bc_core.policies.chunk_policy import ChunkPolicy
from bc_core.policies.config import TrainConfig
from bc_core.training.data import new_policy, read_episodes, split, training_set
from bc_core.training.optimise import evaluate, optimise
from bc_core.training.progress import progress_bar, track


def train(
    bags: Sequence[Path | str],
    contract: Contract,
    config: TrainConfig | Mapping[str, Any],
    out_dir: Path | str,
    start: Path | str | None = None,
) -> dict[str, Any]:
    """Train a policy and save its checkpoint in out_dir.

    bags: episode directories, or directories that hold them. config: a TrainConfig, or its document (flow.yaml).
    start: checkpoint to go on from, with its normalisation (BcError if its policy is another); None: from scratch.
    Returns the summary that the checkpoint also holds: episodes, skipped_episodes, frames, refused_frames,
    missing_chunks, lost_messages, steps, train_loss, validation_loss (None without validation episodes), parameters,
    read_seconds, train_seconds. BcError where there is nothing to train on, or bag and contract disagree.
    """
    settings = config if isinstance(config, TrainConfig) else TrainConfig.from_document(config, "given settings")
    torch.set_num_threads(settings.training.threads)
    torch.manual_seed(settings.training.seed)
    paths = _episode_paths(bags)
    begun = time.monotonic()
    episodes, account = read_episodes(paths, contract, settings, track("reading episodes", paths))
    seen, held_out = split(episodes, settings.training.validation, settings.training.seed)
    policy = new_policy(seen, contract, settings) if start is None else warm_start(Path(start), contract, settings)
    data = training_set(seen, policy, settings.data)
    if start is None:
        generator = torch.Generator().manual_seed(settings.training.seed)
        policy.network.head.prepare(data.actions, data.valid, generator)
    read_seconds = time.monotonic() - begun
    with progress_bar("training", settings.training.steps) as update:
        train_loss = optimise(
            policy.network, data, settings.training, lambda step, loss: update(step, f"loss {loss:.4f}")
        )
    validation = training_set(held_out, policy, settings.data) if held_out else None
    summary: dict[str, Any] = {
        **vars(account),
        "frames": len(data),
        "steps": settings.training.steps,
        "train_loss": train_loss,
        "validation_loss": evaluate(policy.network, validation, 1024, settings.training.seed) if validation else None,
        "parameters": sum(parameter.numel() for parameter in policy.network.parameters()),
        "read_seconds": read_seconds,
        "train_seconds": time.monotonic() - begun - read_seconds,
        "start": None if start is None else str(start),
        "settings": {"data": asdict(settings.data), "training": vars(settings.training)},
    }
    save_policy(policy, out_dir, summary)
    return summary


def warm_start(checkpoint: Path, contract: Contract, settings: TrainConfig) -> ChunkPolicy:
    """A trained policy to go on training. BcError: it is not the policy of these settings, or of another contract."""
    policy = load_policy(checkpoint)
    policy.contract.check_same(contract, f"checkpoint '{checkpoint}'", f"contract '{contract.name}'", policy.streams)
    before, now = policy.config.to_document(), settings.policy.to_document()
    differing = [key for key in now if before.get(key) != now[key]]
    if differing:
        key = differing[0]
        raise BcError(
            f"checkpoint '{checkpoint}' has policy.{key} = {before.get(key)}, the configuration {now[key]}: train from "
            "scratch, or use the configuration it was trained with"
        )
    policy.network.requires_grad_(True)  # a loaded policy is for inference
    return policy


def _episode_paths(bags: Sequence[Path | str]) -> list[Path]:
    paths = [path for bag in bags for path in find_episodes(Path(bag))]
    if not paths:
        raise BcError(f"no episode in {', '.join(map(str, bags)) or 'an empty list'}: record some first")
    return list(dict.fromkeys(paths))
