"""bcros pretrain: bags to an encoder that a policy takes, and a policy that is trained with it."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
import yaml

from bc_core.checkpoint import load_policy
from bc_core.contract import Contract
from bc_core.errors import BcError
from bc_core.frames import Frame
from bc_core.policies.vision.base import View, frozen_names
from bc_core.policies.vision.build import build_encoder
from bc_core.policies.vision.config import PretrainedConfig, VisionConfig
from bc_core.policies.vision.folder import described
from bc_core.pretraining.autoencoders import build_autoencoder
from bc_core.pretraining.config import FramesConfig, MaeConfig, PretrainConfig, VaeConfig
from bc_core.pretraining.images import read_images
from bc_core.pretraining.pretrain import pretrain
from bc_core.training.state import STATE_FILE
from bc_core.training.train import train

pytest.importorskip("transformers")
pytest.importorskip("diffusers")
CONFIGS = Path(__file__).parents[3] / "config"
SMALL: dict[str, dict[str, Any]] = {
    "mae": {"size": 32, "patch": 8, "width": 16, "depth": 1, "heads": 2, "decoder_width": 16, "decoder_depth": 1,
            "decoder_heads": 2},
    "vae": {"size": 32, "channels": [8, 16], "latent": 2},
}  # fmt: skip
STEPS = {"mae": 100, "vae": 25}
HUMAN = 3
_ROWS, _COLUMNS = np.mgrid[0:96, 0:96]
BACKGROUND = np.stack([127 + 100 * np.sin(_ROWS / 9), 127 + 100 * np.sin(_COLUMNS / 7), _ROWS + _COLUMNS], -1).astype(
    np.uint8
)


def record(contract: Contract, recording: Any, outcome: str) -> Path:
    """30 ticks of an arm that moves with a square in its camera's picture."""
    for tick in range(30):
        time = contract.grid.time(1000 + tick)
        if tick == 0:
            recording.mode(time, HUMAN, 2)
        place = tick / 30
        rows = np.tile(np.append(np.full(7, place), 0.04), (3, 1))
        pixels = BACKGROUND.copy()
        column = int(70 * place)
        pixels[30:60, column : column + 20] = (200, 60, 30 + recording.seed)
        recording.joints(time, rows[0, :7], 0.04)
        recording.image(time, pixels)
        recording.chunk("human", tick + 1, time, rows, in_force=time)
    return Path(recording.close(outcome))


@pytest.fixture
def episodes(contract: Contract, new_recording: Callable[[int], Any]) -> list[Path]:
    return [record(contract, new_recording(i), "failure" if i else "success") for i in range(3)]


def settings(tmp_path: Path, kind: str, **training: Any) -> PretrainConfig:
    """The shipped configuration, made small."""
    document = yaml.safe_load((CONFIGS / "vision" / f"{kind}.yaml").read_text())
    document["model"].update(SMALL[kind])
    document["training"].update(
        {
            "steps": STEPS[kind],
            "batch": 8,
            "warmup": 5,
            "learning_rate": 0.003,
            "ema": 0.9,
            "threads": 1,
            "validation": 0.34,
        }
    )
    file = tmp_path / f"{kind}.yaml"
    file.write_text(yaml.safe_dump(document))
    return PretrainConfig.load(file, **training)


@pytest.mark.parametrize("kind", SMALL)
def test_an_encoder_comes_of_failures_too_and_a_policy_takes_it(
    kind: str, contract: Contract, episodes: list[Path], tmp_path: Path
) -> None:
    first = pretrain(episodes, contract, settings(tmp_path, kind, steps=1), tmp_path / "out")
    summary = pretrain(episodes, contract, settings(tmp_path, kind), tmp_path / "out")
    assert summary["episodes"] == 3 and summary["images"] == 20 and summary["unread_images"] == 0
    assert summary["validation_loss"] < 0.7 * first["validation_loss"]
    picture = cv2.imread(str(tmp_path / "out" / "reconstructions.png"))
    assert picture.shape == ((96 if kind == "mae" else 64), 8 * 32, 3)
    page = (tmp_path / "out" / "summary.html").read_text()
    for alt in ("Loss over steps", "pictures", "what is made of it", "Pictures and brightness by episode"):
        assert f'alt="{alt}"' in page
    assert page.count("data:image/png;base64,") == len(picture) // 32
    assert "kept out of training" in page and "http" not in page.replace("http://www.w3.org", "")
    assert not list((tmp_path / "out").glob("*.bin")) and not (tmp_path / "out.run" / STATE_FILE).exists()
    found = described(VisionConfig({"default": PretrainedConfig(path=str(tmp_path / "out"), pooling="flat")}))
    encoder = build_encoder(View("camera", 1, 96, 96, 3, "rgb8"), found.of("camera"))
    encoder.initialise()
    seen = encoder.prepare(torch.randint(0, 255, (2, 1, 96, 96, 3), dtype=torch.uint8))
    assert seen.isfinite().all() and not torch.equal(seen[0], seen[1])


