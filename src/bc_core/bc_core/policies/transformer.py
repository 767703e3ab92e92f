"""Transformer blocks: over the rows of a chunk at once, and over a growing sequence with cached keys and values."""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention


class Cache(NamedTuple):
    """Keys and values of the tokens so far, (B, heads, T, width / heads) each."""

    keys: Tensor
    values: Tensor


class TransformerBlock(nn.Module):
    """Pre-norm self-attention and MLP. The number of heads is the largest of 8, 4, 2, 1 with 8 dimensions each."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.heads = next(heads for heads in (8, 4, 2, 1) if heads == 1 or (width % heads == 0 and width >= 8 * heads))
        self.before, self.after = nn.LayerNorm(width), nn.LayerNorm(width)
        self.projection, self.output = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(
            nn.Linear(width, 2 * width), nn.GELU(), nn.Dropout(dropout), nn.Linear(2 * width, width)
        )
        self.dropout = nn.Dropout(dropout)

    def forward(self, tokens: Tensor, causal: bool = False, cache: Cache | None = None) -> tuple[Tensor, Cache]:
        """tokens (B, T, width); with a cache they come after its tokens, and T must be 1."""
        query, key, value = (
            part.unflatten(2, (self.heads, -1)).transpose(1, 2)
            for part in self.projection(self.before(tokens)).chunk(3, dim=2)
        )
        if cache is not None:
            key, value = torch.cat([cache.keys, key], dim=2), torch.cat([cache.values, value], dim=2)
        attended = scaled_dot_product_attention(query, key, value, is_causal=causal and cache is None)
        tokens = tokens + self.dropout(self.output(attended.transpose(1, 2).flatten(2)))
        return tokens + self.dropout(self.mlp(self.after(tokens))), Cache(key, value)


class RowTransformer(nn.Module):
    """Row tokens (B, H, width) that attend to one another and to context tokens (B, M, width) -> (B, H, width)."""

    def __init__(self, rows: int, width: int, blocks: int, dropout: float) -> None:
        super().__init__()
        self.position = nn.Parameter(0.02 * torch.randn(rows, width))
        self.blocks = nn.ModuleList(TransformerBlock(width, dropout) for _ in range(blocks))
        self.norm = nn.LayerNorm(width)

    def forward(self, rows: Tensor, context: Tensor) -> Tensor:
        tokens = torch.cat([context, rows + self.position], dim=1)
        for block in self.blocks:
            tokens, _ = block(tokens)
        return self.norm(tokens[:, context.shape[1] :])


class CausalTransformer(nn.Module):
    """Logits of the next of `vocabulary` tokens after a condition and the tokens so far; at most `length` of them."""

    def __init__(self, vocabulary: int, length: int, width: int, blocks: int, dropout: float) -> None:
        super().__init__()
        self.length = length
        self.embedding = nn.Embedding(vocabulary, width)
        self.position = nn.Parameter(0.02 * torch.randn(length, width))
        self.blocks = nn.ModuleList(TransformerBlock(width, dropout) for _ in range(blocks))
        self.norm = nn.LayerNorm(width)
        self.output = nn.Linear(width, vocabulary)

    def forward(self, condition: Tensor, tokens: Tensor) -> Tensor:
        """Teacher forcing: condition (B, width), tokens (B, T) -> logits (B, T, vocabulary), [:, t] before token t."""
        hidden = torch.cat([condition[:, None], self.embedding(tokens[:, :-1])], dim=1)
        hidden = hidden + self.position[: hidden.shape[1]]
        for block in self.blocks:
            hidden, _ = block(hidden, causal=True)
        return self.output(self.norm(hidden))

    def step(self, token: Tensor, position: int, caches: list[Cache] | None) -> tuple[Tensor, list[Cache]]:
        """Logits (B, vocabulary) after one more token (B, width), embedded (the condition at position 0)."""
        hidden, kept = (token + self.position[position])[:, None], []
        for index, block in enumerate(self.blocks):
            hidden, cache = block(hidden, causal=True, cache=None if caches is None else caches[index])
            kept.append(cache)
        return self.output(self.norm(hidden[:, 0])), kept
