"""Pre-trained image encoders, on tiny models made here: what they see, what a checkpoint keeps, what is refused."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from bc_core.checkpoint import load_policy, save_policy
from bc_core.contract import Contract
from bc_core.encoding import Encoding
from bc_core.errors import BcError
from bc_core.frames import Frame
from bc_core.normalisation import Normaliser
from bc_core.policies.chunk_policy import ChunkPolicy
from bc_core.policies.config import PolicyConfig
from bc_core.policies.heads.config import RegressionConfig
from bc_core.policies.lerobot.config import LeRobotActConfig
from bc_core.policies.vision.base import View
from bc_core.policies.vision.build import build_encoder
from bc_core.policies.vision.config import PretrainedConfig, SpatialSoftmaxConfig, VisionConfig
from bc_core.policies.vision.folder import described
from bc_core.policies.vision.pretrained import PretrainedEncoder

transformers = pytest.importorskip("transformers")
VIEW = View("camera", n_obs_steps=2, height=24, width=40, channels=3, encoding="rgb8")
SHAPE = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
IMAGE = {**SHAPE, "image_size": 32, "patch_size": 8}
MODELS: dict[str, Callable[[], Any]] = {
    "clip": lambda: transformers.CLIPVisionModel(transformers.CLIPVisionConfig(**IMAGE)),
    "siglip": lambda: transformers.SiglipVisionModel(transformers.SiglipVisionConfig(**IMAGE)),
    "dinov2": lambda: transformers.Dinov2Model(transformers.Dinov2Config(**IMAGE)),
    "mae": lambda: transformers.ViTMAEForPreTraining(
        transformers.ViTMAEConfig(
            **IMAGE, decoder_hidden_size=8, decoder_num_hidden_layers=1, decoder_num_attention_heads=2,
            decoder_intermediate_size=16,
        )
    ),
    "resnet": lambda: transformers.ResNetModel(
        transformers.ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic")
    ),
}  # fmt: skip


def save(model: Any, folder: Path, **preprocessor: Any) -> Path:
    torch.manual_seed(1)
    model.save_pretrained(folder)
    document = {"size": {"height": 32, "width": 32}, "image_mean": [0.4, 0.5, 0.6], "image_std": [0.2, 0.3, 0.4]}
    (folder / "preprocessor_config.json").write_text(json.dumps({**document, **preprocessor}))
    return folder


@pytest.fixture(scope="module")
def dinov2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(MODELS["dinov2"](), tmp_path_factory.mktemp("backbone"))


@pytest.fixture
def folder(dinov2: Path, tmp_path: Path) -> Path:
    """One that may be damaged."""
    return Path(shutil.copytree(dinov2, tmp_path / "backbone"))


def encoder(folder: Path, view: View = VIEW, **settings: Any) -> PretrainedEncoder:
    config = PretrainedConfig(path=str(folder), **settings)
    built = build_encoder(view, described(VisionConfig({"default": config})).of("camera"))
    built.initialise()
    assert isinstance(built, PretrainedEncoder)
    return built


def pictures(batch: int = 3) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 255, (batch, 2, 24, 40, 3), dtype=torch.uint8, generator=generator)


@pytest.mark.parametrize(
    "name, pooling",
    [("clip", "own"), ("siglip", "own"), ("dinov2", "mean"), ("mae", "spatial_softmax"), ("mae", "own"),
     ("resnet", "spatial_softmax"), ("resnet", "own"), ("siglip", "flat")],
)  # fmt: skip
def test_backbones_of_every_kind_answer_a_vector(name: str, pooling: str, tmp_path: Path) -> None:
    for trainable in ("frozen", "finetune"):
        built = encoder(save(MODELS[name](), tmp_path / name), pooling=pooling, trainable=trainable, maps=5)
        embedded = built(built.prepare(pictures()))
        assert embedded.shape == (3, built.features)
        embedded.square().sum().backward()
        learnt = [parameter for parameter in built.parameters() if parameter.requires_grad]
        assert all(parameter.grad is not None for parameter in learnt)
        assert (len(learnt) > 2) == (trainable == "finetune")


def test_it_sees_what_the_library_sees_with_the_folders_preprocessing(tmp_path: Path) -> None:
    model = MODELS["clip"]().eval()
    built = encoder(save(model, tmp_path / "clip"), replace(VIEW, height=32, width=32, n_obs_steps=1)).eval()
    images = torch.randint(0, 255, (2, 1, 32, 32, 3), dtype=torch.uint8)
    mean, std = torch.tensor([0.4, 0.5, 0.6]), torch.tensor([0.2, 0.3, 0.4])
    pixels = ((images[:, 0].float() / 255 - mean) / std).permute(0, 3, 1, 2)
    with torch.no_grad():
        wanted = model(pixel_values=pixels).pooler_output
    torch.testing.assert_close(built.prepare(images)[:, 0], wanted)
    swapped = encoder(tmp_path / "clip", replace(VIEW, height=32, width=32, n_obs_steps=1, encoding="bgr8")).eval()
    torch.testing.assert_close(swapped.prepare(images.flip(-1))[:, 0], wanted)


def test_a_masked_auto_encoder_hides_nothing_from_a_policy(tmp_path: Path) -> None:
    built = encoder(save(MODELS["mae"](), tmp_path / "mae"))
    assert torch.equal(built.prepare(pictures()), built.prepare(pictures()))


def test_frozen_backbones_stay_as_they_are_in_training(dinov2: Path) -> None:
    built = encoder(dinov2).train()
    assert built.training and not any(
        module.training for module in built.backbone.modules() if module is not built.backbone
    )
    assert built.prepare(pictures()).shape == (3, 2, 16)
    augmented = encoder(dinov2, shift=3).train()
    assert augmented.prepare(pictures()).dtype == torch.uint8  # a new embedding in every step
    assert not torch.equal(augmented(pictures()), augmented(pictures()))
    augmented.eval()
    assert torch.equal(augmented(pictures()), augmented(pictures()))


def test_another_size_than_the_backbones_own(dinov2: Path, tmp_path: Path) -> None:
    clip = save(MODELS["clip"](), tmp_path / "clip")
    for folder in (dinov2, clip):
        built = encoder(folder, size=48, pooling="flat")
        assert built.prepare(pictures()).shape == (3, 2, 36 * 16)


def test_text_is_embedded_by_the_models_own_tower(tmp_path: Path) -> None:
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace

    words = {"<pad>": 0, "pick": 1, "place": 2, "the": 3, "cube": 4, "<end>": 5}
    tokenizer = Tokenizer(WordLevel(words, unk_token="<pad>"))
    tokenizer.pre_tokenizer = Whitespace()
    text = {
        **SHAPE,
        "vocab_size": 6,
        "max_position_embeddings": 8,
        "eos_token_id": 5,
        "bos_token_id": 1,
        "pad_token_id": 0,
    }
    model = transformers.CLIPModel(transformers.CLIPConfig(text_config=text, vision_config=IMAGE, projection_dim=12))
    folder = save(model, tmp_path / "clip")
    fast = transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", eos_token="<end>")
    fast.save_pretrained(folder)
    pick, place = encoder(folder, text="pick the cube"), encoder(folder, text="place the cube")
    assert pick.features == encoder(folder).features + 12
    embedded = pick(pick.prepare(pictures()))[:, -12:]
    assert torch.equal(embedded[0], embedded[1]) and embedded[0].norm().item() == pytest.approx(1.0, abs=1e-5)
    assert not torch.allclose(embedded, place(place.prepare(pictures()))[:, -12:])


def policy_of(contract: Contract, vision: VisionConfig) -> ChunkPolicy:
    config = PolicyConfig(
        ("arm", "camera"), (), 1, 6, Encoding.ABSOLUTE, 0.1, 16, 1, 0.0, RegressionConfig(), described(vision)
    )  # fmt: skip
    actions = Normaliser(np.zeros((6, 8)), np.ones((6, 8)))
    policy = ChunkPolicy(contract, config, Normaliser(np.zeros(7), np.ones(7)), actions)
    policy.network.initialise()
    policy.network.eval()
    return policy


def test_a_checkpoint_stands_alone(contract: Contract, folder: Path, tmp_path: Path) -> None:
    policy = policy_of(contract, VisionConfig({"default": PretrainedConfig(path=str(folder))}))
    save_policy(policy, tmp_path / "policy", {})
    shutil.rmtree(folder)
    loaded = load_policy(tmp_path / "policy")
    pixels = np.random.default_rng(0).integers(0, 255, (1, 96, 96, 3), dtype=np.uint8)
    frame = Frame(0, {"arm": np.zeros((1, 7)), "gripper": np.full((1, 1), 0.04), "camera": pixels}, {})
    assert np.array_equal(loaded.infer(frame, seed=0), policy.infer(frame, seed=0))
    dark = Frame(0, {**frame.values, "camera": pixels // 4}, {})
    assert not np.array_equal(loaded.infer(dark, seed=0), policy.infer(frame, seed=0))
    assert loaded.config.given.vision == VisionConfig({"default": PretrainedConfig(path=str(folder))})


def damaged_weights(folder: Path, change: Callable[[dict[str, torch.Tensor]], None]) -> None:
    file = folder / "model.safetensors"
    weights = load_file(file)
    change(weights)
    save_file(weights, file, metadata={"format": "pt"})


def _shorten(folder: Path) -> None:
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])


def _only_pickle(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def _first(weights: dict[str, torch.Tensor]) -> str:
    return next(name for name in sorted(weights) if name.endswith("weight") and weights[name].ndim == 2)


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "no folder": (shutil.rmtree, "does not exist.*bcros pretrain"),
    "no config": (lambda folder: (folder / "config.json").unlink(), "has no config.json"),
    "foreign": (lambda folder: (folder / "config.json").write_text('{"model_type": "abacus"}'), "abacus"),
    "no JSON": (lambda folder: (folder / "config.json").write_text("{"), "config.json' cannot be read"),
    "truncated": (_shorten, "cannot be loaded"),
    "pickle": (_only_pickle, "pytorch_model.bin, which can execute code and is never opened"),
    "no weights": (lambda folder: (folder / "model.safetensors").unlink(), "has no weights"),
    "missing": (lambda folder: damaged_weights(folder, lambda w: w.__delitem__(_first(w))), "lacks weights"),
    "shape": (
        lambda folder: damaged_weights(folder, lambda w: w.update({_first(w): torch.zeros(3, 3)})), "cannot be loaded"
    ),
    "not finite": (lambda folder: damaged_weights(folder, lambda w: w[_first(w)].fill_(torch.nan)), "not finite"),
    "no preprocessing": (lambda folder: (folder / "preprocessor_config.json").unlink(), "preprocessor_config.json"),
    "std 0": (
        lambda folder: (folder / "preprocessor_config.json").write_text(
            '{"size": 32, "image_mean": [0, 0, 0], "image_std": [1, 0, 1]}'
        ), "image_std",
    ),
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_folders_are_refused(folder: Path, damage: str) -> None:
    change, named = DAMAGES[damage]
    change(folder)
    with pytest.raises(BcError, match=named):
        encoder(folder)


def test_a_language_model_and_text_without_a_tower_are_refused(tmp_path: Path, dinov2: Path) -> None:
    bert = transformers.BertModel(transformers.BertConfig(**SHAPE, vocab_size=8, max_position_embeddings=8))
    with pytest.raises(BcError, match=r"bert.*sees no images"):
        encoder(save(bert, tmp_path / "bert"))
    with pytest.raises(BcError, match="no text tower"):
        encoder(dinov2, text="pick the cube")
    with pytest.raises(BcError, match="cannot see images of 4x4 pixels"):
        encoder(dinov2, size=4)


def test_an_unreachable_hub_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(BcError, match=r"hub: 'nobody/nothing' cannot be fetched.*give its folder as path"):
        described(VisionConfig({"default": PretrainedConfig(hub="nobody/nothing")}))


def test_an_encoder_of_no_camera_and_one_beside_lerobots_are_refused(contract: Contract) -> None:
    with pytest.raises(BcError, match=r"policy\.vision\.wrist is of no camera"):
        policy_of(contract, VisionConfig({"wrist": SpatialSoftmaxConfig()}))
    config = PolicyConfig(
        ("arm", "camera"), (), 1, 6, Encoding.ABSOLUTE, 0.1, 16, 1, 0.0, LeRobotActConfig(),
        VisionConfig({"default": SpatialSoftmaxConfig()}),
    )  # fmt: skip
    with pytest.raises(BcError, match="its own image encoder"):
        ChunkPolicy(
            contract, config, Normaliser(np.zeros(7), np.ones(7)), Normaliser(np.zeros((6, 8)), np.ones((6, 8)))
        )
