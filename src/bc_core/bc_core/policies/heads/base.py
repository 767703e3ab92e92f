"""What an action head is: embedding and prefix in, chunk out; and the pieces that several heads use."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from bc_core.mask import Mask
from bc_core.policies.trunks import Size


@dataclass(frozen=True)
class Continuation:
    """What a chunk continues. target: the prefix, normalised, (H, E) or (B, H, E), right-padded; weights: of
    mask_weights, (H,) or (B, H); frozen: leading rows that are committed; beta: largest guidance weight.
    guide_last_step: see bc_core.splice.leaves_room."""

    mask: Mask
    target: Tensor
    weights: Tensor
    frozen: int
    beta: float
    guide_last_step: bool = False


class Head(nn.Module, ABC):
    """Chunks are encoded and normalised, (B, H, E); conditions are embeddings (B, C)."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.size = size

    def prepare(self, actions: Tensor, valid: Tensor, generator: torch.Generator) -> None:
        """Before training: what the head needs of the whole data, actions (N, H, E), valid (N, H). Default: nothing."""
        return

    @abstractmethod
    def loss(self, condition: Tensor, actions: Tensor, valid: Tensor, generator: torch.Generator) -> Tensor:
        """Training loss of a batch, a scalar; rows that are not valid do not count."""

    @abstractmethod
    def sample(self, condition: Tensor, generator: torch.Generator, continuation: Continuation | None = None) -> Tensor:
        """A chunk for each condition, (B, H, E). continuation: only with a mask that the head's abilities serve."""


class DensityHead(Head):
    """A head that knows how likely a chunk is (Ability.DENSITY)."""

    @abstractmethod
    def log_density(self, condition: Tensor, actions: Tensor) -> Tensor:
        """log p(chunk | condition), (B,), in nats of normalised units."""


def masked_mean(error: Tensor, valid: Tensor) -> Tensor:
    """Mean of (B, H, E) over valid (B, H) rows."""
    weights = valid[:, :, None].to(error.dtype)
    return (error * weights).sum() / (weights.sum() * error.shape[2]).clamp(min=1.0)


def masked_row_mean(error: Tensor, valid: Tensor) -> Tensor:
    """Mean of (B, H) over valid rows."""
    weights = valid.to(error.dtype)
    return (error * weights).sum() / weights.sum().clamp(min=1.0)


def held_rows(actions: Tensor, valid: Tensor) -> Tensor:
    """Chunks (B, H, E) whose rows after the last valid one repeat it."""
    rows = torch.arange(valid.shape[1]).expand_as(valid)
    last = torch.where(valid, rows, -1).cummax(1).values.clamp(min=0)
    return actions.gather(1, last[..., None].expand_as(actions))


def draw_index(logits: Tensor, generator: torch.Generator, temperature: float = 1.0) -> Tensor:
    """An index for every row of logits (..., K), drawn from their softmax at a temperature; 0: the largest."""
    if temperature == 0.0:
        return logits.argmax(-1)
    chances = (logits / temperature).softmax(-1)
    return torch.multinomial(chances.reshape(-1, logits.shape[-1]), 1, generator=generator).reshape(logits.shape[:-1])


def committed(continuation: Continuation | None, like: Tensor) -> Tensor | None:
    """The rows given to a head that was trained with prefixes, (B, frozen, E); None: there are none."""
    if continuation is None or continuation.mask != Mask.CONDITION or continuation.frozen == 0:
        return None
    target = continuation.target.expand(len(like), -1, -1)
    return target[:, : continuation.frozen]
