"""Transformer layers whose positions are added to queries and keys alone, in every layer.

Carion et al., "End-to-End Object Detection with Transformers" (DETR), arXiv 2005.12872, appendix A.3, as ACT has them.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, relu

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

    def forward(self, rows: Tensor, queries: Tensor, memory: Tensor, placed: Tensor) -> Tensor:
        """rows (B, H, width) at queries (H, width); memory (B, T, width), and the same with its positions added."""
        rows = self.attend_itself(rows, queries)
        asking = (self.norm2(rows) if self.pre_norm else rows) + queries
        found, _ = self.multihead_attn(asking, placed, memory, need_weights=False)
        rows = rows + self.dropout(found)
        return self.transform(rows if self.pre_norm else self.norm2(rows), self.norm3)


class Decoder(nn.Module):
    """Rows that start as zeros ask the memory (B, T, width): (B, H, width)."""

    def __init__(self, width: int, dropout: float, config: LeRobotActConfig) -> None:
        super().__init__()
        self.layers = nn.ModuleList(DecoderLayer(width, dropout, config) for _ in range(config.decoder_layers))
        self.norm = nn.LayerNorm(width)

    def forward(self, queries: Tensor, memory: Tensor, positions: Tensor) -> Tensor:
        placed = memory + positions
        rows = torch.zeros(len(memory), *queries.shape, device=memory.device)
        for layer in self.layers:
            rows = layer(rows, queries, memory, placed)
        return self.norm(rows)
