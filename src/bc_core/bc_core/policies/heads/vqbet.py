"""VQ-BeT: Lee et al., "Behavior Generation with Latent Actions", arXiv 2403.03181.

Chunks are written as codes of a residual quantiser, trained beforehand; the network predicts the codes, coarse before
fine, with the focal loss, and an offset for the chunk that they stand for.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from bc_core.policies.heads.base import Continuation, Head, draw_index, held_rows, masked_mean
from bc_core.policies.heads.config import VqBetConfig
from bc_core.policies.heads.quantiser import Quantiser
from bc_core.policies.trunks import DirectTrunk, Size

COARSE, FINE = 5.0, 0.5  # weights of the first code's loss and of the others'


class VqBetHead(Head):
    def __init__(self, size: Size, config: VqBetConfig) -> None:
        super().__init__(size)
        self.config = config
        cells = size.horizon * size.columns
        self.quantiser = Quantiser(cells, size.width, config.latent, config.codes, config.layers)
        self.quantiser.requires_grad_(False)
        self.trunk = DirectTrunk(size, size.width)
        self.logits = nn.ModuleList(
            nn.Linear(size.width + index * config.latent, config.codes) for index in range(config.layers)
        )
        self.offset = nn.Sequential(
            nn.Linear(size.width + config.latent, size.width), nn.SiLU(), nn.Linear(size.width, cells)
        )

    def prepare(self, actions: Tensor, valid: Tensor, generator: torch.Generator) -> None:
        self.quantiser.requires_grad_(True)
        self.quantiser.train_on(held_rows(actions, valid), self.config.quantiser_steps, generator)
        self.quantiser.requires_grad_(False)

    def loss(self, condition: Tensor, actions: Tensor, valid: Tensor, generator: torch.Generator) -> Tensor:
        codes = self.quantiser.indices(self.quantiser.encoder(held_rows(actions, valid).flatten(1)))
        hidden = self.trunk(condition)
        weights = [COARSE] + [FINE] * (self.config.layers - 1)
        total = torch.zeros(())
        for layer, weight in enumerate(weights):
            logits = self._logits(hidden, codes[:, :layer], layer)
            total = total + weight * focal_loss(logits, codes[:, layer], self.config.focal)
        error = masked_mean((self._chunk(hidden, codes) - actions).abs(), valid)
        return total + self.config.offset_weight * error

    def sample(self, condition: Tensor, generator: torch.Generator, continuation: Continuation | None = None) -> Tensor:
        hidden = self.trunk(condition)
        codes = torch.zeros(len(condition), 0, dtype=torch.long)
        for layer in range(self.config.layers):
            drawn = draw_index(self._logits(hidden, codes, layer), generator)
            codes = torch.cat([codes, drawn[:, None]], dim=1)
        return self._chunk(hidden, codes)

    def _logits(self, hidden: Tensor, before: Tensor, layer: int) -> Tensor:
        """Of a layer's codes, given those of the layers before it."""
        known = [self.quantiser.codebooks[index][before[:, index]] for index in range(layer)]
        return self.logits[layer](torch.cat([hidden, *known], dim=1))

    def _chunk(self, hidden: Tensor, codes: Tensor) -> Tensor:
        latent = self.quantiser.embed(codes)
        chunk = self.quantiser.decoder(latent) + self.offset(torch.cat([hidden, latent], dim=1))
        return chunk.unflatten(1, (self.size.horizon, self.size.columns))


def focal_loss(logits: Tensor, target: Tensor, gamma: float) -> Tensor:
    """(1 - p)^gamma * cross entropy (Lin et al., arXiv 1708.02002), mean."""
    surprise = cross_entropy(logits, target, reduction="none")
    return ((1.0 - (-surprise).exp()).pow(gamma) * surprise).mean()
