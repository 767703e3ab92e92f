"""Residual vector quantisation of chunks: the latent actions of VQ-BeT (arXiv 2403.03181, section 3.1)."""

import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss

DECAY = 0.98  # of the codebooks' moving averages
COMMITMENT = 0.25
RARE = 0.05  # codes used less than this many times a batch are put where latents are


class Quantiser(nn.Module):
    """Encoder, `layers` codebooks of `codes` vectors each of which quantises what the one before left over, decoder."""

    codebooks: Tensor

    def __init__(self, cells: int, width: int, latent: int, codes: int, layers: int) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(cells, width), nn.SiLU(), nn.Linear(width, latent))
        self.decoder = nn.Sequential(nn.Linear(latent, width), nn.SiLU(), nn.Linear(width, cells))
        self.register_buffer("codebooks", torch.randn(layers, codes, latent))

    def indices(self, latent: Tensor) -> Tensor:
        """Codes (B, layers) of latents (B, latent)."""
        chosen = []
        for codebook in self.codebooks:
            index = torch.cdist(latent, codebook).argmin(1)
            latent = latent - codebook[index]
            chosen.append(index)
        return torch.stack(chosen, 1)

    def embed(self, indices: Tensor) -> Tensor:
        """Sum of the codes, (B, latent)."""
        return torch.stack([book[index] for book, index in zip(self.codebooks, indices.T, strict=True)]).sum(0)

    def train_on(self, chunks: Tensor, steps: int, generator: torch.Generator) -> float:
        """Fit to chunks (N, H, E); returns the last batch's mean squared error."""
        optimiser = torch.optim.Adam(self.parameters(), 1e-3)
        counts = torch.ones(self.codebooks.shape[:2])
        sums = self.codebooks.clone()
        error = torch.zeros(())
        for _ in range(steps):
            index = torch.randint(len(chunks), (min(256, len(chunks)),), generator=generator)
            batch = chunks[index]
            latent = self.encoder(batch.flatten(1))
            code = self._update(latent.detach(), counts, sums, generator)
            through = latent + (code - latent).detach()  # straight through
            error = mse_loss(self.decoder(through).view_as(batch), batch)
            optimiser.zero_grad()
            (error + COMMITMENT * mse_loss(latent, code)).backward()
            optimiser.step()
        return error.item()

    @torch.no_grad()
    def _update(self, latent: Tensor, counts: Tensor, sums: Tensor, generator: torch.Generator) -> Tensor:
        """Move the codes to the mean of what they stand for (van den Oord et al., arXiv 1711.00937, appendix A)."""
        indices, left = self.indices(latent), latent
        for layer, index in enumerate(indices.T):
            used = nn.functional.one_hot(index, self.codebooks.shape[1]).to(latent.dtype)
            counts[layer].lerp_(used.sum(0), 1.0 - DECAY)
            sums[layer].lerp_(used.T @ left, 1.0 - DECAY)
            rare = counts[layer] < RARE
            fresh = left[torch.randint(len(left), (int(rare.sum()),), generator=generator)]
            sums[layer][rare], counts[layer][rare] = fresh, 1.0
            self.codebooks[layer] = sums[layer] / counts[layer][:, None]
            left = left - self.codebooks[layer][index]
        return latent - left
