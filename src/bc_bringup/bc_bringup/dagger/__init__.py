"""Rounds of dataset aggregation over the real graph: a directory per round, and every step taken once."""
