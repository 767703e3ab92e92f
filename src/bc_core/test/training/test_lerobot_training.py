"""Policies in LeRobot's architecture are trained as any other, and can be taken there."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bc_core.checkpoint import load_policy
from bc_core.contract import Contract
from bc_core.errors import BcError
from bc_core.lerobot.policy.export import export_policy
from bc_core.lerobot.policy.load import read_policy

from .swing import SWING, frame_at, record, reference, settings, train

SMALL = {
    "lerobot_act": {"n_obs_steps": 1, "width": 32, "blocks": 1, "attention_heads": 4, "feedforward": 64, "latent": 4,
                    "vae_layers": 1},
    "lerobot_diffusion": {"n_obs_steps": 2, "horizon": 11, "width": 16, "blocks": 2, "channels": [16, 32],
                          "train_timesteps": 20, "sampling_steps": 5, "scheduler": "DDIM", "prediction": "sample"},
}  # fmt: skip


def small(kind: str) -> dict[str, Any]:
    document = settings(steps=60, batch=32, learning_rate=0.005, validation=0.0)
    for key in ("flow_steps", "prefix_rows", "trunk"):
        document["policy"].pop(key, None)
    document["policy"].update(type=kind, encoding="absolute", environment=["gripper"], **SMALL[kind])
    return document


@pytest.mark.parametrize("kind", SMALL)
def test_trained_exported_and_imported_again(
    kind: str, contract: Contract, new_recording: Callable[[int], Any], tmp_path: Path
) -> None:
    bags = [record(contract, new_recording(number), side=1.0) for number in range(2)]
    summary = train(bags, contract, small(kind), tmp_path / "ours")
    policy = load_policy(tmp_path / "ours")
    rows, tick = reference(1.0), 12
    seen = frame_at(rows, tick)
    past = frame_at(rows, tick - 1)
    values = {stream: np.concatenate([past.values[stream], seen.values[stream]])[-policy.n_obs_steps :]
              for stream in seen.values}  # fmt: skip
    seen = type(seen)(tick, values, {})
    chunk = policy.infer(seen, seed=0)
    assert summary["train_loss"] < 1.0
    assert np.abs(chunk - rows[tick : tick + policy.horizon])[:, 0].mean() < 0.2 * SWING
    export_policy(tmp_path / "ours", tmp_path / "theirs")
    again = read_policy(tmp_path / "theirs", None)
    assert again.streams == policy.streams
    np.testing.assert_allclose(again.infer(seen, seed=0), chunk, atol=1e-4)


def test_other_policies_cannot_be_exported(
    contract: Contract, new_recording: Callable[[int], Any], tmp_path: Path
) -> None:
    train([record(contract, new_recording(0), side=1.0)], contract, settings(steps=1), tmp_path / "ours")
    with pytest.raises(BcError, match="is a flow policy, whose network LeRobot does not have: train a lerobot_act or"):
        export_policy(tmp_path / "ours", tmp_path / "theirs")
    assert not (tmp_path / "theirs").exists()


@pytest.mark.parametrize(
    ("kind", "changes", "words"),
    [
        ("lerobot_act", {"encoding": "relative"}, "encoding: absolute"),
        ("lerobot_act", {"n_obs_steps": 2}, "sees one tick"),
        ("lerobot_act", {"environment": []}, "needs a camera, or streams in policy.environment"),
        ("lerobot_act", {"environment": ["tcp"]}, "names 'tcp', which is no numeric stream"),
        ("lerobot_act", {"attention_heads": 5}, "multiple of attention_heads = 5"),
        ("lerobot_diffusion", {"horizon": 12}, "makes 13 rows"),
        ("lerobot_diffusion", {"channels": [12, 24]}, "multiples of groups = 8"),
        ("lerobot_diffusion", {"sampling_steps": 50}, "exceeds train_timesteps = 20"),
        ("lerobot_diffusion", {"group_norm": False}, "batch statistics are not trained here"),
    ],
)
def test_settings_that_lerobot_could_not_have(
    kind: str, changes: dict[str, Any], words: str, contract: Contract, new_recording: Callable[[int], Any],
    tmp_path: Path,
) -> None:  # fmt: skip
    document = small(kind)
    document["policy"].update(changes)
    with pytest.raises(BcError, match=words):
        train([record(contract, new_recording(0), side=1.0)], contract, document, tmp_path / "ours")
