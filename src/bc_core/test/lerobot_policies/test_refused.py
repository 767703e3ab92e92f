"""What is wrong with a checkpoint is said with file, tensor or key, value and remedy; nothing is written."""

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from shutil import copytree
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from bc_core.errors import BcError
from bc_core.lerobot.policy.export import export_policy
from bc_core.lerobot.policy.load import import_policy, read_policy
from bc_core.lerobot.policy.streams import Streams

from .golden_cases import contract, frame, streams

Imported = Callable[[str], tuple[Path, Path]]
WEIGHTS = "model.safetensors"
BEFORE = "policy_preprocessor_step_3_normalizer_processor.safetensors"
AFTER = "policy_postprocessor_step_0_unnormalizer_processor.safetensors"


@pytest.fixture(params=["act_state", "diffusion_state"])
def case(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def folder(case: str, imported: Imported, tmp_path: Path) -> Path:
    return Path(copytree(imported(case)[0], tmp_path / "theirs"))


@pytest.fixture
def refused(case: str, folder: Path, tmp_path: Path) -> Callable[..., str]:
    """The message with which the checkpoint, as it is now, is refused."""

    def refuse(given: Streams | None = None, **options: Any) -> str:
        with pytest.raises(BcError) as error:
            import_policy(folder, tmp_path / "out", contract(), given or streams(case), **options)
        assert not (tmp_path / "out").exists()
        return str(error.value)

    return refuse


def changed(path: Path, **changes: Any) -> None:
    """A JSON file with other values; None removes a key."""
    document = {**json.loads(path.read_text()), **changes}
    path.write_text(json.dumps({key: value for key, value in document.items() if value is not ...}))


def tensors_changed(path: Path, **changes: torch.Tensor | None) -> None:
    tensors: dict[str, Any] = {**load_file(path), **changes}
    save_file({key: value for key, value in tensors.items() if value is not None}, path)


def a_weight(folder: Path) -> tuple[str, torch.Tensor]:
    return next(item for item in sorted(load_file(folder / WEIGHTS).items()) if item[1].dim() == 2)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"type": "smolvla"}, ("config.json", "type = 'smolvla'", "act and diffusion can be imported")),
        ({"vision_backbone": "resnet101"}, ("vision_backbone = 'resnet101'", "resnet18, resnet34, resnet50")),
        ({"use_peft": True}, ("use_peft", "merge it")),
        ({"n_action_steps": ...}, ("n_action_steps is missing",)),
        ({"n_obs_steps": "two"}, ("n_obs_steps = 'two'", "whole number")),
        ({"new_gate": 0.5}, ("unknown key new_gate", "delete it from the file")),
        ({"input_features": {"observation.state": {"type": "LANGUAGE", "shape": [5]}}}, ("LANGUAGE", "no input")),
    ],
)
def test_settings_of_another_policy(
    changes: dict[str, Any], words: tuple[str, ...], folder: Path, refused: Callable[..., str]
) -> None:
    changed(folder / "config.json", **changes)
    message = refused()
    assert all(word in message for word in words), message


def test_a_policy_for_another_robot(case: str, folder: Path, refused: Callable[..., str]) -> None:
    changed(folder / "config.json", output_features={"action": {"type": "ACTION", "shape": [7]}})
    assert "has shape [3], the feature needs [7]" in refused()
    first, second = ("mean", "std") if case == "act_state" else ("min", "max")
    tensors_changed(folder / AFTER, **{f"action.{first}": torch.zeros(7), f"action.{second}": torch.ones(7)})
    message = refused()
    assert "the policy says 7 numbers per row, contract 'small' takes 3 (arm (3))" in message


def test_missing_left_over_and_misshapen_tensors(folder: Path, refused: Callable[..., str]) -> None:
    name, tensor = a_weight(folder)
    tensors_changed(folder / WEIGHTS, **{name: tensor[:-1].contiguous()})
    message = refused()
    assert WEIGHTS in message
    assert f"tensor '{name}' has shape {[tensor.shape[0] - 1, tensor.shape[1]]}" in message
    assert f"make it {list(tensor.shape)}" in message
    tensors_changed(folder / WEIGHTS, **{name: tensor.to(torch.int32)})
    assert "torch.int32" in refused()
    tensors_changed(folder / WEIGHTS, **{name: None, "model.gate.weight": tensor})
    message = refused()
    assert f"it lacks '{name}', and holds 'model.gate.weight'" in message
    assert "use a checkpoint whose files belong together" in message


