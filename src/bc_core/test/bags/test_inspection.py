"""`bcros inspect`: the account of a bag."""

import json
from pathlib import Path

import pytest

from bc_core.errors import BcError
from bc_core.inspection import format_text, inspect

from .episode_maker import make_episode


def test_the_account_counts_topics_commands_and_modes(tmp_path: Path) -> None:
    account = inspect(make_episode(tmp_path / "episode", 200, seed=4, task="pick"))
    joints = account["topics"]["joint_states"]
    assert (joints["count"], joints["lost"], joints["rate_hz"], joints["longest_gap_s"]) == (200, 0, 200.0, 0.005)
    assert account["topics"]["command/policy"]["rate_hz"] is None
    assert account["chunks"] == {"human": {"in force": 1, "refused": 1}}
    assert account["refused"] == {"expired": 1}
    assert account["mode_seconds"] == {"hold": 0.5, "human": 0.495}
    assert (account["messages"], account["contract"]) == (204, "panda_conveyor")
    assert json.loads(json.dumps(account)) == account


def test_the_text_shows_what_a_person_asks_first(tmp_path: Path) -> None:
    text = format_text(inspect(make_episode(tmp_path / "episode", 200, seed=4, task="pick")))
    for words in ("204 messages", "task       pick", "outcome    success", "human: in force 1, refused 1", "200.0 Hz"):
        assert words in text
    assert "DAMAGED" not in text


def test_damage_and_loss_stand_out(tmp_path: Path) -> None:
    path = make_episode(tmp_path / "episode", 200)
    file = next(path.glob("*.mcap"))
    file.write_bytes(file.read_bytes()[:20_000])
    account = inspect(path)
    text = format_text(account)
    assert account["truncated"]
    assert f"LOST: {204 - account['messages']} messages" in text
    assert "DAMAGED: cut off" in text


def test_a_folder_of_bags_is_no_bag(tmp_path: Path) -> None:
    with pytest.raises(BcError, match="give an episode's directory"):
        inspect(tmp_path)
    make_episode(tmp_path / "episode_000000", 10)
    with pytest.raises(BcError, match="it holds 1 bags: name one"):
        inspect(tmp_path)
