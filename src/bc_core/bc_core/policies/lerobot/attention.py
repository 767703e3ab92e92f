"""Transformer layers whose positions are added to queries and keys alone, in every layer.

Carion et al., "End-to-End Object Detection with Transformers" (DETR), arXiv 2005.12872, appendix A.3, as ACT has them.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, linear, relu

from bc_core.policies.lerobot.config import LeRobotActConfig

_PERIOD = 10_000.0


def sinusoids(positions: Tensor, width: int) -> Tensor:
    """Positions (N,) to (N, width): sine and cosine alternate, with wave lengths from 2 pi to 10 000 * 2 pi.

    Vaswani et al., "Attention Is All You Need", arXiv 1706.03762, section 3.5.
    """
    exponents = 2.0 * (torch.arange(width, dtype=torch.float64) // 2) / width
    angles = positions.double()[:, None] / _PERIOD**exponents
    table = torch.where(torch.arange(width) % 2 == 0, angles.sin(), angles.cos())
    return table.float()


def image_positions(height: int, width: int, channels: int) -> Tensor:
    """Of the cells of a map, row by row: (height * width, channels), half of them for the row, half for the column.

    DETR's: rows and columns are counted from 1 and scaled so that the last one is at 2 pi.
    """
    full, smallest = 2.0 * torch.pi, 1e-6
    rows = sinusoids(torch.arange(1, height + 1, dtype=torch.float64) / (height + smallest) * full, channels // 2)
    columns = sinusoids(torch.arange(1, width + 1, dtype=torch.float64) / (width + smallest) * full, channels // 2)
    cells = [rows[:, None].expand(-1, width, -1), columns[None].expand(height, -1, -1)]
    return torch.cat(cells, dim=-1).flatten(0, 1)


class _Layer(nn.Module):
    """What both layers have: attentions, then an MLP, each with a residual and a norm before or after it."""

    norm1: nn.LayerNorm
    norm2: nn.LayerNorm
    norm3: nn.LayerNorm

    def __init__(self, width: int, dropout: float, config: LeRobotActConfig, norms: int) -> None:
        super().__init__()
        self.pre_norm = config.pre_norm
        self.activation = relu if config.activation == "relu" else gelu
        self.self_attn = nn.MultiheadAttention(width, config.attention_heads, dropout, batch_first=True)
        self.linear1 = nn.Linear(width, config.feedforward)
        self.linear2 = nn.Linear(config.feedforward, width)
        self.dropout = nn.Dropout(dropout)
        for index in range(1, norms + 1):
            setattr(self, f"norm{index}", nn.LayerNorm(width))

    def attend_itself(self, tokens: Tensor, positions: Tensor, hidden: Tensor | None = None) -> Tensor:
        """hidden (B, T) bool: tokens that nobody looks at."""
        values = self.norm1(tokens) if self.pre_norm else tokens
        placed = values + positions
        found, _ = self.self_attn(placed, placed, values, key_padding_mask=hidden, need_weights=False)
        tokens = tokens + self.dropout(found)
        return tokens if self.pre_norm else self.norm1(tokens)

    def transform(self, tokens: Tensor, norm: nn.Module) -> Tensor:
        inputs = norm(tokens) if self.pre_norm else tokens
        tokens = tokens + self.dropout(self.linear2(self.dropout(self.activation(self.linear1(inputs)))))
        return tokens if self.pre_norm else norm(tokens)


class EncoderLayer(_Layer):
    def __init__(self, width: int, dropout: float, config: LeRobotActConfig) -> None:
        super().__init__(width, dropout, config, norms=2)

    def forward(self, tokens: Tensor, positions: Tensor, hidden: Tensor | None = None) -> Tensor:
        return self.transform(self.attend_itself(tokens, positions, hidden), self.norm2)


class Encoder(nn.Module):
    """tokens (B, T, width) with positions (T, width) or (B, T, width) -> (B, T, width)."""

    def __init__(self, layers: int, width: int, dropout: float, config: LeRobotActConfig) -> None:
        super().__init__()
        self.layers = nn.ModuleList(EncoderLayer(width, dropout, config) for _ in range(layers))
        self.norm = nn.LayerNorm(width) if config.pre_norm else nn.Identity()

    def forward(self, tokens: Tensor, positions: Tensor, hidden: Tensor | None = None) -> Tensor:
        for layer in self.layers:
            tokens = layer(tokens, positions, hidden)
        return self.norm(tokens)


class DecoderLayer(_Layer):
    def __init__(self, width: int, dropout: float, config: LeRobotActConfig) -> None:
        super().__init__(width, dropout, config, norms=3)
        self.multihead_attn = nn.MultiheadAttention(width, config.attention_heads, dropout, batch_first=True)

    def begin(self, queries: Tensor) -> Tensor:
        """attend_itself of rows that are all 0, (1, 1 or H, width). Whatever is attended to, a mean of equal values is
        that value: neither queries nor keys are needed, save for training's dropout."""
        if self.training:
            return self.attend_itself(torch.zeros_like(queries)[None], queries)
        width, attention = queries.shape[1], self.self_attn
        nothing = queries.new_zeros(1, 1, width)
        value = self.norm1(nothing) if self.pre_norm else nothing
        found = attention.out_proj(
            linear(value, attention.in_proj_weight[2 * width :], attention.in_proj_bias[2 * width :])
        )
        return found if self.pre_norm else self.norm1(found)

    def forward(self, rows: Tensor, queries: Tensor, memory: Tensor, placed: Tensor) -> Tensor:
        """rows (B, H, width), that have attended to one another; queries (H, width); memory (B, T, width), and the same
        with its positions added."""
        asking = (self.norm2(rows) if self.pre_norm else rows) + queries
        found, _ = self.multihead_attn(asking.expand(len(memory), -1, -1), placed, memory, need_weights=False)
        rows = rows + self.dropout(found)
        return self.transform(rows if self.pre_norm else self.norm2(rows), self.norm3)


class Decoder(nn.Module):
    """Rows that start as zeros ask the memory (B, T, width): (B, H, width)."""

    def __init__(self, width: int, dropout: float, config: LeRobotActConfig) -> None:
        super().__init__()
        self.layers = nn.ModuleList(DecoderLayer(width, dropout, config) for _ in range(config.decoder_layers))
        self.norm = nn.LayerNorm(width)

    def forward(self, queries: Tensor, memory: Tensor, positions: Tensor) -> Tensor:
        placed, rows = memory + positions, None
        for layer in self.layers:
            assert isinstance(layer, DecoderLayer)
            rows = layer.begin(queries) if rows is None else layer.attend_itself(rows, queries)
            rows = layer(rows, queries, memory, placed)
        return self.norm(rows)