def test_sizes_that_no_machine_has_are_told_apart_before_memory_is_asked_for(
    case: str, folder: Path, refused: Callable[..., str]
) -> None:
    """With such a layer in full the test would end in the kernel's hands."""
    key = {"act_state": "dim_feedforward", "diffusion_state": "down_dims"}[case]
    changed(folder / "config.json", **{key: 65536 if case == "act_state" else [8_000_000, 16_000_000]})
    assert "config.json and contract make it" in refused()


def test_weights_that_are_no_numbers(folder: Path, refused: Callable[..., str]) -> None:
    name, tensor = a_weight(folder)
    tensor[0, 0] = torch.nan
    tensors_changed(folder / WEIGHTS, **{name: tensor})
    assert f"tensor '{name}' holds 1 values that are not finite" in refused()


@pytest.mark.parametrize("file", [WEIGHTS, BEFORE, AFTER])
@pytest.mark.parametrize("left", [0, 5, 40, -1])
def test_truncated_files(file: str, left: int, folder: Path, refused: Callable[..., str]) -> None:
    path = folder / file
    path.write_bytes(path.read_bytes()[:left])
    message = refused()
    assert str(path) in message
    assert "download or save the checkpoint again" in message


@pytest.mark.parametrize("text", ["{", "[1]", "\x00", "[" * 100_000])
def test_json_that_is_none(text: str, folder: Path, refused: Callable[..., str]) -> None:
    for name in ("config.json", "policy_preprocessor.json"):
        before = (folder / name).read_text()
        (folder / name).write_text(text)
        assert name in refused()
        (folder / name).write_text(before)


