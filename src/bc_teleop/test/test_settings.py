from pathlib import Path

import pytest
import yaml

from bc_core.errors import BcError
from bc_teleop.settings import DEVICES, load_settings


@pytest.mark.parametrize("device", DEVICES)
def test_the_shipped_files_are_valid(config_folder: Path, device: str) -> None:
    settings = load_settings(config_folder / "teleop" / f"{device}.yaml", device)
    assert settings.device == device
    assert settings.limits.linear_velocity > 0.0


def change(config_folder: Path, folder: Path, device: str, path: list[str], value: object) -> Path:
    """A shipped file with one value replaced."""
    document = yaml.safe_load((config_folder / "teleop" / f"{device}.yaml").read_text())
    section = document
    for key in path[:-1]:
        section = section[key]
    section[path[-1]] = value
    file = folder / "changed.yaml"
    file.write_text(yaml.safe_dump(document))
    return file


@pytest.mark.parametrize(
    ("device", "path", "value", "message"),
    [
        ("joy", ["joy", "axes", "linear_w"], {"axis": 0, "scale": 1.0}, "linear_w"),
        ("joy", ["joy", "buttons", "dance"], 3, "dance"),
        ("joy", ["joy", "timeout"], 0, "timeout"),
        ("joy", ["joy", "dead_man"], "left_shoulder", "dead_man"),  # a name needs a layout
        ("joy", ["limits", "linear_velocity"], -1.0, "linear_velocity"),
        ("keyboard", ["keyboard", "keys", "w"], "jump", "jump"),
        ("keyboard", ["keyboard", "keys", "up"], "+linear_x", "one character"),
        ("scripted", ["conveyor_pick", "swnig"], 0.1, "swnig"),
        ("scripted", ["conveyor_pick", "lift_time"], "long", "lift_time"),
        ("scripted", ["device"], "joy", "joy"),
    ],
)
def test_a_wrong_entry_is_named(
    config_folder: Path, tmp_path: Path, device: str, path: list[str], value: object, message: str
) -> None:
    file = change(config_folder, tmp_path, device, path, value)
    with pytest.raises(BcError, match=message):
        load_settings(file, device)


def test_a_wrong_name_or_layout_is_named(config_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(BcError, match="arcade"):
        load_settings(config_folder / "teleop" / "gamepad.yaml", "gamepad", "arcade")
    file = change(config_folder, tmp_path, "gamepad", ["joy", "dead_man"], "fire")
    (tmp_path / "layouts").symlink_to(config_folder / "teleop" / "layouts")
    with pytest.raises(BcError, match="left_shoulder"):
        load_settings(file, "gamepad")


def test_an_unknown_device_or_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BcError, match="spacemouse"):
        load_settings(tmp_path / "x.yaml", "spacemouse")
    with pytest.raises(BcError, match=r"x\.yaml"):
        load_settings(tmp_path / "x.yaml", "joy")
    (tmp_path / "broken.yaml").write_text("device: [")
    with pytest.raises(BcError, match=r"broken\.yaml"):
        load_settings(tmp_path / "broken.yaml", "joy")
