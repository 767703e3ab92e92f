"""What a training run shows of itself while it goes on: losses, validation, scores of roll-outs; TensorBoard."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from torch.utils.tensorboard import SummaryWriter

LOG_EVERY = 10
"""Steps between points of the loss in TensorBoard."""


@dataclass
class Curves:
    """losses: of every step. validation: (step, loss) of the averaged weights. scores: (step, score) of roll-outs."""

    losses: list[float] = field(default_factory=list)
    validation: list[tuple[int, float]] = field(default_factory=list)
    scores: list[tuple[int, float]] = field(default_factory=list)

    @property
    def final_loss(self) -> float:
        """Mean over the last tenth of the steps."""
        last = self.losses[-max(1, len(self.losses) // 10) :]
        return sum(last) / len(last)

    def to_document(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> "Curves":
        points = {key: [(int(step), float(value)) for step, value in document[key]] for key in ("validation", "scores")}
        return cls([float(loss) for loss in document["losses"]], **points)


class Board:
    """TensorBoard's event files in a folder; what an interrupted run wrote after step `done` is discarded."""

    def __init__(self, folder: Path, done: int) -> None:
        self._writer = SummaryWriter(str(folder), purge_step=done + 1 if done else None)

    def step(self, done: int, loss: float, learning_rate: float, gradient: float) -> None:
        if done % LOG_EVERY == 0:
            self._writer.add_scalar("loss/train", loss, done)
            self._writer.add_scalar("learning_rate", learning_rate, done)
            self._writer.add_scalar("gradient_norm", gradient, done)

    def scalar(self, name: str, value: float, done: int) -> None:
        self._writer.add_scalar(name, value, done)

    def close(self) -> None:
        self._writer.close()
