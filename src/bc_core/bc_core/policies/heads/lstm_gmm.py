"""LSTM-GMM (BC-RNN of robomimic, Mandlekar et al., arXiv 2108.03298): a recurrent network whose output is a mixture of
Gaussians for every action. Here it runs along the chunk, each row given the rows before it, so that a committed prefix
is simply read."""

import torch
from torch import Tensor, nn

from bc_core.policies.heads.base import Continuation, DensityHead, committed, draw_index, masked_row_mean
from bc_core.policies.heads.config import LstmGmmConfig
from bc_core.policies.heads.mixture import bounded, gaussian_log_density
from bc_core.policies.trunks import DirectTrunk, Size


class LstmGmmHead(DensityHead):
    def __init__(self, size: Size, config: LstmGmmConfig) -> None:
        super().__init__(size)
        self.config = config
        self.start = DirectTrunk(size, size.width)
        self.cell = nn.LSTM(size.columns + size.width, size.width, batch_first=True)
        self.output = nn.Linear(size.width, config.components * (1 + 2 * size.columns))

    def loss(self, condition: Tensor, actions: Tensor, valid: Tensor, generator: torch.Generator) -> Tensor:
        """Negative log-likelihood by coordinate."""
        return -masked_row_mean(self._by_row(condition, actions), valid) / self.size.columns

    def log_density(self, condition: Tensor, actions: Tensor) -> Tensor:
        return self._by_row(condition, actions).sum(1)

    def sample(self, condition: Tensor, generator: torch.Generator, continuation: Continuation | None = None) -> Tensor:
        """Means of components drawn by their weight, row after row."""
        given = committed(continuation, condition)
        context, state = self.start(condition), None
        row, rows = torch.zeros(len(condition), self.size.columns), []
        for index in range(self.size.horizon):
            hidden, state = self.cell(torch.cat([row, context], dim=1)[:, None], state)
            logits, means, _ = self._mixture(hidden[:, 0])
            if given is not None and index < given.shape[1]:
                row = given[:, index]
            else:
                row = means[torch.arange(len(means)), draw_index(logits, generator)]
            rows.append(row)
        return torch.stack(rows, 1)

    def _by_row(self, condition: Tensor, actions: Tensor) -> Tensor:
        """log p(row | rows before), (B, H)."""
        before = torch.cat([torch.zeros_like(actions[:, :1]), actions[:, :-1]], dim=1)
        context = self.start(condition)[:, None].expand(-1, self.size.horizon, -1)
        hidden, _ = self.cell(torch.cat([before, context], dim=2))
        logits, means, log_std = self._mixture(hidden)
        joint = gaussian_log_density(actions[..., None, :], means, log_std).sum(-1)
        return torch.logsumexp(logits.log_softmax(-1) + joint, dim=-1)

    def _mixture(self, hidden: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(..., K), (..., K, E), (..., K, E)."""
        shape = (self.config.components, self.size.columns)
        cells = shape[0] * shape[1]
        logits, means, log_std = self.output(hidden).split([self.config.components, cells, cells], dim=-1)
        return logits, means.unflatten(-1, shape), bounded(log_std.unflatten(-1, shape), self.config.smallest_std)
