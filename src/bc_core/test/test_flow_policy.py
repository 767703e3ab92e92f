"""The flow policy as the policy node uses it: shapes, guidance, seeds, refusals, checkpoints, cost."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from bc_core.checkpoint import load_policy, save_policy
from bc_core.contract import Contract
from bc_core.encoding import Encoding
from bc_core.errors import BcError
from bc_core.fields import ObservationError
from bc_core.frames import Frame
from bc_core.mask import Mask
from bc_core.normalisation import Normaliser
from bc_core.policies.chunk_policy import ChunkPolicy
from bc_core.policies.config import PolicyConfig
from bc_core.policies.heads.config import FlowConfig, RegressionConfig

CONFIG = PolicyConfig(
    observations=("arm", "gripper", "object"),
    relations=(),
    n_obs_steps=2,
    horizon=24,
    encoding=Encoding.RELATIVE,
    row_floor=0.1,
    width=32,
    blocks=2,
    dropout=0.0,
    head=FlowConfig(flow_steps=5),
)


def untrained(contract: Contract, config: PolicyConfig = CONFIG) -> ChunkPolicy:
    """A policy with random weights: the last layers too, which start at zero."""
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    columns = 8
    features = 2 * sum({"arm": 7, "gripper": 1, "object": 6}.get(stream, 0) for stream in config.observations)
    policy = ChunkPolicy(
        contract,
        config,
        Normaliser(rng.normal(size=features), rng.uniform(0.5, 1.0, features)),
        Normaliser(rng.normal(size=(config.horizon, columns)), rng.uniform(0.1, 0.3, (config.horizon, columns))),
    )
    for parameter in policy.network.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    policy.network.eval().requires_grad_(False)
    return policy


@pytest.fixture(scope="module")
def policy(contract: Contract) -> ChunkPolicy:
    return untrained(contract)


@pytest.fixture(scope="module")
def frame() -> Frame:
    rng = np.random.default_rng(1)
    values = {
        "arm": rng.normal(size=(2, 7)),
        "gripper": rng.uniform(0.0, 0.08, (2, 1)),
        "object": rng.normal(size=(2, 6)),
    }
    return Frame(100, values, dict.fromkeys(values, 0))


@pytest.fixture(scope="module")
def prefix() -> np.ndarray:
    return np.random.default_rng(2).normal(0.0, 0.3, (18, 8))


def test_interface(policy: ChunkPolicy, frame: Frame) -> None:
    assert (policy.horizon, policy.width, policy.n_obs_steps) == (24, 8, 2)
    assert policy.streams == ("arm", "gripper", "object")
    actions = policy.infer(frame, seed=1)
    assert (actions.shape, actions.dtype) == ((24, 8), np.float64)


def test_streams_include_what_the_encoding_needs(contract: Contract) -> None:
    assert untrained(contract, replace(CONFIG, observations=("object",))).streams == ("object", "arm")


def test_the_seed_fixes_the_noise(policy: ChunkPolicy, frame: Frame) -> None:
    np.testing.assert_array_equal(policy.infer(frame, seed=5), policy.infer(frame, seed=5))
    assert not np.array_equal(policy.infer(frame, seed=5), policy.infer(frame, seed=6))
    assert not np.array_equal(policy.infer(frame), policy.infer(frame))


@pytest.mark.parametrize("stream", ["arm", "gripper", "object"])
def test_every_step_of_a_history_counts(policy: ChunkPolicy, frame: Frame, stream: str) -> None:
    """A policy that was trained on a history and sees the newest step only is another policy."""
    values = {name: value.copy() for name, value in frame.values.items()}
    values[stream][0] += 0.5
    assert not np.array_equal(policy.infer(replace(frame, values=values), seed=1), policy.infer(frame, seed=1))


@pytest.mark.parametrize("mask", [Mask.HARD, Mask.SOFT])
def test_guidance_changes_the_sample_and_leaves_it_a_sample(
    policy: ChunkPolicy, frame: Frame, prefix: np.ndarray, mask: Mask
) -> None:
    """Nothing is overwritten: how far frozen rows are from the prefix is for the scheduler to see and to splice."""
    guided = policy.infer(frame, prefix, frozen=5, execution_horizon=6, mask=mask, seed=1)
    assert not np.array_equal(guided, policy.infer(frame, seed=1))
    assert not np.isin(guided, prefix).any()


def test_without_weight_guidance_changes_nothing(policy: ChunkPolicy, frame: Frame, prefix: np.ndarray) -> None:
    np.testing.assert_array_equal(
        policy.infer(frame, prefix, 0, 6, Mask.SOFT, beta=0.0, seed=1), policy.infer(frame, seed=1)
    )


def test_only_the_valid_prefix_guides(policy: ChunkPolicy, frame: Frame, prefix: np.ndarray) -> None:
    """A short prefix is neither padded with zeros nor with anything else that pulls."""
    guided = policy.infer(frame, prefix[:6], 6, 6, Mask.SOFT, seed=1)
    hard = policy.infer(frame, prefix, 6, 17, Mask.HARD, seed=1)
    np.testing.assert_allclose(guided, hard, atol=1e-6)


def test_every_step_is_guided_where_nothing_is_left_to_fade(
    policy: ChunkPolicy, frame: Frame, prefix: np.ndarray
) -> None:
    """d = H - s. The hard mask does not depend on s otherwise."""
    short, long, none = (policy.infer(frame, prefix, 6, s, Mask.HARD, seed=1) for s in (6, 17, 18))
    np.testing.assert_array_equal(short, long)
    assert np.abs(none - long).max() > 1e-3


def test_relative_chunks_move_with_the_robot(policy: ChunkPolicy, frame: Frame) -> None:
    """The same network output is decoded against the frame's own, newest observation."""
    moved = {stream: value.copy() for stream, value in frame.values.items()}
    moved["arm"] = moved["arm"] + 0.25
    shifted = Normaliser(policy.feature_normaliser.mean.copy(), policy.feature_normaliser.std)
    shifted.mean[:7] += 0.25
    other = ChunkPolicy(policy.contract, policy.config, shifted, policy.action_normaliser)
    other.network.load_state_dict(policy.network.state_dict())
    there = other.infer(Frame(100, moved, {}), seed=3)
    np.testing.assert_allclose(there[:, :7], policy.infer(frame, seed=3)[:, :7] + 0.25, atol=1e-6)


