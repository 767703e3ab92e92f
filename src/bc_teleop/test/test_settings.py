from pathlib import Path

import pytest
import yaml

from bc_core.errors import BcError
from bc_teleop.device_names import DEVICES
from bc_teleop.settings import load_settings


@pytest.mark.parametrize("device", DEVICES)
def test_the_shipped_files_are_valid(config_folder: Path, device: str) -> None:
    settings = load_settings(config_folder / "teleop" / f"{device}.yaml", device)
    assert settings.device == device
    assert settings.limits.linear_velocity > 0.0


def change(config_folder: Path, folder: Path, device: str, path: list[str | int], value: object) -> Path:
    """A shipped file with one value replaced."""
    document = yaml.safe_load((config_folder / "teleop" / f"{device}.yaml").read_text())
    section = document
    for key in path[:-1]:
        section = section[key]
    section[path[-1]] = value
    file = folder / "changed.yaml"
    if not (folder / "layouts").exists():
        (folder / "layouts").symlink_to(config_folder / "teleop" / "layouts")
    file.write_text(yaml.safe_dump(document))
    return file


@pytest.mark.parametrize(
    ("device", "path", "value", "message"),
    [
        ("joy", ["joy", "modes", 0, "axes", "linear_w"], {"axis": 0, "scale": 1.0}, "linear_w"),
        ("joy", ["joy", "modes", 0, "axes", "joint_1"], {"axis": 0, "scale": 1.0}, "not both"),
        ("joy", ["joy", "modes", 0, "frame"], "world", "world"),
        ("joy", ["joy", "modes", 1, "name"], "tool", "same name"),
        ("joy", ["speeds"], [1.0, 0.5], "ascending"),
        ("joy", ["speeds"], [0.5, 2.0], "ascending"),
        ("joy", ["camera", "rpy"], [0.0, 0.0], "rpy"),
        ("joy", ["camera", "parent"], "wrist", "wrist"),
        ("joy", ["filter"], {"min_cutoff": 0.0}, "min_cutoff"),
        ("keyboard", ["keyboard", "frame"], "wrist", "frame"),
        ("browser", ["browser", "certificate"], "a.pem", "neither"),
        ("browser", ["browser", "lateness"], 5.0, "lateness"),
        ("leader", ["leader", "signs"], [1, 1, 1, 1, 1, 1, 2], "1 or -1"),
        ("leader", ["leader", "offsets"], [0.0], "offsets"),
        ("leader", ["leader", "slip"], 0.1, "tolerance"),
        ("leader", ["leader", "source"], "ether", "ether"),
        ("leader", ["leader", "gripper", "open"], 0.0, "closed"),
        ("joy", ["joy", "buttons", "dance"], 3, "dance"),
        ("joy", ["joy", "timeout"], 0, "timeout"),
        ("joy", ["joy", "layout"], "", "right_x.*whole number"),  # a name needs a layout
        ("joy", ["limits", "linear_velocity"], -1.0, "linear_velocity"),
        ("keyboard", ["keyboard", "keys", "w"], "jump", "jump"),
        ("keyboard", ["keyboard", "keys", "up"], "+linear_x", "one character"),
        ("scripted", ["conveyor_pick", "swnig"], 0.1, "swnig"),
        ("scripted", ["conveyor_pick", "lift_time"], "long", "lift_time"),
        ("scripted", ["device"], "joy", "joy"),
    ],
)
def test_a_wrong_entry_is_named(
    config_folder: Path, tmp_path: Path, device: str, path: list[str | int], value: object, message: str
) -> None:
    file = change(config_folder, tmp_path, device, path, value)
    with pytest.raises(BcError, match=message):
        load_settings(file, device)


def test_a_wrong_name_or_layout_is_named(config_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(BcError, match="arcade"):
        load_settings(config_folder / "teleop" / "gamepad.yaml", "gamepad", "arcade")
    file = change(config_folder, tmp_path, "gamepad", ["joy", "dead_man"], "fire")
    with pytest.raises(BcError, match="left_shoulder"):
        load_settings(file, "gamepad")


@pytest.mark.parametrize(
    ("layout", "stop", "right_stick"),
    [("", 3, (4, 3)), ("playstation", 2, (4, 3)), ("generic", 3, (3, 2)), ("game_controller", 3, (3, 2))],
)
def test_a_pad_under_a_joy_node_stops_the_robot_by_the_same_button(
    config_folder: Path, layout: str, stop: int, right_stick: tuple[int, int]
) -> None:
    """The upper of the four at the right, wherever the pad has it in its numbers."""
    joy = load_settings(config_folder / "teleop" / "joy.yaml", "joy", layout).joy
    assert joy.buttons["stop"] == stop
    assert (joy.modes[0].axes["linear_z"].index, joy.modes[0].axes["angular_z"].index) == right_stick
    leader = load_settings(config_folder / "teleop" / "leader.yaml", "leader", layout).joy
    assert leader.switches.items() <= joy.switches.items()


def test_a_layout_that_would_change_nothing_is_refused(config_folder: Path, tmp_path: Path) -> None:
    file = change(config_folder, tmp_path, "joy", ["joy", "dead_man"], 4)
    assert load_settings(file, "joy").joy.dead_man == 4
    with pytest.raises(BcError, match=r"dead_man.*'playstation' would change nothing of numbers"):
        load_settings(file, "joy", "playstation")


def test_an_unknown_device_or_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BcError, match="telepathy"):
        load_settings(tmp_path / "x.yaml", "telepathy")
    with pytest.raises(BcError, match=r"x\.yaml"):
        load_settings(tmp_path / "x.yaml", "joy")
    (tmp_path / "broken.yaml").write_text("device: [")
    with pytest.raises(BcError, match=r"broken\.yaml"):
        load_settings(tmp_path / "broken.yaml", "joy")


def test_a_mode_of_the_camera_needs_to_know_where_it_looks(config_folder: Path, tmp_path: Path) -> None:
    file = change(config_folder, tmp_path, "joy", ["device"], "joy")
    document = yaml.safe_load(file.read_text())
    del document["camera"]
    file.write_text(yaml.safe_dump(document))
    with pytest.raises(BcError, match="`camera`"):
        load_settings(file, "joy")


def test_a_leader_of_servos_reads_its_joints_and_its_trigger_from_the_bus(config_folder: Path, tmp_path: Path) -> None:
    file = change(config_folder, tmp_path, "leader", ["leader", "source"], "dynamixel")
    document = yaml.safe_load(file.read_text())
    with pytest.raises(BcError, match="joints"):
        load_settings(file, "leader")  # names where ids belong
    document["leader"]["joints"] = [1, 2, 3, 4, 5, 6, 7]
    document["leader"]["gripper"]["joint"] = 8
    document["dynamixel"] = {"port": "/dev/null", "baud": 57600, "rate": 50}
    file.write_text(yaml.safe_dump(document))
    settings = load_settings(file, "leader")
    assert settings.bus is not None and settings.bus.ids == (1, 2, 3, 4, 5, 6, 7, 8)
    assert settings.leader.gripper == "8"
