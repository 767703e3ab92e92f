"""LeRobot's side, in a Python that has lerobot >= 0.4: commands as JSON lines on stdin, answers on a file
descriptor that is given by number: what the libraries print is no answer.

{"do": "make", "case": NAME, "folder": DIR}   a policy with LeRobot's own random weights, saved by LeRobot
{"do": "load", "folder": DIR}                 from_pretrained, processors included
{"do": "chunk", "seed": N}                    seconds of CPU, wall and the chunk, for the observations of cases.py
"""

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from cases import ACTIONS, CASES, ENVIRONMENT, STATE
from lerobot.configs.policies import PreTrainedConfig
from lerobot.configs.types import FeatureType, PolicyFeature
from lerobot.policies.act.configuration_act import ACTConfig
from lerobot.policies.diffusion.configuration_diffusion import DiffusionConfig
from lerobot.policies.factory import get_policy_class, make_pre_post_processors
from lerobot.policies.utils import populate_queues, prepare_observation_for_inference


def make(case: str, folder: str) -> dict[str, Any]:
    wanted = CASES[case]
    inputs = {"observation.state": PolicyFeature(FeatureType.STATE, (STATE,))}
    if wanted["camera"]:
        inputs["observation.images.camera"] = PolicyFeature(FeatureType.VISUAL, (3, *wanted["camera"]))
    else:
        inputs["observation.environment_state"] = PolicyFeature(FeatureType.ENV, (ENVIRONMENT,))
    outputs = {"action": PolicyFeature(FeatureType.ACTION, (ACTIONS,))}
    torch.manual_seed(0)
    config_class = ACTConfig if wanted["type"] == "act" else DiffusionConfig
    config = config_class(input_features=inputs, output_features=outputs, device="cpu",
                          pretrained_backbone_weights=None, **wanted["settings"])  # fmt: skip
    policy = get_policy_class(config.type)(config)
    statistics = {}
    for key, feature in {**inputs, **outputs}.items():
        shape = (3, 1, 1) if feature.type is FeatureType.VISUAL else feature.shape
        parts = {"mean": 0.4, "std": 0.3, "min": -1.0, "max": 1.2}
        statistics[key] = {part: torch.full(shape, value) for part, value in parts.items()}
    before, after = make_pre_post_processors(config, dataset_stats=statistics)
    for part in (policy, before, after):
        part.save_pretrained(folder)
    return {}


class Loaded:
    def __init__(self, folder: str) -> None:
        config = PreTrainedConfig.from_pretrained(folder)
        self.policy = get_policy_class(config.type).from_pretrained(folder, config=config, strict=True)
        self.policy.eval()
        self.before, self.after = make_pre_post_processors(config, pretrained_path=folder)
        with np.load(Path(folder).parent / "observations.npz") as stored:
            self.observations = [
                {key.partition("|")[0]: stored[key] for key in stored.files if key.endswith(f"|{tick}")}
                for tick in range(config.n_obs_steps)
            ]

    def chunk(self, seed: int) -> dict[str, Any]:
        """The newest observation in, absolute actions out; those before it are in the policy's queues."""
        self.policy.reset()
        for observation in self.observations[:-1]:
            self._see(observation)
        torch.manual_seed(seed)
        wall, cpu = time.perf_counter(), time.process_time()
        batch = self._see(self.observations[-1])
        chunk = self.after(self.policy.predict_action_chunk(batch))[0]
        return {"cpu": time.process_time() - cpu, "wall": time.perf_counter() - wall, "chunk": chunk.tolist()}

    def _see(self, observation: dict[str, Any]) -> dict[str, Any]:
        seen = prepare_observation_for_inference(dict(observation), torch.device("cpu"))
        batch = {key: value for key, value in self.before(seen).items() if key.startswith("observation.")}
        if self.policy.config.type == "diffusion":
            if self.policy.config.image_features:
                batch["observation.images"] = torch.stack(
                    [batch[key] for key in self.policy.config.image_features], dim=-4
                )
            populate_queues(self.policy._queues, batch)
        return batch


def main() -> None:
    torch.set_num_threads(1)
    loaded, answers = None, os.fdopen(int(sys.argv[1]), "w")
    for line in sys.stdin:
        wanted = json.loads(line)
        if wanted["do"] == "make":
            answer = make(wanted["case"], wanted["folder"])
        elif wanted["do"] == "load":
            loaded = Loaded(wanted["folder"])
            answer = {}
        else:
            assert loaded is not None
            answer = loaded.chunk(wanted["seed"])
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
