"""Tests of bags share episode_maker."""
