"""The loop that minimises the loss of a policy, whatever its head."""

import math
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from bc_core.errors import BcError
from bc_core.policies.config import OptimiserConfig
from bc_core.policies.learner import Batch, Learner
from bc_core.policies.network import Network
from bc_core.training.curves import Board, Curves
from bc_core.training.data import TrainingSet
from bc_core.training.hardware import Hardware, on_device
from bc_core.training.state import (
    Identity,
    TrainingState,
    optimiser_tensors,
    restore,
    restore_optimiser,
    save_state,
    varying,
)

Progress = Callable[[int, float], None]
LARGEST_GRADIENT = 1.0
VALIDATIONS = 20
"""How often the validation loss is computed over a run."""


@dataclass(frozen=True)
class Judge:
    """Scores a policy by what it does, every `every` steps; of equal scores the latest wins."""

    every: int
    score: Callable[[Network, int], float]


@dataclass(frozen=True)
class Run:
    """What a run has beside network, data and settings; all of it may be left out.

    dropped: the features (F,) that training.proprioception_dropout is of, or None.
    folder: for its state and TensorBoard's files. identity: what its state is of. resume: the state to go on from.
    """

    folder: Path | None = None
    identity: Identity | None = None
    resume: TrainingState | None = None
    validation: TrainingSet | None = None
    judge: Judge | None = None
    progress: Progress = lambda step, loss: None
    dropped: Tensor | None = None


def take(data: TrainingSet, index: Tensor, device: torch.device) -> Batch:
    images = {camera: images[index].to(device) for camera, images in data.images.items()}
    return Batch(data.features[index].to(device), images, data.actions[index].to(device), data.valid[index].to(device))


