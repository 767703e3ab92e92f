"""Bags to training pairs: the reference in force at ticks, labels, masks, refused frames, disagreeing contracts."""

import json
import re
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from bc_core.bags import open_episode
from bc_core.commands import read_timeline
from bc_core.contract import Contract
from bc_core.dataset import EpisodeTicks, read_episode, windows
from bc_core.errors import BcError
from bc_core.frames import FrameAssembler
from bc_core.message_types import require_type
from bc_core.seen import seen_frames

Write = Callable[..., Path]
HUMAN, POLICY, HOLD = 3, 1, 0
MS = 1_000_000
START = 20_000  # tick of the first observation
STREAMS = ("arm", "gripper")


@pytest.fixture
def build(contract: Contract, recording: Any) -> Any:
    """A recording of 21 ticks with observations, to which a test adds commands."""
    for time in range(contract.grid.time(START), contract.grid.time(START + 20) + 1, 10 * MS):
        recording.joints(time, np.full(7, (time - contract.grid.time(START)) / 1e9), 0.08)
    return recording


def rows(start: float, step: float, count: int) -> np.ndarray:
    """count rows whose first column runs from start in steps."""
    values = np.zeros((count, 8))
    values[:, 0] = start + step * np.arange(count)
    return values


def test_rows_are_the_reference_in_force_not_the_last_message(contract: Contract, build: Any) -> None:
    t = contract.grid.time
    build.mode(t(START), HUMAN, 2)
    build.chunk("human", 1, t(START), rows(0.0, 1.0, 15), in_force=t(START))
    build.chunk("human", 2, t(START), rows(500.0, 1.0, 15), in_force=None)  # refused
    build.chunk("human", 3, t(START), rows(100.0, 1.0, 11), in_force=t(START + 6) - 10 * MS)  # arrives late
    episode = read_episode(build.close(), contract, STREAMS, 1)
    assert episode.first_tick == START
    expected = [0, 1, 2, 3, 4, 5, 106, 107, 108, 109, 110]
    np.testing.assert_allclose(episode.commands[:11, 0], expected)
    assert np.isnan(episode.commands[11:]).all()
    assert episode.source[:12].tolist() == ["human"] * 11 + [""]
    assert episode.mode.tolist() == [HUMAN] * 21
    assert episode.epoch.tolist() == [2] * 21
    assert episode.missing_chunks == 0


def test_rows_between_the_grid_are_interpolated(contract: Contract, build: Any) -> None:
    t = contract.grid.time
    build.mode(t(START), HUMAN, 2)
    build.chunk("human", 1, t(START) - 10 * MS, rows(0.0, 1.0, 8), in_force=t(START), dt_ns=20 * MS)
    episode = read_episode(build.close(), contract, STREAMS, 1)
    np.testing.assert_allclose(episode.commands[:3, 0], [0.5, 3.0, 5.5])


def test_a_change_of_mode_ends_the_chunk_in_force(contract: Contract, build: Any) -> None:
    t = contract.grid.time
    build.mode(t(START), POLICY, 5)
    build.chunk("policy", 1, t(START), rows(0.0, 1.0, 20), in_force=t(START))
    build.mode(t(START + 4), HUMAN, 6)  # the chunk that takes over, in force at the same time
    build.chunk("human", 1, t(START + 4), rows(50.0, 1.0, 3), in_force=t(START + 4))
    build.mode(t(START + 6), HOLD, 7)
    episode = read_episode(build.close(), contract, STREAMS, 1)
    np.testing.assert_allclose(episode.commands[:6, 0], [0, 1, 2, 3, 50, 51])
    assert np.isnan(episode.commands[6:]).all()
    assert episode.source[:7].tolist() == ["policy"] * 4 + ["human"] * 2 + [""]
    assert episode.epoch[[3, 4, 6]].tolist() == [5, 6, 7]


def test_an_acknowledged_chunk_that_is_missing_leaves_a_gap(contract: Contract, build: Any) -> None:
    t = contract.grid.time
    build.mode(t(START), HUMAN, 2)
    build.chunk("human", 1, t(START), rows(0.0, 1.0, 20), in_force=t(START))
    build.ack("human", 2, t(START + 3))
    build.chunk("human", 3, t(START + 5), rows(9.0, 1.0, 3), in_force=t(START + 5))
    episode = read_episode(build.close(), contract, STREAMS, 1)
    assert episode.missing_chunks == 1
    assert episode.has_command[:9].tolist() == [True] * 3 + [False] * 2 + [True] * 3 + [False]


