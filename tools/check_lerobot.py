"""Load a data set with LeRobot's own classes, where LeRobot is installed, go through all of it, and train on it.

    python tools/check_lerobot.py DATASET

It needs an environment with lerobot >= 0.4 (not the one that bc_ros lives in). Prints what was loaded, and the loss of
LeRobot's ACT (a small one) before and after some steps; exits non-zero where LeRobot refuses something, where its
frames and its own account of them disagree, or where it does not learn.
"""

import json
import sys
from itertools import chain, islice, repeat
from pathlib import Path
from typing import Any

STEPS = 20


def train(data: Any, root: Path) -> tuple[float, float]:
    """Mean loss of LeRobot's own policy over the first and over the last fifth of STEPS optimizer steps."""
    import torch
    from lerobot.configs.types import FeatureType
    from lerobot.datasets.lerobot_dataset import LeRobotDataset
    from lerobot.datasets.utils import dataset_to_policy_features
    from lerobot.policies.act.configuration_act import ACTConfig
    from lerobot.policies.act.modeling_act import ACTPolicy
    from lerobot.policies.factory import make_pre_post_processors

    torch.manual_seed(0)
    features = dataset_to_policy_features(data.features)
    outputs = {key: feature for key, feature in features.items() if feature.type is FeatureType.ACTION}
    settings = ACTConfig(
        input_features={key: feature for key, feature in features.items() if key not in outputs},
        output_features=outputs,
        chunk_size=16,
        n_action_steps=16,
        dim_model=64,
        n_heads=4,
        dim_feedforward=128,
        n_encoder_layers=1,
        n_vae_encoder_layers=1,
        pretrained_backbone_weights=None,
        device="cpu",
    )
    policy = ACTPolicy(settings)
    prepare, _ = make_pre_post_processors(settings, dataset_stats=data.meta.stats)
    steps = {"action": [index / data.fps for index in settings.action_delta_indices]}
    chunks = LeRobotDataset("local/check", root=root, video_backend="pyav", delta_timestamps=steps)
    loader = torch.utils.data.DataLoader(chunks, batch_size=min(4, len(chunks)), shuffle=True, drop_last=True)
    optimizer = torch.optim.AdamW(policy.parameters(), lr=1e-3)
    losses: list[float] = []
    policy.train()
    for batch in islice(chain.from_iterable(repeat(loader)), STEPS):
        loss, _ = policy.forward(prepare(batch))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    fifth = STEPS // 5
    return sum(losses[:fifth]) / fifth, sum(losses[-fifth:]) / fifth


def main() -> int:
    import lerobot
    import torch
    from lerobot.datasets.lerobot_dataset import LeRobotDataset

    root = Path(sys.argv[1]).resolve()
    info = json.loads((root / "meta" / "info.json").read_text())
    data = LeRobotDataset("local/check", root=root, video_backend="pyav")
    assert len(data) == info["total_frames"], (len(data), info["total_frames"])
    assert data.num_episodes == info["total_episodes"]
    cameras = data.meta.video_keys
    means = {camera: torch.zeros(3) for camera in cameras}
    for index in range(len(data)):
        item = data[index]
        assert int(item["index"]) == index
        for camera in cameras:
            means[camera] += item[camera].mean(dim=(1, 2)) / len(data)
    for camera, mean in means.items():
        told = torch.tensor(data.meta.stats[camera]["mean"]).flatten()
        assert torch.allclose(mean, told.float(), atol=0.03), (camera, mean, told)
    horizon = {"action": [step / data.fps for step in range(16)]}
    chunks = LeRobotDataset("local/check", root=root, video_backend="pyav", delta_timestamps=horizon)
    loader = torch.utils.data.DataLoader(chunks, batch_size=min(16, len(chunks)), shuffle=True, drop_last=True)
    batch = next(iter(loader))
    assert batch["action"].shape[1:] == (16, info["features"]["action"]["shape"][0])
    last = LeRobotDataset("local/check", root=root, video_backend="pyav", episodes=[data.num_episodes - 1])
    assert int(last[0]["episode_index"]) == data.num_episodes - 1
    print(
        f"LeRobot {lerobot.__version__}: {data.num_episodes} episodes, {len(data)} frames, {len(cameras)} cameras: ok"
    )
    if not cameras:
        print("no training: LeRobot's ACT takes no data set without a camera")
        return 0
    before, after = train(data, root)
    print(f"LeRobot's ACT, {STEPS} steps: loss {before:.2f} to {after:.2f}")
    assert after < before, "it does not learn"
    return 0


if __name__ == "__main__":
    sys.exit(main())
