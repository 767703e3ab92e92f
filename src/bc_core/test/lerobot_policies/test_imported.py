"""Imported policies answer what LeRobot answers, with every strategy that they can serve, and go back as they came."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from shutil import copytree

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from bc_core.checkpoint import load_policy
from bc_core.checkpoint_config import read_header
from bc_core.errors import BcError
from bc_core.lerobot.policy.export import export_policy
from bc_core.lerobot.policy.load import read_policy
from bc_core.lerobot.policy.streams import Streams
from bc_core.mask import GUIDED
from bc_core.strategies.registry import STRATEGIES, choose

from .golden_cases import CASES, contract, expected, frame, streams

TOLERANCE = 1e-4
Imported = Callable[[str], tuple[Path, Path]]
BLIND = [case for case in CASES if "cameras" not in case and "batch_norm" not in case]
GUIDABLE = "diffusion_ddpm_strided"


@pytest.mark.parametrize("case", CASES)
def test_chunks_are_those_of_lerobot(case: str, imported: Imported) -> None:
    """The same observation, and the same seed of the noise of all steps; rows that LeRobot does not return follow."""
    told, policy = expected(case), load_policy(imported(case)[1])
    rows = np.array(told["chunk"])
    chunk = policy.infer(frame(policy), seed=told["seed"])
    assert chunk.shape == (policy.horizon, 3)
    assert policy.horizon >= len(rows)
    np.testing.assert_allclose(chunk[: len(rows)], rows, rtol=0.0, atol=TOLERANCE)
    assert np.ptp(rows, axis=0).max() > 100 * TOLERANCE


@pytest.mark.parametrize("case", ["act_cameras", "diffusion_cameras"])
def test_every_stream_and_every_tick_counts(case: str, imported: Imported) -> None:
    policy = load_policy(imported(case)[1])
    seen = frame(policy)
    chunk = policy.infer(seen, seed=1)
    for stream in policy.streams:
        for tick in range(policy.n_obs_steps):
            value = seen.values[stream].copy()
            value[tick] = 255 - value[tick] if stream in policy.cameras else value[tick] + 0.3
            other = policy.infer(replace(seen, values={**seen.values, stream: value}), seed=1)
            assert np.abs(other - chunk).max() > 10 * TOLERANCE, (stream, tick)


@pytest.mark.parametrize("case", BLIND)
def test_every_strategy_that_it_supports_is_served(case: str, imported: Imported) -> None:
    folder = imported(case)[1]
    policy, header = load_policy(folder), read_header(folder)
    guided = {"rtc", "rtc_linear", "rtc_hard"} if case == GUIDABLE else set()
    sampled = {"bid"} if case.startswith("diffusion") else set()
    able = set()
    for name in STRATEGIES:
        try:
            strategy = choose(name, case, header.masks)
        except BcError:
            continue
        able.add(name)
        frozen = 2 if strategy.freezes else 0
        chunk = policy.infer(frame(policy), np.full((4, 3), 0.4), frozen, 1, strategy.mask, seed=0)
        assert chunk.shape == (header.horizon, 3)
    assert able == {"sync", "naive", "ensemble"} | sampled | guided


def test_guidance_changes_chunks_by_its_weight(imported: Imported) -> None:
    """What it changes them to: test_sampler.py; the weights here are no trained ones."""
    policy = load_policy(imported(GUIDABLE)[1])
    seen = frame(policy)
    prefix, free = policy.infer(seen, seed=100) + 0.05, policy.infer(seen, seed=1)
    for mask in sorted(GUIDED):
        np.testing.assert_allclose(policy.infer(seen, prefix, 4, 1, mask, 0.0, 1), free, atol=1e-12)
        assert np.abs(policy.infer(seen, prefix, 4, 1, mask, 5.0, 1) - free).max() > TOLERANCE


@pytest.mark.parametrize("case", [case for case in CASES if case != "diffusion_batch_norm"])
def test_what_is_exported_is_what_was_imported(case: str, imported: Imported, tmp_path: Path) -> None:
    theirs, ours = imported(case)
    export_policy(ours, tmp_path / "back")
    before, after = load_file(theirs / "model.safetensors"), load_file(tmp_path / "back" / "model.safetensors")
    assert before.keys() == after.keys()
    constant = ("vae_encoder_pos_enc", "pos_grid")
    for name, tensor in before.items():
        assert tensor.dtype == after[name].dtype
        if name.endswith(constant):
            torch.testing.assert_close(after[name], tensor, atol=1e-6, rtol=0.0)
        else:
            assert torch.equal(after[name], tensor), name
    documents = [json.loads((folder / "config.json").read_text()) for folder in (theirs, tmp_path / "back")]
    for document in documents:
        document["num_inference_steps"] = document.get("num_inference_steps") or document.get("num_train_timesteps")
    assert documents[0] == documents[1]
    processors = [path.name for path in theirs.iterdir() if path.name.startswith("policy_")]
    assert processors
    for name in processors:
        path = tmp_path / "back" / name
        if name.endswith(".json"):
            assert json.loads(path.read_text()) == json.loads((theirs / name).read_text())
        else:
            wanted, found = load_file(theirs / name), load_file(path)
            assert found
            for key, tensor in found.items():
                torch.testing.assert_close(tensor, wanted[key], atol=1e-6, rtol=1e-6)
    if case not in BLIND:
        return
    again, told = read_policy(tmp_path / "back", None, Streams()), expected(case)
    assert again.contract.differences(contract()) == []
    chunk = again.infer(frame(again), seed=told["seed"])[: len(told["chunk"])]
    np.testing.assert_allclose(chunk, told["chunk"], rtol=0.0, atol=TOLERANCE)


def test_a_compiled_networks_names_are_read_too(imported: Imported, tmp_path: Path) -> None:
    """torch.compile puts a part of its own into the names of the U-Net's tensors."""
    case = "diffusion_state"
    folder = copytree(imported(case)[0], tmp_path / "compiled")
    weights = load_file(folder / "model.safetensors")
    renamed = {name.replace(".unet.", ".unet._orig_mod."): tensor for name, tensor in weights.items()}
    assert renamed.keys() != weights.keys()
    save_file(renamed, folder / "model.safetensors")
    compiled, plain = read_policy(folder, contract(), streams(case)), load_policy(imported(case)[1])
    np.testing.assert_array_equal(compiled.infer(frame(plain), seed=3), plain.infer(frame(plain), seed=3))
