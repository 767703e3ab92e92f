"""Small networks of the benchmark's policies; observations are normalised inside, chunks outside."""

import torch
from torch import Tensor, nn


class Normaliser(nn.Module):
    """(value - mean) / std by column."""

    mean: Tensor
    std: Tensor

    def __init__(self, columns: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(columns))
        self.register_buffer("std", torch.ones(columns))

    def fit(self, values: Tensor) -> "Normaliser":
        flat = values.flatten(0, -2)
        self.mean.copy_(flat.mean(0))
        self.std.copy_(flat.std(0).clamp(min=1e-3))
        return self

    def forward(self, values: Tensor) -> Tensor:
        return (values - self.mean) / self.std

    def inverse(self, values: Tensor) -> Tensor:
        return values * self.std + self.mean


class ResidualMlp(nn.Module):
    """(B, inputs) -> (B, outputs)."""

    def __init__(self, inputs: int, outputs: int, width: int, blocks: int) -> None:
        super().__init__()
        self.input = nn.Linear(inputs, width)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.SiLU(), nn.Linear(2 * width, width))
            for _ in range(blocks)
        )
        self.output = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, outputs))

    def forward(self, values: Tensor) -> Tensor:
        hidden = self.input(values)
        for block in self.blocks:
            hidden = hidden + block(hidden)
        result: Tensor = self.output(hidden)
        return result


class ChunkNetwork(nn.Module):
    """chunk (B, H, A) with flow time by row (B, H), observation (B, O) -> chunk (B, H, A), all rows mixed.

    What comes out is the clean chunk A1hat, or the noise, as the network was trained. `actions` normalises chunks.
    """

    def __init__(self, observation_width: int, action_width: int, horizon: int, width: int, blocks: int) -> None:
        super().__init__()
        self.observations, self.actions = Normaliser(observation_width), Normaliser(action_width)
        self.shape = (horizon, action_width)
        inputs = observation_width + horizon * (action_width + 1)
        self.mlp = ResidualMlp(inputs, horizon * action_width, width, blocks)

    def forward(self, chunk: Tensor, tau: Tensor, observation: Tensor) -> Tensor:
        inputs = torch.cat([chunk.flatten(1), 2.0 * tau - 1.0, self.observations(observation)], dim=1)
        return self.mlp(inputs).reshape(-1, *self.shape)


class DynamicsNetwork(nn.Module):
    """observation (B, O), action (B, A) -> expected observation one tick later, (B, O)."""

    def __init__(self, observation_width: int, action_width: int, width: int) -> None:
        super().__init__()
        self.observations, self.actions = Normaliser(observation_width), Normaliser(action_width)
        self.changes = Normaliser(observation_width)
        self.mlp = ResidualMlp(observation_width + action_width, observation_width, width, 2)

    def normalised_change(self, observation: Tensor, action: Tensor) -> Tensor:
        return self.mlp(torch.cat([self.observations(observation), self.actions(action)], dim=1))

    def forward(self, observation: Tensor, action: Tensor) -> Tensor:
        return observation + self.changes.inverse(self.normalised_change(observation, action))


class CorrectionNetwork(nn.Module):
    """observation now (B, O), chunk (B, H, A) normalised, row to be executed (B,) -> correction of it (B, A).

    A2C2, "Leave No Observation Behind", arXiv 2509.23224: a light head that runs at every tick.
    """

    def __init__(self, observation_width: int, action_width: int, horizon: int, width: int) -> None:
        super().__init__()
        self.observations = Normaliser(observation_width)
        self.horizon = horizon
        inputs = observation_width + (horizon + 1) * action_width + horizon
        self.mlp = ResidualMlp(inputs, action_width, width, 2)

    def forward(self, observation: Tensor, chunk: Tensor, row: Tensor) -> Tensor:
        due = chunk[torch.arange(len(chunk)), row]
        position = nn.functional.one_hot(row, self.horizon).to(chunk.dtype)
        return self.mlp(torch.cat([self.observations(observation), chunk.flatten(1), due, position], dim=1))
