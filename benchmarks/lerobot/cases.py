"""The policies that are compared, as both sides know them. LeRobot's environment reads this too."""

from typing import Any

STATE, ENVIRONMENT, ACTIONS = 8, 6, 8
SEED = 3
# settings: of LeRobot's configuration class, beyond its defaults; camera: height and width of the one camera
CASES: dict[str, dict[str, Any]] = {
    "ACT, from states": {"type": "act", "camera": None, "settings": {}},
    "ACT, camera 240x320": {"type": "act", "camera": (240, 320), "settings": {}},
    "diffusion, channels 128 256 512, from states, DDPM 100 steps": {
        "type": "diffusion", "camera": None, "settings": {"down_dims": (128, 256, 512)},
    },
    "diffusion, camera 96x96, DDIM 10 steps": {
        "type": "diffusion", "camera": (96, 96),
        "settings": {"noise_scheduler_type": "DDIM", "num_inference_steps": 10},
    },
}  # fmt: skip
QUICK = ("ACT, from states",)
