"""What LeRobot's own policies answer, for the tests beside this file.

    python src/bc_core/test/lerobot_policies/make_golden.py [OUT]

It needs an environment with lerobot >= 0.4 (not the one that bc_ros lives in). Every case is a folder: the files of a
checkpoint save for its weights, whose names and shapes are in tensors.json (their values are invented, invented.py);
the constants among them in constants.safetensors; and LeRobot's chunk for an observation and a seed in chunk.json.
"""

import json
import shutil
import sys
import tempfile
from pathlib import Path

import lerobot
import torch
from invented import image, noise, weight
from lerobot.configs.types import FeatureType, NormalizationMode, PolicyFeature
from lerobot.policies.act.configuration_act import ACTConfig
from lerobot.policies.diffusion.configuration_diffusion import DiffusionConfig
from lerobot.policies.factory import get_policy_class, make_pre_post_processors
from lerobot.policies.utils import populate_queues, prepare_observation_for_inference
from safetensors.torch import load_file, save_file

HERE = Path(__file__).parent
STATE, ENVIRONMENT, ACTION = "observation.state", "observation.environment_state", "action"
CONSTANTS = ("vae_encoder_pos_enc", "pos_grid")
SEED = 7
SMALL_ACT = {"dim_model": 32, "n_heads": 4, "dim_feedforward": 48, "n_encoder_layers": 2, "n_vae_encoder_layers": 1,
             "latent_dim": 6, "chunk_size": 8, "n_action_steps": 8}  # fmt: skip
SMALL_UNET = {"down_dims": (16, 32), "diffusion_step_embed_dim": 16, "spatial_softmax_num_keypoints": 8}


def act(**settings):
    return ACTConfig, {**SMALL_ACT, "pretrained_backbone_weights": None, **settings}


def diffusion(**settings):
    return DiffusionConfig, {**SMALL_UNET, "pretrained_backbone_weights": None, **settings}


QUANTILES = dict.fromkeys(("STATE", "ENV", "ACTION", "VISUAL"), NormalizationMode.QUANTILES)
CASES = {
    "act_state": (act(), 5, 3, {}),
    "act_pre_norm": (
        act(pre_norm=True, feedforward_activation="gelu", use_vae=False, n_decoder_layers=2,
            normalization_mapping=QUANTILES), 5, 3, {}),
    "act_cameras": (act(n_action_steps=5), 5, 0, {"top": (64, 96), "wrist": (64, 96)}),
    "diffusion_state": (diffusion(horizon=8, n_action_steps=4, num_train_timesteps=20), 5, 3, {}),
    "diffusion_ddpm_strided": (
        diffusion(horizon=8, n_action_steps=6, n_obs_steps=3, num_train_timesteps=50, num_inference_steps=10,
                  beta_schedule="linear", use_film_scale_modulation=False, kernel_size=3, n_groups=4,
                  prediction_type="sample"), 5, 3, {}),
    "diffusion_cameras": (
        diffusion(horizon=8, n_action_steps=7, noise_scheduler_type="DDIM", num_inference_steps=5,
                  resize_shape=(72, 108), crop_ratio=0.9, use_separate_rgb_encoder_per_camera=True), 5, 3,
        {"top": (64, 96), "wrist": (64, 96)}),
    "diffusion_batch_norm": (
        diffusion(horizon=8, n_action_steps=7, noise_scheduler_type="DDIM", num_inference_steps=4, crop_shape=(59, 90),
                  use_group_norm=False, prediction_type="sample", clip_sample_range=0.7), 5, 0,
        {"top": (64, 96), "wrist": (64, 96)}),
}  # fmt: skip
ROWS = 3  # columns of an action


def features(state, environment, cameras):
    found = {STATE: PolicyFeature(FeatureType.STATE, (state,))}
    if environment:
        found[ENVIRONMENT] = PolicyFeature(FeatureType.ENV, (environment,))
    for camera, (height, width) in cameras.items():
        found[f"observation.images.{camera}"] = PolicyFeature(FeatureType.VISUAL, (3, height, width))
    return found


