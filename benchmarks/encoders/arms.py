"""The representations that are compared. Arm, gripper and tool pose are seen by all; head, trunk, steps and data are
the same."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from bc_bringup import resources
from benchmarks.encoders.plan import Budget

OWN, HISTORY = ("arm", "gripper", "tcp"), 3


@dataclass(frozen=True)
class Arm:
    """kind: the lecture's word. vision: the encoder's settings as in a policy configuration; None: no camera.
    pretrained: its weights come from `bcros pretrain`.
    """

    title: str
    kind: str
    vision: dict[str, Any] | None = field(default_factory=dict)
    pretrained: bool = False


ARMS = {
    "explicit": Arm("object pose", "explicit", None),
    "scratch": Arm("convolutions, from scratch", "minimal", {"type": "spatial_softmax"}),
}


def configuration(arm: Arm, budget: Budget, seed: int) -> dict[str, Any]:
    """config/policies/flow.yaml with what the arm sees.

    Two ticks lie between the oldest and the newest of HISTORY pictures, so that they are never one and the same: the
    camera is slower than the grid.
    """
    document: dict[str, Any] = yaml.safe_load(Path(resources.config_path("policy", "flow")).read_text(encoding="utf-8"))
    policy, training = document["policy"], document["training"]
    policy["n_obs_steps"] = HISTORY
    policy["observations"] = [*OWN, "object" if arm.vision is None else "camera"]
    if arm.vision is not None:
        policy["relations"] = []
    training.update(
        steps=budget.steps, batch=budget.batch, noise_draws=4, warmup=budget.steps // 20, ema=0.99, validation=0.0,
        seed=seed, threads=1, save_every=budget.steps,
    )  # fmt: skip
    return document
