"""bags -> frames -> flow-matching policy -> checkpoint."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from bc_core.bags import find_episodes
from bc_core.checkpoint import save_policy
from bc_core.contract import Contract
from bc_core.errors import BcError
from bc_core.policies.config import TrainConfig
from bc_core.training.data import new_policy, read_episodes, split, training_set
from bc_core.training.optimise import evaluate, optimise
from bc_core.training.progress import progress_bar, track


def train(
    bags: Sequence[Path | str],
    contract: Contract,
    config: TrainConfig | Mapping[str, Any],
    out_dir: Path | str,
) -> dict[str, Any]:
    """Train a policy and save its checkpoint in out_dir.

    bags: episode directories, or directories that hold them. config: a TrainConfig, or its document (flow.yaml).
    Returns the summary that the checkpoint also holds: episodes, skipped_episodes, frames, refused_frames,
    missing_chunks, lost_messages, steps, train_loss, validation_loss (None without validation episodes), parameters,
    read_seconds, train_seconds. BcError where there is nothing to train on, or bag and contract disagree.
    """
    settings = config if isinstance(config, TrainConfig) else TrainConfig.from_document(config, "given settings")
    torch.set_num_threads(settings.training.threads)
    torch.manual_seed(settings.training.seed)
    paths = _episode_paths(bags)
    start = time.monotonic()
    episodes, account = read_episodes(paths, contract, settings, track("reading episodes", paths))
    seen, held_out = split(episodes, settings.training.validation, settings.training.seed)
    policy = new_policy(seen, contract, settings)
    data = training_set(seen, policy, settings.data)
    read_seconds = time.monotonic() - start
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
        "train_seconds": time.monotonic() - start - read_seconds,
        "settings": {"data": vars(settings.data), "training": vars(settings.training)},
    }
    save_policy(policy, out_dir, summary)
    return summary


def _episode_paths(bags: Sequence[Path | str]) -> list[Path]:
    paths = [path for bag in bags for path in find_episodes(Path(bag))]
    if not paths:
        raise BcError(f"no episode in {', '.join(map(str, bags)) or 'an empty list'}: record some first")
    return list(dict.fromkeys(paths))
