"""A robot of two joints: its contract, and a policy for it that nobody has trained."""

from pathlib import Path
from typing import Any

import numpy as np
import yaml

from bc_core.checkpoint import save_policy
from bc_core.chunks import Space
from bc_core.contract import Contract
from bc_core.encoding import Encoding
from bc_core.normalisation import Normaliser
from bc_core.policies.chunk_policy import ChunkPolicy, input_layout
from bc_core.policies.config import PolicyConfig
from bc_core.policies.heads.config import FlowConfig
from bc_core.policies.vision.config import VisionConfig

JOINTS = ["j1", "j2"]
ARM: dict[str, Any] = {
    "topic": "joint_states",
    "type": "sensor_msgs/msg/JointState",
    "fields": ["position"],
    "names": JOINTS,
    "rate": 100,
    "rule": "asof",
    "latency": 0.0,
    "max_age": 0.1,
}
CONTRACT: dict[str, Any] = {
    "contract": "two_joints",
    "version": 1,
    "dt": 0.05,
    "robot": {"description": "two_joints", "base_frame": "base"},
    "observations": {"arm": ARM},
    "actions": {"arm": {"space": "joint_position", "names": JOINTS}},
}


def write_yaml(path: Path, document: object) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(yaml.safe_dump(document))
    return path


def write_checkpoint(
    folder: Path,
    contract: Path,
    horizon: int,
    observations: tuple[str, ...] = ("arm",),
    vision: VisionConfig = VisionConfig(),
    n_obs_steps: int = 1,
    encoding: Encoding = Encoding.RELATIVE,
) -> Path:
    """vision: of the cameras among the observations."""
    read = Contract.load(contract)
    head = FlowConfig(flow_steps=3)
    config = PolicyConfig(observations, (), n_obs_steps, horizon, encoding, 0.1, 32, 1, 0.0, head, vision)
    encoder, features, _, _ = input_layout(read, config)
    size = features({"arm": np.zeros((n_obs_steps, 2))}).size
    scale, mean = np.full((horizon, encoder.width), 0.1), np.zeros((horizon, encoder.width))
    if read.groups[0].space == Space.CARTESIAN_POSE:
        mean[:, [3, 7]] = 1.0  # two columns of a rotation that turns nothing
    policy = ChunkPolicy(read, config, Normaliser(np.zeros(size), np.ones(size)), Normaliser(mean, scale))
    save_policy(policy, folder, {})
    return folder
