"""A checkpoint on recorded episodes: how far its chunks are from what was done there, and how long they take."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bc_core.bags import find_episodes
from bc_core.checkpoint import load_policy
from bc_core.checkpoint_config import read_config
from bc_core.chunks import Array
from bc_core.dataset import EpisodeTicks
from bc_core.errors import BcError
from bc_core.evaluation.chunks import RowErrors, predict, row_errors, spread
from bc_core.evaluation.latency import measure_latency
from bc_core.evaluation.page import render_page
from bc_core.policies.chunk_policy import ChunkPolicy
from bc_core.policies.config import DataConfig, OptimiserConfig, TrainConfig
from bc_core.schema import Section
from bc_core.training.data import Frames, fingerprint, frames_of, normalised, read_episodes
from bc_core.training.optimise import evaluate as loss_of
from bc_core.training.progress import track

FRAMES, LATENCY_CHUNKS = 512, 50


@dataclass(frozen=True)
class Evaluation:
    """document: everything in plain values. page: HTML."""

    document: dict[str, Any]
    page: str


def evaluate_checkpoint(
    checkpoint: Path,
    bags: Sequence[Path],
    seen_too: bool = False,
    frames: int = FRAMES,
    threads: int = 1,
    seed: int = 0,
) -> Evaluation:
    """Episodes that the policy was trained on are left out unless seen_too. frames: most that are looked at.

    BcError: no episode is left, none has a frame, or they are of another contract.
    """
    torch.set_num_threads(threads)
    policy = load_policy(checkpoint)
    training = read_config(checkpoint)["training"]
    config = _settings(policy, training, str(checkpoint))
    paths = list(dict.fromkeys(path for bag in bags for path in find_episodes(bag)))
    episodes, account = read_episodes(paths, policy.contract, config, track("reading episodes", paths))
    chosen, excluded = _unseen(episodes, training, checkpoint, seen_too)
    found = spread(frames_of(chosen, policy.contract, policy.config, config.data), frames)
    if not len(found):
        raise BcError(f"{len(chosen)} episodes hold no frame at which {' or '.join(config.data.sources)} commanded")
    predicted = predict(policy, found, seed)
    errors = row_errors(policy.contract.groups, predicted, found.actions, found.valid)
    document = {
        "checkpoint": str(checkpoint),
        "policy": policy.config.head.type,
        "episodes": len(chosen),
        "excluded_as_trained_on": excluded,
        "skipped_episodes": dict(account.skipped_episodes),
        "frames": len(found),
        "samples": len(predicted),
        "loss": loss_of(policy.network, normalised(found, policy), 1024, seed),
        "errors": [error.to_document() for error in errors],
        "latency": measure_latency(policy, chosen, LATENCY_CHUNKS),
        "parameters": sum(parameter.numel() for parameter in policy.network.parameters()),
    }
    return Evaluation(document, _page(document, policy, found, predicted, errors))


def _settings(policy: ChunkPolicy, training: dict[str, Any], checkpoint: str) -> TrainConfig:
    """Whose commands and which episodes count, as in training. BcError where the checkpoint does not say."""
    settings = training.get("settings")
    if settings is None:
        raise BcError(f"checkpoint '{checkpoint}' does not say what it was trained on: train again")
    root = Section(settings, f"checkpoint '{checkpoint}'")
    data = DataConfig.from_section(root.section("data"))
    return TrainConfig(policy.config, data, OptimiserConfig.from_section(root.section("training")))


def _unseen(
    episodes: list[EpisodeTicks], training: dict[str, Any], checkpoint: Path, seen_too: bool
) -> tuple[list[EpisodeTicks], int]:
    """Those that the policy was not trained on, and how many it was."""
    if "trained_on" not in training and not seen_too:
        raise BcError(f"checkpoint '{checkpoint}' does not say which episodes it was trained on: train again, or --all")
    seen = set(training.get("trained_on", ()))
    chosen = [episode for episode in episodes if seen_too or fingerprint(episode) not in seen]
    if not chosen:
        raise BcError(
            f"the policy was trained on all {len(episodes)} episodes: name others, keep some out in training "
            "(training.validation), or look at these with --all"
        )
    return chosen, len(episodes) - len(chosen)


def _page(
    document: dict[str, Any], policy: ChunkPolicy, frames: Frames, predicted: Array, errors: list[RowErrors]
) -> str:
    latency = document["latency"]
    facts = {
        "episodes": document["episodes"],
        "frames": document["frames"],
        "loss": f"{document['loss']:.4g}",
        "ms per chunk, p50": f"{1e3 * latency['p50']:.1f}",
        "ms per chunk, p95": f"{1e3 * latency['p95']:.1f}",
        "threads": latency["threads"],
        "parameters": f"{document['parameters']:,}",
    }
    excluded = document["excluded_as_trained_on"]
    shown = f"{len(frames)} frames of {document['episodes']} episodes; {excluded} that it was trained on are left out."
    return render_page(document["checkpoint"], facts, shown, policy, frames, predicted, errors)


def format_text(document: dict[str, Any]) -> str:
    """The figures for a terminal."""
    latency, lines = document["latency"], []
    lines.append(f"{document['policy']}: {document['frames']} frames of {document['episodes']} episodes")
    lines.append(f"  left out because the policy was trained on them: {document['excluded_as_trained_on']} episodes")
    lines.append(f"  loss: {document['loss']:.4g}")
    for error in document["errors"]:
        mean = [np.nan if value is None else 1e3 * value for value in error["mean"]]
        ends = f"{mean[0]:.2f} ... {mean[len(mean) // 2]:.2f} ... {mean[-1]:.2f}"
        lines.append(f"  error of {error['quantity']}, first, middle and last row: {ends} m{error['unit']}")
    lines.append(
        f"  latency: p50 {1e3 * latency['p50']:.1f} ms, p95 {1e3 * latency['p95']:.1f} ms, {latency['threads']} threads"
    )
    return "\n".join(lines)