def statistics(inputs):
    found = {}
    for key, feature in {**inputs, ACTION: PolicyFeature(FeatureType.ACTION, (ROWS,))}.items():
        shape = (3, 1, 1) if feature.type is FeatureType.VISUAL else feature.shape
        count = shape[0]
        middle, spread = 0.5 + 0.3 * noise(key + "middle", count), 0.4 + 0.3 * noise(key + "spread", count)
        parts = {"mean": middle, "std": spread, "min": middle - spread, "max": middle + 1.1 * spread,
                 "q01": middle - 0.9 * spread, "q99": middle + spread}  # fmt: skip
        found[key] = {part: torch.tensor(value, dtype=torch.float32).reshape(shape) for part, value in parts.items()}
    return found


def observation(inputs, tick):
    """As a robot gives it."""
    found = {}
    for key, feature in inputs.items():
        if feature.type is FeatureType.VISUAL:
            found[key] = image(f"{key} {tick}", *feature.shape[1:])
        else:
            found[key] = noise(f"{key} {tick}", feature.shape[0]).astype("float32")
    return found


def make(case, out):
    (config_class, settings), state, environment, cameras = CASES[case]
    inputs = features(state, environment, cameras)
    config = config_class(
        input_features=inputs, output_features={ACTION: PolicyFeature(FeatureType.ACTION, (ROWS,))}, device="cpu",
        **settings,
    )  # fmt: skip
    policy = get_policy_class(config.type)(config)
    constants, shapes = {}, {}
    tensors = policy.state_dict()
    for name, tensor in tensors.items():
        shapes[name] = [str(tensor.dtype).removeprefix("torch."), list(tensor.shape)]
        if name.endswith(CONSTANTS):
            constants[name] = tensor.clone()
        else:
            tensors[name] = torch.from_numpy(weight(name, tuple(tensor.shape))).to(tensor.dtype)
    policy.load_state_dict(tensors)
    policy.eval()
    before, after = make_pre_post_processors(config, dataset_stats=statistics(inputs))
    policy.reset()
    for tick in range(config.n_obs_steps):
        seen = prepare_observation_for_inference(observation(inputs, tick), torch.device("cpu"))
        batch = {key: value for key, value in before(seen).items() if key.startswith("observation.")}
        if config.type == "diffusion":
            if cameras:
                batch["observation.images"] = torch.stack([batch[key] for key in config.image_features], dim=-4)
            populate_queues(policy._queues, batch)
    torch.manual_seed(SEED)
    chunk = after(policy.predict_action_chunk(batch))[0]
    folder = out / case
    shutil.rmtree(folder, ignore_errors=True)
    with tempfile.TemporaryDirectory() as scratch:
        policy.save_pretrained(scratch)
        before.save_pretrained(scratch)
        after.save_pretrained(scratch)
        stored = load_file(Path(scratch) / "model.safetensors")
        assert {name: list(tensor.shape) for name, tensor in stored.items()} == {k: v[1] for k, v in shapes.items()}
        folder.mkdir(parents=True)
        for file in Path(scratch).iterdir():
            if file.suffix == ".json" or "processor" in file.name:
                shutil.copy(file, folder)
    (folder / "tensors.json").write_text(json.dumps(shapes, separators=(",", ":")))
    if constants:
        save_file(constants, folder / "constants.safetensors")
    told = {"lerobot": lerobot.__version__, "torch": torch.__version__, "seed": SEED, "chunk": chunk.tolist()}
    (folder / "chunk.json").write_text(json.dumps(told))
    print(f"{case}: {tuple(chunk.shape)}, {chunk.min():.3f} to {chunk.max():.3f}")


def main():
    out = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "golden"
    for case in CASES:
        make(case, out)
    print(f"{sum(file.stat().st_size for file in out.rglob('*') if file.is_file())} bytes")


if __name__ == "__main__":
    main()