def test_frames_hold_the_samples_of_their_ticks(contract: Contract, build: Any) -> None:
    episode = read_episode(build.close(), contract, STREAMS, 2)
    assert episode.has_frame.tolist() == [False] + [True] * 20  # the first has no history
    assert episode.refused == {"arm": 1}
    np.testing.assert_allclose(episode.values["arm"][7, :, 3], [0.30, 0.35])
    assert episode.values["gripper"].shape == (21, 2, 1)


def test_a_gap_in_a_stream_costs_its_frames(contract: Contract, recording: Any) -> None:
    t = contract.grid.time
    for tick in [*range(START, START + 5), *range(START + 9, START + 12)]:
        recording.joints(t(tick), np.zeros(7), 0.0)
    episode = read_episode(recording.close(), contract, STREAMS, 1)
    assert episode.has_frame.tolist() == [True] * 6 + [False] * 3 + [True] * 3  # one tick of age is allowed
    assert episode.refused == {"arm": 3}


def test_bag_and_contract_that_disagree(contract: Contract, build: Any) -> None:
    path = build.close()
    document = deepcopy(dict(contract.document))
    document["observations"]["arm"]["names"].reverse()
    with pytest.raises(BcError, match=re.escape(f"episode '{path}'") + ".*observations.arm.names"):
        read_episode(path, Contract.from_document(document, "other"), STREAMS, 1)
    read_episode(path, Contract.from_document(document, "other"), ("gripper",), 1)  # unaffected stream


def test_chunk_of_another_layout(contract: Contract, build: Any) -> None:
    t = contract.grid.time
    build.mode(t(START), HUMAN, 2)
    build.chunk("human", 1, t(START), rows(0.0, 1.0, 5)[:, :7], in_force=t(START), groups=contract.groups[:1])
    with pytest.raises(BcError, match=r"commands arm .*, the contract arm .*gripper"):
        read_episode(build.close(), contract, STREAMS, 1)


def test_a_bag_without_observations(contract: Contract, recording: Any) -> None:
    recording.mode(contract.grid.time(START), HUMAN, 2)
    with pytest.raises(BcError, match="holds no message on joint_states"):
        read_episode(recording.close(), contract, STREAMS, 1)


def test_order_of_messages_does_not_matter(contract: Contract, header: Any) -> None:
    ack = SimpleNamespace(
        header=header(0), verdict=1, source="human", producer_id=1, sequence=1, effective=header(5).stamp
    )
    groups = [SimpleNamespace(**vars(group)) for group in contract.groups]
    chunk = SimpleNamespace(
        header=header(0), dt=header(50 * MS).stamp, horizon=3, producer="p", producer_id=1, sequence=1, mode_epoch=1,
        groups=groups, actions=rows(1.0, 0.0, 3).ravel(), frozen=0, release=False,
    )  # fmt: skip
    mode = SimpleNamespace(header=header(5), mode=HUMAN, epoch=2)
    messages = [("controller/ack", ack), ("command/human", chunk), ("controller/mode", mode)]
    for order in (messages, messages[::-1]):
        timeline = read_timeline(order, contract.groups, "test")
        command = timeline.at(5)
        assert command.row is not None
        assert (command.row[0], command.source, command.mode) == (1.0, "human", HUMAN)
        assert timeline.at(4).row is None


def ticks(source: str, epoch: list[int] | None = None, has_frame: list[int] | None = None) -> EpisodeTicks:
    """An episode from a string: h human, p policy, - nobody. Command of tick k: k in every column."""
    names = {"h": "human", "p": "policy", "-": ""}
    count = len(source)
    commands = np.repeat(np.arange(float(count))[:, None], 2, axis=1)
    commands[[letter == "-" for letter in source]] = np.nan
    return EpisodeTicks(
        name="test",
        first_tick=0,
        values={},
        has_frame=np.array(has_frame or [1] * count, dtype=bool),
        commands=commands,
        source=np.array([names[letter] for letter in source]),
        mode=np.zeros(count, dtype=np.int64),
        epoch=np.array(epoch or [1] * count, dtype=np.int64),
        refused={},
        missing_chunks=0,
    )