def test_works_under_no_grad_and_inference_mode(policy: ChunkPolicy, frame: Frame, prefix: np.ndarray) -> None:
    expected = policy.infer(frame, prefix, 5, 6, Mask.SOFT, seed=1)
    for context in (torch.no_grad, torch.inference_mode):
        with context():
            np.testing.assert_array_equal(policy.infer(frame, prefix, 5, 6, Mask.SOFT, seed=1), expected)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"prefix": np.zeros((3, 7)), "frozen": 1}, r"\(rows, 8\)"),
        ({"prefix": np.full((3, 8), np.nan), "frozen": 1}, "finite"),
        ({"prefix": np.zeros((3, 8)), "frozen": 4}, "4 frozen rows, but the prefix has 3"),
        ({"prefix": None, "frozen": 1}, "1 frozen rows, but the prefix has 0"),
        ({"prefix": np.zeros((20, 8)), "frozen": 14, "execution_horizon": 12}, "exceed horizon 24"),
    ],
)
def test_requests_that_make_no_sense(policy: ChunkPolicy, frame: Frame, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        policy.infer(frame, **{"mask": Mask.SOFT, "execution_horizon": 2, **changes})


def test_frames_of_another_policy(policy: ChunkPolicy, frame: Frame) -> None:
    lacking = {stream: value for stream, value in frame.values.items() if stream != "object"}
    with pytest.raises(ObservationError, match=r"'object'.*trained on it"):
        policy.infer(Frame(1, lacking, {}))
    newest = {stream: value[-1:] for stream, value in frame.values.items()}
    with pytest.raises(BcError, match=r"1 steps of 'arm'.*n_obs_steps = 2"):
        policy.infer(Frame(1, newest, {}))


def test_checkpoint_round_trip(policy: ChunkPolicy, frame: Frame, prefix: np.ndarray, tmp_path: Path) -> None:
    save_policy(policy, tmp_path / "policy", {"episodes": 3})
    assert {file.name for file in (tmp_path / "policy").iterdir()} == {"model.safetensors", "config.json"}
    loaded = load_policy(tmp_path / "policy")
    loaded.contract.check_same(policy.contract)
    assert loaded.streams == policy.streams
    np.testing.assert_array_equal(
        loaded.infer(frame, prefix, 5, 6, Mask.SOFT, seed=1), policy.infer(frame, prefix, 5, 6, Mask.SOFT, seed=1)
    )
    save_policy(policy, tmp_path / "policy", {"episodes": 4})  # replaces it
    assert [file.name for file in tmp_path.iterdir()] == ["policy"]
    assert json.loads((tmp_path / "policy" / "config.json").read_text())["training"] == {"episodes": 4}


def test_format_1_keeps_loading() -> None:
    """A flow policy saved before there were other heads gives the chunks that it gave then."""
    folder = Path(__file__).parent / "data" / "checkpoint_format_1"
    loaded, expected = load_policy(folder), json.loads((folder / "chunks.json").read_text())
    rng = np.random.default_rng(1)
    frame = Frame(100, {"arm": rng.normal(size=(2, 7)), "gripper": rng.uniform(0.0, 0.08, (2, 1))}, {})
    prefix = np.random.default_rng(2).normal(0.0, 0.3, (6, 8))
    np.testing.assert_allclose(loaded.infer(frame, seed=3), expected["free"], atol=1e-6)
    soft = loaded.infer(frame, prefix, 3, 2, Mask.SOFT, beta=5.0, seed=3)
    np.testing.assert_allclose(soft, expected["soft"], atol=1e-6)


def test_what_the_head_cannot_do_is_refused(contract: Contract, frame: Frame, prefix: np.ndarray) -> None:
    policy = untrained(contract, replace(CONFIG, head=RegressionConfig()))
    assert policy.masks == {Mask.FREE}
    with pytest.raises(ValueError, match="regression policy cannot serve mask SOFT"):
        policy.infer(frame, prefix, 5, 6, Mask.SOFT)


def test_of_several_samples_the_coherent_one_is_chosen(policy: ChunkPolicy, frame: Frame, prefix: np.ndarray) -> None:
    """Bidirectional decoding: nearer to the prefix, on average, than a sample that knows nothing of it."""

    def distance(mask: Mask) -> float:
        chunks = [policy.infer(frame, prefix, mask=mask, seed=seed)[: len(prefix)] for seed in range(8)]
        return float(np.mean([np.linalg.norm(chunk - prefix) for chunk in chunks]))

    assert distance(Mask.COHERENT) < distance(Mask.FREE)


def test_damaged_checkpoints(policy: ChunkPolicy, tmp_path: Path) -> None:
    with pytest.raises(BcError, match=r"no checkpoint at .*absent"):
        load_policy(tmp_path / "absent")
    path = tmp_path / "policy"
    save_policy(policy, path, {})
    weights = (path / "model.safetensors").read_bytes()
    (path / "model.safetensors").write_bytes(weights[:1000])
    with pytest.raises(BcError, match=r"model\.safetensors.*train again"):
        load_policy(path)
    (path / "model.safetensors").unlink()
    with pytest.raises(BcError, match=r"model\.safetensors"):
        load_policy(path)
    document = json.loads((path / "config.json").read_text())
    for key, value, words in (
        ("format", 99, "format 99"),
        (
            "policy",
            {**document["policy"], "type": "difusion"},
            "did you mean diffusion",
        ),
        ("policy", {**document["policy"], "encoding": "differences"}, "encoding = 'differences'"),
        ("normalisation", {"features": {}, "actions": {}}, "normalisation is damaged"),
        ("contract", {}, "contract is missing"),
    ):
        (path / "config.json").write_text(json.dumps({**document, key: value}))
        with pytest.raises(BcError, match=words):
            load_policy(path)
    (path / "config.json").write_text("{")
    with pytest.raises(BcError, match="cannot be read"):
        load_policy(path)


def test_images(contract: Contract, frame: Frame) -> None:
    policy = untrained(contract, replace(CONFIG, observations=("arm", "camera")))
    rng = np.random.default_rng(4)
    images = rng.integers(0, 256, (2, 96, 96, 3), dtype=np.uint8)
    chunk = policy.infer(Frame(1, {**frame.values, "camera": images}, {}), seed=1)
    other = policy.infer(Frame(1, {**frame.values, "camera": images[::-1].copy()}, {}), seed=1)
    assert chunk.shape == (24, 8)
    assert not np.array_equal(chunk, other)


def test_the_head_runs_once_per_step_and_the_encoder_once(
    policy: ChunkPolicy, frame: Frame, prefix: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What guidance costs is counted, not timed: a forward and, but for the last step, a backward pass of the head."""
    calls = {"encode": 0, "head": 0, "backward": 0}
    encode, head, gradient = policy.network.encode, policy.network.head.trunk.forward, torch.autograd.grad

    def counted(name: str, function: Any) -> Any:
        def call(*arguments: Any, **options: Any) -> Any:
            calls[name] += 1
            return function(*arguments, **options)

        return call

    monkeypatch.setattr(policy.network, "encode", counted("encode", encode))
    monkeypatch.setattr(policy.network.head.trunk, "forward", counted("head", head))
    monkeypatch.setattr(torch.autograd, "grad", counted("backward", gradient))
    policy.infer(frame, prefix, 5, 6, Mask.SOFT, seed=1)
    assert calls == {"encode": 1, "head": 5, "backward": 4}