class _Trap:
    """Unpickled, it would make a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return (Path.touch, (self.path,))


@pytest.mark.parametrize("suffix", [".bin", ".pt", ".pth", ".ckpt", ".pkl"])
def test_a_pickle_is_never_opened(suffix: str, folder: Path, refused: Callable[..., str], tmp_path: Path) -> None:
    trap = pickle.dumps(_Trap(tmp_path / "sprung"))
    (folder / WEIGHTS).unlink()
    (folder / f"pytorch_model{suffix}").write_bytes(trap)
    message = refused()
    assert f"pytorch_model{suffix}' is a pickle" in message
    assert "save it again with save_pretrained" in message
    (folder / WEIGHTS).write_bytes(trap)  # nor under another name
    assert WEIGHTS in refused()
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("state", ["../theirs.safetensors", "/etc/passwd", "state.pt"])
def test_state_files_elsewhere_are_not_opened(state: str, folder: Path, refused: Callable[..., str]) -> None:
    path = folder / "policy_preprocessor.json"
    document = json.loads(path.read_text())
    document["steps"][-1]["state_file"] = state
    path.write_text(json.dumps(document))
    message = refused()
    assert f"'{state}'" in message
    assert "own folder" in message


@pytest.mark.parametrize("step", [{"registry_name": "delta_action_processor"}, {"class": "os.system", "config": {}}])
def test_unknown_steps_are_refused(step: dict[str, Any], folder: Path, refused: Callable[..., str]) -> None:
    path = folder / "policy_preprocessor.json"
    document = json.loads(path.read_text())
    changed(path, steps=[step, *document["steps"]])
    message = refused()
    assert "policy_preprocessor.json" in message
    assert "is a step that cannot be imported" in message


def test_checkpoints_of_before_0_4(folder: Path, refused: Callable[..., str]) -> None:
    (folder / "policy_preprocessor.json").unlink()
    assert "migrate_policy_normalization" in refused()


def test_statistics_that_do_not_fit(case: str, folder: Path, refused: Callable[..., str]) -> None:
    second = "std" if case == "act_state" else "max"
    tensors_changed(folder / BEFORE, **{f"observation.state.{second}": torch.ones(4)})
    message = refused()
    assert BEFORE in message
    assert f"'observation.state.{second}' has shape [4], the feature needs [5]" in message
    tensors_changed(folder / BEFORE, **{f"observation.state.{second}": None})
    assert f"no tensor 'observation.state.{second}'" in refused()


@pytest.mark.parametrize(("file", "feature"), [(BEFORE, "observation.state"), (AFTER, "action")])
def test_statistics_of_zero_width(
    file: str, feature: str, case: str, folder: Path, refused: Callable[..., str]
) -> None:
    """Refused, unless such columns are to be taken for what they were: then no reading moves the chunk."""
    tensors = load_file(folder / file)
    first, second = (f"{feature}.{part}" for part in (("mean", "std") if case == "act_state" else ("min", "max")))
    tensors[second][1] = 0.0 if case == "act_state" else tensors[first][1]
    save_file(tensors, folder / file)
    message = refused()
    assert file in message
    assert f"{second}" in message
    assert "is 0 in column 1" in message
    assert "--constants" in message
    policy = read_policy(folder, contract(), streams(case), as_constants=True)
    seen = frame(policy)
    chunk = policy.infer(seen, seed=0)
    if feature == "action":
        np.testing.assert_allclose(chunk[:, 1], float(tensors[first][1]), atol=1e-6)
        return
    arm = seen.values["arm"].copy()
    arm[:, 1] += 0.5
    other = policy.infer(type(seen)(0, {**seen.values, "arm": arm}, {}), seed=0)
    np.testing.assert_array_equal(other, chunk)
    arm[:, 0] += 0.5
    moved = policy.infer(type(seen)(0, {**seen.values, "arm": arm}, {}), seed=0)
    assert np.abs(moved - chunk).max() > 1e-4


def test_actions_in_degrees(case: str, folder: Path, refused: Callable[..., str]) -> None:
    names = ("mean", "std") if case == "act_state" else ("min", "max")
    tensors_changed(folder / AFTER, **{f"action.{name}": torch.tensor([0.1, 90.0, 0.2]) + 0.3 * index
                                       for index, name in enumerate(names)})  # fmt: skip
    message = refused()
    assert "action 1 reached" in message
    assert "takes for 'b' in rad" in message
    assert "degrees? per cent?" in message


def test_interval_the_wrong_way_round(case: str, folder: Path, refused: Callable[..., str]) -> None:
    second = "std" if case == "act_state" else "max"
    tensors_changed(folder / BEFORE, **{f"observation.state.{second}": torch.full((5,), -7.0)})
    assert "the statistics are damaged" in refused()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (Streams(("arm",), ("object",)), ("hold 4 numbers", "observation.state has 5", "--state")),
        (Streams(("arm", "hand")), ("3 numbers as observation.environment_state", "--environment", "object (3)")),
        (Streams(("arm", "hand"), ("nix",)), ("no stream 'nix'", "arm, hand, object")),
        (Streams(("arm", "top"), ("object",)), ("stream 'top' is a camera",)),
        (Streams(("arm", "hand"), ("object",), {"front": "top"}), ("--camera front", "has none")),
    ],
)
def test_streams_that_do_not_fit(
    given: Streams, words: tuple[str, ...], case: str, folder: Path, refused: Callable[..., str]
) -> None:
    message = refused(given)
    assert all(word in message for word in words), message


def test_a_camera_of_another_size(imported: Imported, tmp_path: Path) -> None:
    folder = Path(copytree(imported("act_cameras")[0], tmp_path / "theirs"))
    document = json.loads((folder / "config.json").read_text())
    document["input_features"]["observation.images.top"]["shape"] = [3, 480, 640]
    (folder / "config.json").write_text(json.dumps(document))
    with pytest.raises(
        BcError, match=r"'observation.images.top' has \[480, 640, 3\] rgb8, stream 'top'.*\[64, 96, 3\]"
    ):
        read_policy(folder, contract(), streams("act_cameras"))


def test_without_a_contract_the_robot_is_not_known(folder: Path, case: str) -> None:
    with pytest.raises(BcError, match=r"does not say which robot it is for: give its contract"):
        read_policy(folder, None, streams(case))


def test_exports_do_not_replace_what_is_none(imported: Imported, case: str, tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    with pytest.raises(BcError, match="exists and is no export of ours"):
        export_policy(imported(case)[1], tmp_path / "thesis")