def draw(weight: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Indices of `count` frames, (count,), drawn with replacement in proportion to their weight (N,)."""
    if bool((weight == weight[0]).all()):
        return torch.randint(len(weight), (count,), generator=generator, device=generator.device)
    return torch.multinomial(weight, count, replacement=True, generator=generator)


class FeatureDropout:
    """Of some frames, each with the same probability, replaces all `columns` (F,) of the features by `means` (F,)."""

    def __init__(self, probability: float, columns: Tensor, means: Tensor) -> None:
        self.probability, self.columns, self.means = probability, columns, means

    def __call__(self, features: Tensor, generator: torch.Generator) -> Tensor:
        """features (B, F)."""
        struck = torch.rand(len(features), 1, generator=generator, device=features.device) < self.probability
        return torch.where(struck & self.columns, self.means, features)


def _dropout(
    features: Tensor, dropped: Tensor | None, config: OptimiserConfig, device: torch.device
) -> FeatureDropout | None:
    """features: all that is trained on, (N, F)."""
    if config.proprioception_dropout is None or dropped is None:
        return None
    probability = config.proprioception_dropout.probability
    return FeatureDropout(probability, dropped.to(device), features.mean(dim=0).to(device))


class BatchLoss(nn.Module):
    """The loss of a batch as the forward pass that Fabric wraps."""

    def __init__(self, network: Learner) -> None:
        super().__init__()
        self.network = network

    def forward(self, batch: Batch, draws: int, generator: torch.Generator) -> Tensor:
        return self.network.loss(batch, draws, generator)


def optimise(
    network: Learner,
    data: TrainingSet,
    config: OptimiserConfig,
    fabric: Fabric | None = None,
    run: Run | None = None,
) -> Curves:
    """Train `network` in place; it ends with the averaged weights, or with those that the judge found best.

    Deterministic for a seed on one machine and number of threads and devices, interrupted or not. config.batch frames
    are shared out between the processes. BcError: the loss or its gradient is not finite.
    """
    fabric, run = fabric or Hardware("cpu").fabric(config.precision), run or Run()
    with on_device(fabric):
        return _Optimisation(network, data, config, fabric, run).steps()


class _Optimisation:
    """One run: what changes from step to step."""

    def __init__(self, network: Learner, data: TrainingSet, config: OptimiserConfig, fabric: Fabric, run: Run) -> None:
        self.network, self.data, self.config, self.fabric, self.run = network, data, config, fabric, run
        learnt = [parameter for parameter in network.parameters() if parameter.requires_grad]
        self.optimiser = torch.optim.AdamW(learnt, lr=config.learning_rate, weight_decay=config.weight_decay)
        self.loss, self.stepper = fabric.setup(BatchLoss(network), self.optimiser)
        self.average = _average_of(network, config.ema)
        self.dropout = _dropout(data.features, run.dropped, config, fabric.device)
        self.best: dict[str, Tensor] = {}
        self.curves = Curves()
        self.indices = torch.Generator()  # of frames, the same in every process
        self.noise = torch.Generator(fabric.device)
        if run.resume is not None:
            self._restore(run.resume)
        board = fabric.is_global_zero and run.folder is not None
        self.board = Board(run.folder, len(self.curves.losses)) if board and run.folder else None

    @property
    def averaged(self) -> Learner:
        """The network with the averaged weights: what is validated, judged and kept."""
        network = self.average.module
        assert isinstance(network, Learner)
        return network

    def steps(self) -> Curves:
        self.network.train()
        try:
            for step in range(len(self.curves.losses), self.config.steps):
                self._step(step)
                self._after(step + 1)
        finally:
            if self.board is not None:
                self.board.close()
        restore(self.network, self.best or varying(self.averaged))
        self.network.eval()
        return self.curves

    def _step(self, step: int) -> None:
        config, rank, world = self.config, self.fabric.global_rank, self.fabric.world_size
        self.indices.manual_seed(step_seed(config.seed, step, 0))
        self.noise.manual_seed(step_seed(config.seed, step, 1 + rank))
        torch.manual_seed(step_seed(config.seed, step, 1 + rank))  # of dropout and of image augmentation
        index = draw(self.data.weight, config.batch, self.indices)[rank::world]
        batch = take(self.data, index, self.fabric.device)
        batch.features.add_(torch.randn(batch.features.shape, generator=self.noise), alpha=config.observation_noise)
        if self.dropout is not None:
            batch.features = self.dropout(batch.features, self.noise)
        rate = config.learning_rate * learning_rate_factor(step, config)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        loss = self.loss(batch, config.noise_draws, self.noise)
        value = _finite("loss", self._mean(loss.detach()), step)
        self.stepper.zero_grad(set_to_none=True)
        self.fabric.backward(loss)
        clipped = self.fabric.clip_gradients(
            self.loss, self.stepper, max_norm=LARGEST_GRADIENT, error_if_nonfinite=False
        )
        assert clipped is not None  # it is told for a largest norm, not for a largest value
        gradient = _finite("gradient", clipped.item(), step)
        self.stepper.step()
        self.average.update_parameters(self.network)
        self.curves.losses.append(value)
        if self.board is not None:
            self.board.step(step + 1, value, rate, gradient)
        self.run.progress(step + 1, value)

    def _mean(self, value: Tensor) -> float:
        """Over the processes."""
        reduced = self.fabric.all_reduce(value)
        assert isinstance(reduced, Tensor)
        return reduced.item()

    def _after(self, done: int) -> None:
        """What is due after so many steps: validation, roll-outs, the state on disk."""
        config, run = self.config, self.run
        if run.validation is not None and done % max(1, config.steps // VALIDATIONS) == 0:
            loss = evaluate(self.averaged, run.validation, 1024, config.seed)
            self.curves.validation.append((done, loss))
            self._show("loss/validation", loss, done)
        if run.judge is not None and (done % run.judge.every == 0 or done == config.steps):
            self._judge(run.judge, done)
        if run.folder and run.identity and self.fabric.is_global_zero and done % config.save_every == 0:
            save_state(run.folder, run.identity, self._state(done))

    def _judge(self, judge: Judge, done: int) -> None:
        """One process lets the averaged weights drive; the others hear how it went."""
        score = 0.0
        if self.fabric.is_global_zero:
            with torch.device("cpu"):
                network = deepcopy(self.averaged).cpu().eval()
                assert isinstance(network, Network)
                score = judge.score(network, done)
        score = float(self.fabric.broadcast(score))
        if score >= max((before for _, before in self.curves.scores), default=-math.inf):
            self.best = {name: value.clone() for name, value in varying(self.averaged).items()}
        self.curves.scores.append((done, score))
        self._show("score/rollouts", score, done)

    def _show(self, name: str, value: float, done: int) -> None:
        if self.board is not None:
            self.board.scalar(name, value, done)

    def _state(self, done: int) -> TrainingState:
        tensors = {
            "network": varying(self.network),
            "average": varying(self.average),
            "optimiser": optimiser_tensors(self.optimiser),
            "best": self.best,
        }
        return TrainingState(done, tensors, self.curves)

    def _restore(self, state: TrainingState) -> None:
        restore(self.network, state.tensors["network"])
        restore(self.average, state.tensors["average"])
        restore_optimiser(self.optimiser, state.tensors["optimiser"])
        self.best = state.tensors.get("best", {})
        self.curves = state.curves


def _finite(what: str, value: float, step: int) -> float:
    if not math.isfinite(value):
        raise BcError(
            f"the {what} is {value} at step {step}: lower training.learning_rate, and look for odd values in the data"
        )
    return value


def step_seed(seed: int, step: int, stream: int) -> int:
    """Seed of one stream of random numbers in one step: no generator's state outlives a step, so none must be kept."""
    return int(np.random.SeedSequence([seed, step, stream]).generate_state(1, np.uint64)[0] >> 1)


def learning_rate_factor(step: int, config: OptimiserConfig) -> float:
    """Linear warm-up, then a cosine to 0."""
    if step < config.warmup:
        return (step + 1) / config.warmup
    rest = max(1, config.steps - config.warmup)
    return 0.5 * (1.0 + math.cos(math.pi * min(1.0, (step - config.warmup) / rest)))


def _average_of(network: Learner, decay: float) -> AveragedModel:
    """What training leaves as it is is shared with the network, not copied."""
    average = AveragedModel(network, multi_avg_fn=_averaging(decay))
    for old, new in zip(average.module.parameters(), network.parameters(), strict=True):
        if not new.requires_grad:
            old.data = new.data
    return average


def _averaging(decay: float) -> Callable[[Sequence[Tensor], Sequence[Tensor], int | Tensor], None]:
    """Exponential moving average that starts fast: the random initial weights must not linger in a short training."""

    @torch.no_grad()
    def average(averaged: Sequence[Tensor], current: Sequence[Tensor], count: int | Tensor) -> None:
        weight = 1.0 - min(decay, (1.0 + float(count)) / (10.0 + float(count)))
        for old, new in zip(averaged, current, strict=True):
            if old.data_ptr() != new.data_ptr():
                old.lerp_(new, weight)

    return average


@torch.no_grad()
def evaluate(network: Learner, data: TrainingSet, batch: int, seed: int) -> float:
    """Loss over a whole set, with noise fixed by the seed; the network is back in its mode afterwards."""
    device = next(network.parameters()).device
    generator = torch.Generator(device).manual_seed(seed)
    training, loss, total = network.training, BatchLoss(network), 0.0
    network.eval()
    for indices in torch.arange(len(data), device="cpu").split(batch):
        part = take(data, indices, device)
        total += loss(part, 1, generator).item() * len(indices)
    network.train(training)
    return total / len(data)
