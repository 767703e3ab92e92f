"""The golden checkpoints, their invented weights filled in, and a contract for their robot."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from bc_core.contract import Contract
from bc_core.frames import Frame
from bc_core.lerobot.policy.source import ENVIRONMENT, STATE
from bc_core.lerobot.policy.streams import Streams
from bc_core.policies.chunk_policy import ChunkPolicy

from .invented import image, noise, weight

GOLDEN = Path(__file__).parent / "golden"
CASES = sorted(folder.name for folder in GOLDEN.iterdir())
NAMES = {STATE: ("arm", "hand"), ENVIRONMENT: ("object",)}
JOINTS = ["a", "b", "c", "d"]


def contract() -> Contract:
    """Four joints and a hand (state), an object (environment), two cameras; three of the joints are commanded."""
    sampled = {"rate": 100, "rule": "asof", "latency": 0.0, "max_age": 0.1}
    joints = {"topic": "joint_states", "type": "sensor_msgs/msg/JointState", "fields": ["position"], **sampled}
    fields = [f"pose.pose.position.{axis}" for axis in "xyz"]
    camera = {"type": "sensor_msgs/msg/Image", "shape": [64, 96, 3], "encoding": "rgb8", **sampled}
    document = {
        "contract": "small", "version": 1, "dt": 0.05, "robot": {"description": "none", "base_frame": "base"},
        "observations": {
            "arm": {**joints, "names": JOINTS},
            "hand": {**joints, "names": ["hand"]},
            "object": {"topic": "object", "type": "nav_msgs/msg/Odometry", "fields": fields, **sampled},
            "top": {"topic": "top", **camera},
            "wrist": {"topic": "wrist", **camera},
        },
        "actions": {"arm": {"space": "joint_position", "names": JOINTS[:3]}},
    }  # fmt: skip
    return Contract.from_document(document, "test")


def streams(case: str) -> Streams:
    inputs = json.loads((GOLDEN / case / "config.json").read_text())["input_features"]
    return Streams(NAMES[STATE], NAMES[ENVIRONMENT] if ENVIRONMENT in inputs else ())


def checkpoint(case: str, folder: Path) -> Path:
    """The checkpoint as LeRobot wrote it."""
    out = folder / case
    shutil.copytree(GOLDEN / case, out)
    constants = load_file(out / "constants.safetensors") if (out / "constants.safetensors").exists() else {}
    tensors = {
        name: constants[name] if name in constants
        else torch.from_numpy(weight(name, tuple(shape))).to(getattr(torch, dtype))
        for name, (dtype, shape) in json.loads((out / "tensors.json").read_text()).items()
    }  # fmt: skip
    save_file(tensors, out / "model.safetensors")
    for name in ("tensors.json", "constants.safetensors"):
        (out / name).unlink(missing_ok=True)
    return out


def expected(case: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((GOLDEN / case / "chunk.json").read_text())
    return document


def frame(policy: ChunkPolicy) -> Frame:
    """What LeRobot was shown, in our streams."""
    values = {}
    ticks = range(policy.n_obs_steps)
    for key, names in NAMES.items():
        width = 5 if key == STATE else 3
        rows = np.stack([noise(f"{key} {tick}", width).astype(np.float32) for tick in ticks]).astype(np.float64)
        parts = np.split(rows, [4], axis=1) if key == STATE else [rows]
        values.update(zip(names, parts, strict=True))
    for camera in ("top", "wrist"):
        values[camera] = np.stack([image(f"observation.images.{camera} {tick}", 64, 96) for tick in ticks])
    return Frame(0, {stream: values[stream] for stream in policy.streams}, {})
