"""Training: bags to a checkpoint."""
