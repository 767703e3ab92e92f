"""Planned rows as chunks in time: what is sent when, and every way in which a motion ends."""

from itertools import pairwise

import numpy as np
import pytest

from bc_core.contract import Contract
from bc_core.playback import LEAD_NS, OVERLAP, Playback, Result, as_chunks

ME, EPOCH, T0 = 5, 7, 10**9
SIZE, SUPERSEDED = 1, 10  # bc_msgs/ChunkAck


def rows(count: int) -> np.ndarray:
    values = np.zeros((count, 8))
    values[:, 0] = 0.01 * np.arange(count)
    return values


def playing(contract: Contract, count: int = 60) -> Playback:
    playback = Playback(rows(count), contract.groups, contract.grid, "test", ME, 11)
    playback.granted(EPOCH, T0)
    return playback


@pytest.mark.parametrize("count", [2, 3, 4, 20, 21, 23, 60, 200])
def test_chunks_overlap_and_the_last_releases(contract: Contract, count: int) -> None:
    all_rows = rows(count)
    chunks = as_chunks(all_rows, contract.groups, contract.grid, T0, "test", ME, EPOCH, 11)
    for before, after in pairwise(chunks):
        assert after.stamp_ns == before.end_ns - (OVERLAP - 1) * before.dt_ns
        np.testing.assert_array_equal(after.actions[:OVERLAP], before.actions[-OVERLAP:])
        assert after.frozen == OVERLAP < after.horizon
    assert [chunk.release for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
    assert [chunk.sequence for chunk in chunks] == list(range(11, 11 + len(chunks)))
    joined = np.concatenate([chunks[0].actions, *(chunk.actions[OVERLAP:] for chunk in chunks[1:])])
    np.testing.assert_array_equal(joined, all_rows)


def test_each_chunk_is_sent_once_ahead_of_its_time(contract: Contract) -> None:
    playback = playing(contract)
    assert contract.grid.time(contract.grid.floor(playback.chunks[0].stamp_ns)) == playback.chunks[0].stamp_ns
    sent = []
    for now in range(T0, playback.chunks[-1].end_ns, 10_000_000):
        due = playback.due(now)
        assert all(now <= chunk.stamp_ns <= now + LEAD_NS for chunk in due)
        sent += due
    assert [chunk.sequence for chunk in sent] == [chunk.sequence for chunk in playback.chunks]
    assert playback.next_sequence == 11 + len(sent)


def test_it_is_done_when_the_controller_holds_after_the_last_row(contract: Contract) -> None:
    playback = playing(contract)
    end = playback.chunks[-1].end_ns
    playback.due(end)
    playback.on_mode(True, EPOCH, "an old message", end)
    assert playback.end is None and playback.progress(end) == 1.0
    playback.on_mode(True, EPOCH + 1, "released", end)
    assert playback.end is not None and playback.end.result is Result.DONE


def test_a_human_ends_it_and_what_was_overtaken_is_no_refusal(contract: Contract) -> None:
    playback = playing(contract)
    assert playback.due(T0)
    playback.on_ack(ME, SUPERSEDED, "overtaken")
    assert playback.end is None
    playback.on_mode(False, EPOCH + 1, "human chunk", T0 + 10**9)
    assert playback.end is not None and (playback.end.result, playback.end.reason) == (Result.ENDED, "human chunk")
    assert playback.due(T0 + 2 * 10**9) == []


def test_a_refused_chunk_ends_it_and_anothers_does_not(contract: Contract) -> None:
    playback = playing(contract)
    playback.on_ack(ME + 1, SIZE, "not ours")
    assert playback.end is None
    playback.on_ack(ME, SIZE, "too long")
    assert playback.end is not None and playback.end.result is Result.REFUSED


def test_canceled_it_sends_nothing_and_ends_in_hold(contract: Contract) -> None:
    playback = playing(contract)
    playback.due(T0)
    playback.cancel()
    assert playback.due(T0 + 10**9) == []
    playback.on_mode(True, EPOCH + 1, "canceled", T0 + 10**9)
    assert playback.end is not None and playback.end.result is Result.CANCELED


def test_a_controller_that_says_nothing_is_told(contract: Contract) -> None:
    playback = playing(contract)
    playback.due(playback.chunks[-1].end_ns)
    assert playback.end is None
    playback.due(playback.chunks[-1].end_ns + 3 * 10**9)
    assert playback.end is not None and playback.end.result is Result.SILENT
