"""The trained networks of one task and horizon, and what strategies ask of them."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from bc_core.mask import Mask
from bc_core.strategies.conditioning import RowDenoiser
from bc_core.strategies.diffusion import FlowForm, Prediction, Schedule
from bc_core.strategies.registry import Strategy
from bc_core.strategies.sampling import SamplerConfig, Splice, sample_chunks
from benchmarks.rtc.networks import ChunkNetwork, CorrectionNetwork, DynamicsNetwork
from benchmarks.rtc.rollout import Plan
from benchmarks.rtc.training import TIMESTEPS, Kind, diffusion_time

SUPPORTED = {
    Kind.FLOW: frozenset(Mask) - {Mask.CONDITION},
    Kind.CONDITIONED: frozenset(Mask),
    Kind.DIFFUSION: frozenset(Mask) - {Mask.CONDITION},
    Kind.REGRESSION: frozenset({Mask.FREE, Mask.CONDITION}),
}
"""Masks that a kind of chunk policy can serve."""

CLIP = 4.0
"""Bound on clean normalised actions of the diffusion policy, where x_0 is ill-conditioned."""


@dataclass(frozen=True)
class PolicySet:
    """chunks: networks by kind. weak: the flow policy early in its training. dynamics: rolls observations forward."""

    chunks: dict[Kind, ChunkNetwork]
    weak: ChunkNetwork | None = None
    dynamics: DynamicsNetwork | None = None
    correction: CorrectionNetwork | None = None

    def plan(self, strategy: Strategy, kind: Kind, config: SamplerConfig, seed: int) -> Plan:
        """Chunks of `kind` in the way of `strategy`, in the task's units; noise from `seed`."""
        network = self.chunks[kind]
        generator = torch.Generator().manual_seed(seed)
        if strategy.mask not in SUPPORTED[kind]:
            raise ValueError(f"strategy '{strategy.name}' is nothing that a {kind} policy can do")
        denoiser, config = _denoiser(network, kind, config)

        def plan(observation: Tensor, splice: Splice) -> Tensor:
            normalised = Splice(network.actions(splice.prefix), splice.rows, splice.frozen, splice.executed)

            def noise(samples: int) -> Tensor:
                drawn = torch.randn(samples * len(observation), *network.shape, generator=generator)
                return torch.zeros_like(drawn) if kind == Kind.REGRESSION else drawn

            weak = None if self.weak is None else _rows(self.weak, observation)
            chunk = sample_chunks(strategy.mask, denoiser(observation), noise, normalised, config, weak)
            given = torch.arange(network.shape[0]) < splice.frozen[:, None]
            exact = given & strategy.freezes
            return torch.where(exact[..., None], splice.prefix, network.actions.inverse(chunk))

        return plan

    def correct(self, observation: Tensor, chunk: Tensor, row: Tensor) -> Tensor:
        """The row of the chunk (task units), corrected by what is seen now."""
        assert self.correction is not None
        actions = self.chunks[Kind.CONDITIONED].actions
        normalised = actions(chunk)
        due = normalised[torch.arange(len(chunk)), row]
        return actions.inverse(due + self.correction(observation, normalised, row))


def _denoiser(
    network: ChunkNetwork, kind: Kind, config: SamplerConfig
) -> tuple[Callable[[Tensor], RowDenoiser], SamplerConfig]:
    """The network as a function of the observation in the form of a flow, and the steps at which to ask it."""
    if kind == Kind.REGRESSION:
        return lambda observation: _rows(network, observation), replace(config, steps=1)
    if kind != Kind.DIFFUSION:
        return lambda observation: _rows(network, observation), config
    assert isinstance(config.steps, int)
    steps = config.steps
    schedule = Schedule.squared_cosine(TIMESTEPS)

    def flow_form(observation: Tensor) -> RowDenoiser:
        def model(noisy: Tensor, timestep: int) -> Tensor:
            time = diffusion_time(torch.full((len(noisy),), timestep), network.shape[0])
            return network(noisy, time, _repeated(observation, noisy))

        form = FlowForm(model, schedule, Prediction.EPSILON, CLIP).denoiser(steps)
        return lambda actions, tau: form(actions, float(tau[0, 0]))

    times = FlowForm(network, schedule, Prediction.EPSILON).times(steps)
    return flow_form, replace(config, steps=tuple(times))


def _rows(network: ChunkNetwork, observation: Tensor) -> RowDenoiser:
    return lambda actions, tau: network(actions, tau, _repeated(observation, actions))


def _repeated(observation: Tensor, actions: Tensor) -> Tensor:
    """One observation for every sample: N successive samples belong to each element."""
    return observation.repeat_interleave(len(actions) // len(observation), dim=0)
