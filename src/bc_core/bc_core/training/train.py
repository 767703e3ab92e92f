"""bags -> frames -> policy -> checkpoint."""

import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from bc_core.bags import find_episodes
from bc_core.checkpoint import load_policy, save_policy
from bc_core.contract import Contract
from bc_core.dataset import EpisodeTicks
from bc_core.errors import BcError
from bc_core.evaluation.chunks import predict, row_errors, spread
from bc_core.evaluation.page import PAGE, render_page
from bc_core.policies.chunk_policy import ChunkPolicy
from bc_core.policies.config import StreamDropout, TrainConfig
from bc_core.policies.network import Network
from bc_core.training.curves import Curves
from bc_core.training.data import (
    TrainingSet,
    fingerprint,
    frames_of,
    new_policy,
    read_episodes,
    split,
    training_set,
)
from bc_core.training.hardware import Hardware, part
from bc_core.training.optimise import Judge, Run, evaluate, optimise
from bc_core.training.progress import progress_bar, track
from bc_core.training.state import STATE_FILE, Identity, TrainingState, load_state

RUN_SUFFIX = ".run"
"""Of the folder beside a checkpoint that holds TensorBoard's files, and the state of a run that is not finished."""
SHOWN_FRAMES = 128
"""That the page's errors are of; heads that search for a chunk take long for each."""


@dataclass(frozen=True)
class Rollouts:
    """The best weights by what they do: every `every` steps the policy drives, and `score` says how well, 0 to 1."""

    every: int
    score: Callable[[ChunkPolicy, int], float]


def train(
    bags: Sequence[Path | str],
    contract: Contract,
    config: TrainConfig | Mapping[str, Any],
    out_dir: Path | str,
    start: Path | str | None = None,
    hardware: Hardware = Hardware(),
    resume: bool | None = False,
    rollouts: Rollouts | None = None,
    page: bool = True,
) -> dict[str, Any]:
    """Train a policy and save its checkpoint in out_dir, with a page (summary.html) that shows the run.

    bags: episode directories, or directories that hold them. config: a TrainConfig, or its document (flow.yaml).
    start: checkpoint to go on from, with its normalisation (BcError if its policy is another); None: from scratch.
    resume: go on with the run that was interrupted on its way to out_dir (BcError if there is none, or of other
    settings or frames); None: if there is one that fits; False: it is set aside. page: False: no page, whose plots take
    seconds. Returns the summary that the checkpoint also holds: episodes, skipped_episodes, frames,
    refused_frames, missing_chunks, lost_messages, steps, train_loss, validation_loss (None without validation
    episodes), rollout_scores, trained_on (fingerprints of episodes), parameters, read_seconds, train_seconds; in the
    processes of further devices nothing. BcError where there is nothing to train on, or bag and contract disagree.
    """
    settings = config if isinstance(config, TrainConfig) else TrainConfig.from_document(config, "given settings")
    out = Path(out_dir)
    run_folder = out.with_name(out.name + RUN_SUFFIX)
    torch.set_num_threads(settings.training.threads)
    torch.manual_seed(settings.training.seed)
    fabric = hardware.fabric(settings.training.precision)
    paths = _episode_paths(bags)
    begun = time.monotonic()
    episodes, account = read_episodes(paths, contract, settings, track("reading episodes", paths))
    seen, held_out = split(episodes, settings.training.validation, settings.training.seed)
    policy = new_policy(seen, contract, settings) if start is None else warm_start(Path(start), contract, settings)
    data = training_set(seen, policy, settings.data)
    validation = training_set(held_out, policy, settings.data) if held_out else None
    identity = Identity.of(settings, data)
    state = unfinished(run_folder, identity, resume)
    if state is None:
        _begin(policy, data, settings, run_folder, prepare=start is None, clear=fabric.is_global_zero)
    read_seconds = time.monotonic() - begun
    with progress_bar("training", settings.training.steps, state.step if state else 0) as update:
        judge = None if rollouts is None else Judge(rollouts.every, _scored(policy, rollouts))
        run = Run(run_folder, identity, state, validation, judge, lambda step, loss: update(step, f"loss {loss:.4f}"),
                  dropped_features(policy, settings.training.proprioception_dropout))  # fmt: skip
        curves = optimise(policy.network, data, settings.training, fabric, run)
    part(fabric)
    if not fabric.is_global_zero:
        return {}
    policy.network.cpu()
    summary: dict[str, Any] = {
        **vars(account),
        **_learned(policy, data, validation, settings, curves),
        "read_seconds": read_seconds,
        "train_seconds": time.monotonic() - begun - read_seconds,
        "start": None if start is None else str(start),
        "trained_on": [fingerprint(episode) for episode in seen],
    }
    shown = {PAGE: _page(out, policy, held_out or seen, bool(held_out), settings, curves, summary)} if page else {}
    save_policy(policy, out, summary, shown)
    (run_folder / STATE_FILE).unlink(missing_ok=True)
    return summary


