"""Bags with nothing in them: each is named, by whatever reads it, with what to do."""

from collections.abc import Callable
from pathlib import Path

import pytest

from bc_core.bags import open_episode
from bc_core.dataset import read_episode
from bc_core.errors import BcError
from bc_core.inspection import format_text, inspect
from bc_core.mcap_records import MAGIC
from bc_core.repair import repair
from bc_core.survey.measure import measure

from .episode_maker import CONTRACT, START_NS, open_writer


def no_file(path: Path) -> None:
    path.mkdir()


def no_bytes(path: Path) -> None:
    path.mkdir()
    (path / "episode.mcap").write_bytes(b"")


def only_magic(path: Path) -> None:
    path.mkdir()
    (path / "episode.mcap").write_bytes(MAGIC)


def started_and_stopped(path: Path) -> None:
    with open_writer(path) as writer:
        writer.close("aborted", "nothing came", START_NS)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (no_file, "give a rosbag2 directory or an MCAP file"),
        (no_bytes, "is no MCAP file: it holds 0 bytes"),
        (only_magic, "holds no message on joint_states"),
        (started_and_stopped, "holds no message on joint_states"),
    ],
)
def test_nothing_to_train_on_is_named(tmp_path: Path, make: Callable[[Path], None], words: str) -> None:
    path = tmp_path / "episode"
    make(path)
    with pytest.raises(BcError, match=words) as error:
        read_episode(path, CONTRACT, ("arm",), 1)
    assert str(path) in str(error.value)
    assert words in measure(path, CONTRACT).error


def test_an_episode_without_messages_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "episode"
    started_and_stopped(path)
    account = inspect(path)
    assert (account["messages"], account["lost"], account["truncated"]) == (0, 0, False)
    assert "0 messages" in format_text(account)
    assert list(open_episode(path).messages()) == []
    assert repair(path).damage == ""


def test_a_file_that_was_cut_off_before_its_first_message_cannot_be_repaired(tmp_path: Path) -> None:
    path = tmp_path / "episode"
    only_magic(path)
    with pytest.raises(BcError, match=r"holds no whole message .* nothing can be recovered, delete it"):
        repair(path)
