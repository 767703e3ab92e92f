"""The two steps of FAST: rounded DCT coefficients, and byte-pair encoding of them with the `tokenizers` library."""

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import scipy.fft
import torch
from torch import Tensor

from bc_core.errors import BcError

_FIRST = 0x4E00  # code point of the smallest coefficient: 20 000 ideographs follow, none of which BPE treats specially
_MOST = 20_000


class Dct:
    """Orthonormal DCT-II along the rows, coefficients times `scale` rounded. Round trip: each coefficient is off by at
    most half a step, 0.5 / scale; the transform is orthonormal, so is a chunk's error, in norm."""

    def __init__(self, horizon: int, scale: float) -> None:
        self.matrix = torch.from_numpy(
            scipy.fft.dct(torch.eye(horizon, dtype=torch.float64).numpy(), norm="ortho", axis=0)
        )
        self.scale = scale

    def forward(self, chunks: Tensor) -> Tensor:
        """(B, H, E) -> whole numbers (B, H, E), row 0 the lowest frequency."""
        return (self.scale * (self.matrix @ chunks.double())).round().long()

    def inverse(self, coefficients: Tensor) -> Tensor:
        return (self.matrix.T @ (coefficients.double() / self.scale)).float()


@dataclass(frozen=True)
class Alphabet:
    """Coefficients low ... high as characters, and the byte-pair encoding of strings of them."""

    low: int
    high: int
    tokenizer: Any

    def encode(self, coefficients: Tensor) -> list[list[int]]:
        """(B, H, E) -> token ids, low frequencies of all coordinates first; what the data never held is clipped."""
        return [encoding.ids for encoding in self.tokenizer.encode_batch(self.texts(coefficients))]

    def decode(self, tokens: Sequence[Sequence[int]]) -> Tensor:
        """Token ids -> coefficients (B, H * E)."""
        texts = ("".join(self.tokenizer.id_to_token(token) for token in sequence) for sequence in tokens)
        return torch.tensor([[ord(character) - _FIRST + self.low for character in text] for text in texts])

    def texts(self, coefficients: Tensor) -> list[str]:
        clipped = coefficients.clamp(self.low, self.high).flatten(1) - self.low + _FIRST
        return ["".join(map(chr, row)) for row in clipped.tolist()]

    def lengths(self, vocabulary: int) -> Tensor:
        """How many coefficients each token stands for, (vocabulary,); 0: there is no such token."""
        words = [self.tokenizer.id_to_token(token) for token in range(vocabulary)]
        return torch.tensor([len(word) if word else 0 for word in words])

    def to_bytes(self) -> bytes:
        return f"{self.low} {self.high} {self.tokenizer.to_str()}".encode()

    @classmethod
    def from_bytes(cls, document: bytes) -> "Alphabet":
        low, high, text = document.decode().split(" ", 2)
        return cls(int(low), int(high), _tokenizers().Tokenizer.from_str(text))


def train_tokens(coefficients: Tensor, vocabulary: int) -> Alphabet:
    """Byte pairs of the coefficients of many chunks, (N, H, E). BcError: the vocabulary holds not even the alphabet."""
    library = _tokenizers()
    low, high = int(coefficients.min()), int(coefficients.max())
    count = high - low + 1
    if count > min(vocabulary, _MOST):
        raise BcError(
            f"the chunks' DCT coefficients take {count} values, policy.vocabulary is {vocabulary} (at most {_MOST} of "
            "them can be written): raise it, or lower policy.scale"
        )
    tokenizer = library.Tokenizer(library.models.BPE())
    trainer = library.trainers.BpeTrainer(
        vocab_size=vocabulary,
        initial_alphabet=[chr(_FIRST + index) for index in range(count)],
        special_tokens=[],
        show_progress=False,
        max_token_length=64,
    )
    alphabet = Alphabet(low, high, tokenizer)
    tokenizer.train_from_iterator(alphabet.texts(coefficients), trainer)
    return alphabet


def _tokenizers() -> Any:
    try:
        library = importlib.import_module("tokenizers")
        importlib.import_module("tokenizers.trainers")
    except ImportError as error:
        raise BcError("a FAST policy needs the package tokenizers: pip install tokenizers==0.23.3") from error
    return library
