"""FAST: Pertsch et al., "FAST: Efficient Action Tokenization for Vision-Language-Action Models", arXiv 2501.09747.

Chunks are written as rounded DCT coefficients, low frequencies of all coordinates first, and byte-pair encoded; a
causal transformer predicts the tokens.
"""

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from bc_core.errors import BcError
from bc_core.policies.heads.base import Continuation, Head, draw_index, held_rows
from bc_core.policies.heads.bins import Range
from bc_core.policies.heads.config import FastConfig
from bc_core.policies.heads.fast_tokens import Alphabet, Dct, train_tokens
from bc_core.policies.transformer import CausalTransformer
from bc_core.policies.trunks import Size

_IGNORED = -100


class FastHead(Head):
    """Tokens know how many coefficients they stand for: sampling allows only those that still fit, and ends when the
    chunk is full, so that whatever is drawn decodes."""

    document: Tensor

    def __init__(self, size: Size, config: FastConfig) -> None:
        super().__init__(size)
        self.config = config
        self.range = Range(size.columns)
        self.dct = Dct(size.horizon, config.scale)
        self.cells = size.horizon * size.columns
        self.trunk = CausalTransformer(config.vocabulary, self.cells, size.width, size.blocks, size.dropout)
        self.register_buffer("document", torch.zeros(0, dtype=torch.uint8))
        self._alphabet: Alphabet | None = None
        self.register_load_state_dict_pre_hook(_resize_document)  # type: ignore[no-untyped-call]

    @property
    def alphabet(self) -> Alphabet:
        """The trained tokens. BcError before training."""
        if self._alphabet is None:
            if not len(self.document):
                raise BcError("the FAST tokens are not trained yet: train the policy")
            self._alphabet = Alphabet.from_bytes(bytes(self.document.tolist()))
        return self._alphabet

    def prepare(self, actions: Tensor, valid: Tensor, generator: torch.Generator) -> None:
        self.range.fit(actions, valid, self.config.low_quantile, self.config.high_quantile)
        whole = actions[valid.all(1)] if bool(valid.all(1).any()) else actions
        self._alphabet = train_tokens(self.dct.forward(self._scaled(whole)), self.config.vocabulary)
        self.document = torch.frombuffer(bytearray(self._alphabet.to_bytes()), dtype=torch.uint8)

    def tokens(self, actions: Tensor) -> list[list[int]]:
        """Token ids of chunks (B, H, E)."""
        return self.alphabet.encode(self.dct.forward(self._scaled(actions)))

    def chunks(self, tokens: list[list[int]]) -> Tensor:
        """Chunks (B, H, E) of token ids that stand for H x E coefficients each."""
        coefficients = self.alphabet.decode(tokens).unflatten(1, (self.size.horizon, self.size.columns))
        share = self.dct.inverse(coefficients)
        return self.range.low + 0.5 * (share + 1.0) * (self.range.high - self.range.low)

    def loss(self, condition: Tensor, actions: Tensor, valid: Tensor, generator: torch.Generator) -> Tensor:
        """Cross entropy of the tokens. A chunk's frequencies mix its rows: rows past the end repeat the last valid."""
        sequences = self.tokens(held_rows(actions, valid))
        longest = max(map(len, sequences))
        padded = torch.zeros(len(sequences), longest, dtype=torch.long)
        target = torch.full_like(padded, _IGNORED)
        for index, sequence in enumerate(sequences):
            padded[index, : len(sequence)] = target[index, : len(sequence)] = torch.tensor(sequence)
        return cross_entropy(self.trunk(condition, padded).transpose(1, 2), target, ignore_index=_IGNORED)

    def sample(self, condition: Tensor, generator: torch.Generator, continuation: Continuation | None = None) -> Tensor:
        lengths = self.alphabet.lengths(self.config.vocabulary)
        left = torch.full((len(condition),), self.cells)
        sequences: list[list[int]] = [[] for _ in range(len(condition))]
        token, caches = condition, None
        for position in range(self.cells):
            logits, caches = self.trunk.step(token, position, caches)
            fits = (lengths > 0) & (lengths <= left[:, None].clamp(min=1))
            index = draw_index(logits.masked_fill(~fits, -torch.inf), generator, self.config.temperature)
            for element in (left > 0).nonzero()[:, 0].tolist():
                sequences[element].append(int(index[element]))
            left = left - torch.where(left > 0, lengths[index], 0)
            if not bool((left > 0).any()):
                break
            token = self.trunk.embedding(index)
        return self.chunks(sequences)

    def _scaled(self, actions: Tensor) -> Tensor:
        return 2.0 * (actions - self.range.low) / (self.range.high - self.range.low) - 1.0


def _resize_document(module: FastHead, state: dict[str, Tensor], prefix: str, *_: object) -> None:
    """The tokens' length is known when a checkpoint is read, not before."""
    document = state.get(f"{prefix}document")
    if document is not None:
        module.document = torch.zeros_like(document)
        module._alphabet = None