def test_a_run_that_is_interrupted_goes_on(
    contract: Contract, episodes: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = pretrain(episodes, contract, settings(tmp_path, "mae", steps=12), tmp_path / "whole")
    config = settings(tmp_path, "mae", steps=12, save_every=5)

    def killed(_: Any, done: int, *__: Any) -> None:
        if done == 8:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("bc_core.training.curves.Board.step", killed)
        with pytest.raises(KeyboardInterrupt):
            pretrain(episodes, contract, config, tmp_path / "part")
    assert not (tmp_path / "part").exists() and (tmp_path / "part.run" / STATE_FILE).is_file()
    resumed = pretrain(episodes, contract, config, tmp_path / "part", resume=True)
    assert resumed["train_loss"] == whole["train_loss"] and resumed["validation_loss"] == whole["validation_loss"]


def test_a_policy_learns_with_a_frozen_encoder_and_stands_alone(
    contract: Contract, episodes: list[Path], tmp_path: Path
) -> None:
    pretrain(episodes, contract, settings(tmp_path, "mae", steps=2), tmp_path / "mae")
    document = yaml.safe_load((CONFIGS / "policies" / "camera_mae.yaml").read_text())
    document["policy"].update(observations=["arm", "camera"], relations=[], horizon=6, width=16, blocks=1)
    document["policy"]["vision"]["default"]["path"] = str(tmp_path / "mae")
    document["training"].update(steps=3, batch=8, warmup=1, threads=1, save_every=2, validation=0.0)
    summary = train(episodes, contract, document, tmp_path / "policy", page=False)
    assert summary["episodes"] == 1
    shutil.rmtree(tmp_path / "mae")
    policy = load_policy(tmp_path / "policy")
    assert frozen_names(policy.network) == ("cameras.camera.backbone.",)
    steps = document["policy"]["n_obs_steps"]
    values = {
        "arm": np.zeros((steps, 7)), "gripper": np.full((steps, 1), 0.04),
        "camera": np.zeros((steps, 96, 96, 3), np.uint8),
    }  # fmt: skip
    assert policy.infer(Frame(0, values, {}), seed=0).shape == (6, 8)


@pytest.mark.parametrize("name", ["camera", "camera_resnet18", "camera_vit"])
def test_shipped_policies_with_cameras_train(
    name: str, contract: Contract, episodes: list[Path], tmp_path: Path
) -> None:
    document = yaml.safe_load((CONFIGS / "policies" / f"{name}.yaml").read_text())
    document["policy"].update(observations=["arm", "camera"], horizon=6, width=16, blocks=1, n_obs_steps=1)
    document["training"].update(steps=2, batch=2, noise_draws=1, warmup=1, threads=1, validation=0.0)
    if name == "camera_vit":
        document["policy"]["vision"]["default"].update(width=16, depth=1, heads=2)
    train(episodes, contract, document, tmp_path / "policy", page=False)
    policy = load_policy(tmp_path / "policy")
    images = [np.full((1, 96, 96, 3), value, np.uint8) for value in (0, 200)]
    frames = [Frame(0, {"arm": np.zeros((1, 7)), "gripper": np.full((1, 1), 0.04), "camera": i}, {}) for i in images]
    dark, light = (policy.infer(frame, seed=0) for frame in frames)
    assert dark.shape == (6, 8) and not np.array_equal(dark, light)


def test_what_cannot_be_learnt_from_is_refused(
    contract: Contract, new_recording: Callable[[int], Any], tmp_path: Path
) -> None:
    recording = new_recording(7)
    recording.joints(contract.grid.time(1), np.zeros(7), 0.04)
    blind = recording.close()
    with pytest.raises(BcError, match=r"1 episodes hold no image \(camera/image_raw"):
        pretrain([blind], contract, settings(tmp_path, "mae"), tmp_path / "out")
    (tmp_path / "empty").mkdir()
    with pytest.raises(BcError, match="no episode in"):
        pretrain([tmp_path / "empty"], contract, settings(tmp_path, "mae"), tmp_path / "out")
    with pytest.raises(BcError, match="'arm', which is no camera"):
        read_images([blind], contract, FramesConfig(streams=("arm",)), 32)
    with pytest.raises(BcError, match="width of 16 must be a multiple of its heads = 3"):
        build_autoencoder(MaeConfig(width=16, heads=3))
    with pytest.raises(BcError, match=r"size = 96 must be a multiple of patch = 7"):
        build_autoencoder(MaeConfig(patch=7))
    with pytest.raises(BcError, match=r"channels = \[12\] must be multiples of 8"):
        build_autoencoder(VaeConfig(channels=(12,)))
