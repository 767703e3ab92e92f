"""bags -> images -> auto-encoder -> the folder of a pre-trained encoder."""

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from bc_core.bags import find_episodes
from bc_core.checkpoint import whole_folder
from bc_core.contract import Contract
from bc_core.errors import BcError
from bc_core.evaluation.page import PAGE
from bc_core.policies.vision.preprocessing import PREPROCESSOR_FILE
from bc_core.pretraining.autoencoders import STREAM, Autoencoder, build_autoencoder, pixels
from bc_core.pretraining.config import PretrainConfig
from bc_core.pretraining.images import Images, read_images
from bc_core.pretraining.page import render_page
from bc_core.training.data import TrainingSet
from bc_core.training.hardware import Hardware, part
from bc_core.training.optimise import Run, evaluate, optimise
from bc_core.training.progress import progress_bar, track
from bc_core.training.state import STATE_FILE, Identity
from bc_core.training.train import RUN_SUFFIX, clear_run, unfinished

PICTURE = "reconstructions.png"
SUMMARY = "pretraining.json"
_SHOWN = 8


def pretrain(
    bags: Sequence[Path],
    contract: Contract,
    config: PretrainConfig,
    out: Path,
    hardware: Hardware = Hardware(),
    resume: bool | None = False,
) -> dict[str, Any]:
    """Train an auto-encoder on the images of all episodes and write its encoder, as `type: pretrained` takes it.

    resume: go on with the run that was interrupted; None: if there is one that fits (bc_core.training.train).

    The folder also holds a page that shows the run (summary.html), reconstructions.png (a row of images, what is not
    hidden of them, what is made of them) and pretraining.json, the summary that is returned: episodes, images,
    unread_images, steps, train_loss, validation_loss, parameters (with the decoder's), seconds, settings; in the
    processes of further devices nothing. BcError: no image.
    """
    settings = config.training
    run_folder = out.with_name(out.name + RUN_SUFFIX)
    torch.set_num_threads(settings.threads)
    torch.manual_seed(settings.seed)
    fabric = hardware.fabric(settings.precision)
    paths = list(dict.fromkeys(path for bag in bags for path in find_episodes(bag)))
    if not paths:
        raise BcError(f"no episode in {', '.join(map(str, bags))}: record some first")
    begun = time.monotonic()
    learner = build_autoencoder(config.model)
    reading = track("reading images", paths)
    episodes, unread = read_images(paths, contract, config.data, config.model.size, reading)
    seen, held_out = _split(episodes, settings.validation, settings.seed)
    data, validation = _images_only(seen), _images_only(held_out) if held_out else None
    identity = Identity.of_settings(config.to_document(), data)
    state = unfinished(run_folder, identity, resume)
    if state is None and fabric.is_global_zero:
        clear_run(run_folder)
    with progress_bar("pre-training", settings.steps, state.step if state else 0) as update:
        run = Run(run_folder, identity, state, validation, None, lambda step, loss: update(step, f"loss {loss:.4f}"))
        curves = optimise(learner, data, settings, fabric, run)
    part(fabric)
    if not fabric.is_global_zero:
        return {}
    learner.cpu()
    summary = {
        "episodes": len(episodes),
        "images": len(data),
        "unread_images": unread,
        "steps": settings.steps,
        "train_loss": curves.final_loss,
        "validation_loss": evaluate(learner, validation, 256, settings.seed) if validation else None,
        "parameters": sum(parameter.numel() for parameter in learner.parameters()),
        "seconds": time.monotonic() - begun,
        "settings": config.to_document(),
    }
    with whole_folder(out) as folder:
        rows = _reconstructions(learner, held_out or seen)
        page = render_page(str(out), summary, config.model, curves, rows, seen, held_out)
        _write(folder, learner, config.model.size, rows, summary, page)
    (run_folder / STATE_FILE).unlink(missing_ok=True)
    return summary


def _split(episodes: list[Images], share: float, seed: int) -> tuple[list[Images], list[Images]]:
    """Training and validation, by whole episodes."""
    count = round(share * len(episodes)) if len(episodes) > 1 else 0
    order = np.random.default_rng(seed).permutation(len(episodes))
    return [episodes[i] for i in sorted(order[count:])], [episodes[i] for i in sorted(order[:count])]


def _images_only(episodes: Sequence[Images]) -> TrainingSet:
    images = torch.from_numpy(np.concatenate(episodes))
    nothing = torch.zeros(len(images), 1, 0)
    valid, weight = torch.ones(len(images), 1, dtype=torch.bool), torch.ones(len(images))
    return TrainingSet(nothing[:, 0], {STREAM: images}, nothing, valid, weight)


def _reconstructions(learner: Autoencoder, episodes: Sequence[Images]) -> list[Images]:
    """What the learner shows of images spread over the episodes: rows, each (size, n * size, 3)."""
    images = np.concatenate(episodes)
    chosen = images[np.linspace(0, len(images) - 1, min(_SHOWN, len(images))).round().astype(int)]
    with torch.no_grad():
        rows = learner.shown(pixels(torch.from_numpy(chosen)), torch.Generator().manual_seed(0))
    return [np.concatenate(list(_picture(row)), axis=1) for row in rows]


def _write(
    folder: Path, learner: Autoencoder, size: int, rows: Sequence[Images], summary: dict[str, Any], page: str
) -> None:
    learner.save(folder)
    statistics = {"size": {"height": size, "width": size}, "image_mean": [0.5] * 3, "image_std": [0.5] * 3}
    (folder / PREPROCESSOR_FILE).write_text(json.dumps(statistics, indent=1), encoding="utf-8")
    (folder / SUMMARY).write_text(json.dumps(summary, indent=1), encoding="utf-8")
    (folder / PAGE).write_text(page, encoding="utf-8")
    if not cv2.imwrite(str(folder / PICTURE), cv2.cvtColor(np.concatenate(rows), cv2.COLOR_RGB2BGR)):
        raise BcError(f"'{folder / PICTURE}' cannot be written: is the disk full?")


def _picture(row: Tensor) -> Images:
    """Pixels (B, 3, size, size) to (B, size, size, 3)."""
    shown = ((row + 1.0) * 127.5).clamp(0, 255).byte().permute(0, 2, 3, 1)
    return np.ascontiguousarray(shown.numpy())