def _begin(
    policy: ChunkPolicy, data: TrainingSet, settings: TrainConfig, run_folder: Path, prepare: bool, clear: bool
) -> None:
    """A run that nothing is left of. prepare: the head sees the actions first."""
    if prepare:
        generator = torch.Generator().manual_seed(settings.training.seed)
        policy.network.head.prepare(data.actions, data.valid, generator)
    if clear:
        clear_run(run_folder)


def _learned(
    policy: ChunkPolicy, data: TrainingSet, validation: TrainingSet | None, settings: TrainConfig, curves: Curves
) -> dict[str, Any]:
    """What the summary says of the policy and of how it came about."""
    return {
        "frames": len(data),
        "steps": settings.training.steps,
        "train_loss": curves.final_loss,
        "validation_loss": evaluate(policy.network, validation, 1024, settings.training.seed) if validation else None,
        "rollout_scores": curves.scores,
        "parameters": sum(parameter.numel() for parameter in policy.network.parameters()),
        "settings": {"data": asdict(settings.data), "training": asdict(settings.training)},
    }


def unfinished(folder: Path, identity: Identity, resume: bool | None) -> TrainingState | None:
    """The state to go on from; None: begin anew."""
    if resume is None:
        try:
            return load_state(folder, identity) if (folder / STATE_FILE).is_file() else None
        except BcError as error:
            print(f"begun anew: {error}")
            return None
    return load_state(folder, identity) if resume else None


def clear_run(folder: Path) -> None:
    """Make room for a new run: what was finished goes, what was not is set aside."""
    if not (folder / STATE_FILE).is_file():
        shutil.rmtree(folder, ignore_errors=True)
        return
    number = 1
    while (target := folder.with_name(f"{folder.name}.before-{number}")).exists():
        number += 1
    folder.rename(target)
    print(f"an unfinished training is now in {target}; --resume would have gone on with it")


def _scored(policy: ChunkPolicy, rollouts: Rollouts) -> Callable[[Network, int], float]:
    """The score of weights: of the policy with these instead of its own."""

    def score(network: Network, step: int) -> float:
        trial = copy(policy)
        trial.network = network.requires_grad_(False)
        return rollouts.score(trial, step)

    return score


def _page(
    out: Path,
    policy: ChunkPolicy,
    episodes: Sequence[EpisodeTicks],
    held_out: bool,
    settings: TrainConfig,
    curves: Curves,
    summary: Mapping[str, Any],
) -> str:
    frames = spread(frames_of(episodes, policy.contract, policy.config, settings.data), SHOWN_FRAMES)
    predicted = predict(policy, frames, settings.training.seed)
    errors = row_errors(policy.contract.groups, predicted, frames.actions, frames.valid)
    facts = {
        "episodes": summary["episodes"],
        "frames": summary["frames"],
        "steps": summary["steps"],
        "loss, last tenth": f"{summary['train_loss']:.4g}",
        "parameters": f"{summary['parameters']:,}",
        "training": f"{summary['train_seconds']:.0f} s",
    }
    if summary["validation_loss"] is not None:
        facts["loss, held out"] = f"{summary['validation_loss']:.4g}"
    kept_out = "of episodes that were kept out of training" if held_out else "that were trained on (none was kept out)"
    shown = f"{len(frames)} frames {kept_out}."
    return render_page(str(out), facts, shown, policy, frames, predicted, errors, curves)


def dropped_features(policy: ChunkPolicy, dropout: StreamDropout | None) -> Tensor | None:
    """The features (F,) of the streams that training drops. BcError: one is not observed, or not known by its parts."""
    if dropout is None:
        return None
    known = policy.features.streams
    for stream in dropout.streams:
        if stream not in known:
            raise BcError(
                f"training.proprioception_dropout.streams names '{stream}', which is no numeric stream among "
                f"policy.observations ({', '.join(known) or 'none'}): add it there, or remove it"
            )
    columns = policy.features.columns(dropout.streams, policy.n_obs_steps)
    if len(columns) != policy.feature_normaliser.mean.size:
        raise BcError(
            "training.proprioception_dropout needs streams whose fields are single numbers or name their joints: "
            "name the joints in the contract, or remove it"
        )
    return torch.from_numpy(columns)


def warm_start(checkpoint: Path, contract: Contract, settings: TrainConfig) -> ChunkPolicy:
    """A trained policy to go on training. BcError: it is not the policy of these settings, or of another contract."""
    policy = load_policy(checkpoint, trainable=True)
    policy.contract.check_same(contract, f"checkpoint '{checkpoint}'", f"contract '{contract.name}'", policy.streams)
    before, now = policy.config.given.to_document(), settings.policy.to_document()
    differing = [key for key in {**before, **now} if before.get(key) != now.get(key)]
    if differing:
        key = differing[0]
        raise BcError(
            f"checkpoint '{checkpoint}' has policy.{key} = {before.get(key)}, the configuration {now.get(key)}: "
            "train from scratch, or use the configuration it was trained with"
        )
    return policy


def _episode_paths(bags: Sequence[Path | str]) -> list[Path]:
    paths = [path for bag in bags for path in find_episodes(Path(bag))]
    if not paths:
        raise BcError(f"no episode in {', '.join(map(str, bags)) or 'an empty list'}: record some first")
    return list(dict.fromkeys(paths))
