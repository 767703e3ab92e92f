"""A task of two minds in small bags: joint 1 stands for 8 ticks, then swings to one side or the other."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from bc_core.contract import Contract
from bc_core.frames import Frame
from bc_core.training import train as training

CONFIG = Path(__file__).parents[4] / "config" / "policies" / "flow.yaml"
SHIPPED = [path for path in sorted(CONFIG.parent.glob("*.yaml")) if "vision:" not in path.read_text()]
"""Policies without cameras; those with are in test_pretraining.py."""
HUMAN = 3
EPISODE_TICKS = 30
SWING = 0.5  # rad: where joint 1 goes, to one side or the other
OF_LEROBOT: dict[str, dict[str, Any]] = {
    "lerobot_act": {"environment": ["gripper"]},
    "lerobot_diffusion": {"environment": ["gripper"], "blocks": 2, "horizon": 24, "channels": [16, 32]},
}
"""What the shipped configurations of these types need here, where nothing else is seen than joints, at one tick."""
train = partial(training.train, page=False)


def settings(**training: Any) -> dict[str, Any]:
    """The shipped configuration, made small."""
    document: dict[str, Any] = yaml.safe_load(CONFIG.read_text())
    document["policy"].update(
        observations=["arm", "gripper"],
        relations=[],
        n_obs_steps=1,
        horizon=12,
        flow_steps=10,
        width=128,
        blocks=2,
        dropout=0.0,
    )
    document["training"].update(
        steps=800, batch=128, noise_draws=1, warmup=20, ema=0.98, threads=1, learning_rate=0.003
    )
    document["training"].update(training)
    return document


def reference(side: float) -> np.ndarray:
    """Joint 1 stands for 8 ticks, then swings to a side; joint 2 shows how late it is; (EPISODE_TICKS + 1, 8)."""
    progress = np.clip((np.arange(EPISODE_TICKS + 1) - 8) / 12, 0.0, 1.0)
    rows = np.zeros((EPISODE_TICKS + 1, 8))
    rows[:, 0] = side * SWING * (1 - np.cos(np.pi * progress)) / 2
    rows[:, 1] = 0.02 * np.arange(EPISODE_TICKS + 1)
    rows[:, 7] = 0.04
    return rows


def record(contract: Contract, recording: Any, side: float, outcome: str = "success") -> Path:
    """One demonstration: chunks of three rows, as a teleoperator sends them; the arm follows a tick behind."""
    t, rng = contract.grid.time, np.random.default_rng(recording.seed)
    rows, start = reference(side), 1000
    recording.mode(t(start), HUMAN, 2)
    for tick in range(EPISODE_TICKS - 1):
        measured = rows[max(tick - 1, 0)] + rng.normal(0.0, 2e-4, 8)
        recording.joints(t(start + tick), measured[:7], measured[7])
        recording.chunk("human", tick + 1, t(start + tick), rows[tick : tick + 3], in_force=t(start + tick))
    return recording.close(outcome)


def frame_at(rows: np.ndarray, tick: int) -> Frame:
    measured = rows[max(tick - 1, 0)]
    return Frame(tick, {"arm": measured[None, :7], "gripper": measured[None, 7:]}, {})
