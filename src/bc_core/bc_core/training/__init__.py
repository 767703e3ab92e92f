"""Training: bags to a checkpoint."""

from bc_core.training.train import train

__all__ = ["train"]
