"""Load a data set with LeRobot's own classes, where LeRobot is installed, and go through all of it.

    python tools/check_lerobot.py DATASET

It needs an environment with lerobot >= 0.4 (not the one that bc_ros lives in). Prints what was loaded; exits non-zero
where LeRobot refuses something, or where its frames and its own account of them disagree.
"""

import json
import sys
from pathlib import Path


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
    return 0


if __name__ == "__main__":
    sys.exit(main())