def targets(episode: EpisodeTicks, horizon: int, sources: tuple[str, ...] = ("human",), pad: bool = False) -> dict:
    """Frame -> its valid rows."""
    found = windows(episode, horizon, sources, pad)
    return {
        int(frame): rows[ok].tolist()
        for frame, rows, ok in zip(found.frames, found.actions[:, :, 0], found.valid, strict=True)
    }


def test_row_0_is_the_command_of_the_frames_own_tick() -> None:
    assert targets(ticks("hhhh"), 3) == {0: [0, 1, 2], 1: [1, 2, 3], 2: [2, 3], 3: [3]}


@pytest.mark.parametrize("sources", [("human",), ("human", "policy")])
def test_no_target_crosses_a_change_of_source(sources: tuple[str, ...]) -> None:
    found = targets(ticks("pphhp"), 4, sources, pad=True)
    assert found[2] == [2, 3]
    assert found[3] == [3]
    assert (0 in found) == ("policy" in sources)
    if "policy" in sources:
        assert found[0] == [0, 1]


def test_no_target_crosses_an_epoch_or_a_gap() -> None:
    assert targets(ticks("hhhh", epoch=[1, 1, 2, 2]), 4)[0] == [0, 1]
    assert targets(ticks("hh-hh"), 4) == {0: [0, 1], 1: [1], 3: [3, 4], 4: [4]}


def test_padding_only_where_nobody_commands_to_the_end() -> None:
    assert targets(ticks("hhh--"), 4, pad=True)[1] == [1, 2, 2, 2]
    assert targets(ticks("hhh--"), 4, pad=False)[1] == [1, 2]
    assert targets(ticks("hhh-p"), 4, pad=True)[1] == [1, 2]


def test_rows_that_are_no_target_repeat_the_last_that_is() -> None:
    found = windows(ticks("hhp"), 4, ("human",), False)
    assert found.actions[0, :, 0].tolist() == [0, 1, 1, 1]
    assert found.valid[0].tolist() == [True, True, False, False]


def test_refused_frames_are_no_inputs_but_their_commands_are_targets() -> None:
    assert targets(ticks("hhh", has_frame=[1, 0, 1]), 3) == {0: [0, 1, 2], 2: [2]}


def test_a_pause_has_neither_frames_nor_commands(contract: Contract, build: Any) -> None:
    t = contract.grid.time
    build.mode(t(START), HUMAN, 2)
    build.chunk("human", 1, t(START), rows(0.0, 1.0, 21), in_force=t(START))
    path = build.close()
    info = json.loads((path / "episode.json").read_text())
    (path / "episode.json").write_text(json.dumps(info | {"pauses": [[t(START + 5), t(START + 9)]]}))
    episode = read_episode(path, contract, STREAMS, 1)
    paused = [False] * 5 + [True] * 4 + [False] * 12
    assert (~episode.has_frame).tolist() == (~episode.has_command).tolist() == paused
    assert targets(episode, 8)[3] == [3, 4]


def test_the_frames_that_a_policy_saw_come_out_of_the_bag(contract: Contract, build: Any) -> None:
    assembler = FrameAssembler(contract, STREAMS, 2)
    seen = []
    for tick in range(START + 2, START + 20, 3):
        for stream, shape in (("arm", 7), ("gripper", 1)):
            for time in range(contract.grid.time(tick - 2), contract.grid.time(tick) - 9 * MS, 10 * MS):
                value = np.full(shape, (time - contract.grid.time(START)) / 1e9 if shape == 7 else 0.08)
                assembler.add(stream, time, value)
        seen.append(assembler.frame(tick))
        build.manifest(seen[-1])
    episode = open_episode(build.close())
    rebuilt = list(seen_frames(episode, contract, 2))
    assert [frame.tick for frame in rebuilt] == [frame.tick for frame in seen]
    for old, new in zip(seen, rebuilt, strict=True):
        assert new.stamps == old.stamps
        for stream in STREAMS:
            np.testing.assert_array_equal(new.values[stream], old.values[stream])


def test_a_bag_without_manifests_was_seen_by_nobody(contract: Contract, build: Any) -> None:
    assert list(seen_frames(open_episode(build.close()), contract)) == []


def test_labels_of_messages_match_the_interface() -> None:
    mode = require_type("bc_msgs/msg/ControlMode")
    assert (mode.HUMAN, mode.POLICY, mode.HOLD) == (HUMAN, POLICY, HOLD)
    assert require_type("bc_msgs/msg/ChunkAck").IN_FORCE == 1
