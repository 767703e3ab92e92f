"""Bytes that no recorder wrote: every reader answers with data or with a BcError, and within its memory."""

import json
import os
import random
import resource
import shutil
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bc_core.bags import open_episode
from bc_core.contract import Contract, RecordedTopic
from bc_core.episode_writer import EpisodeWriter, recorded_topics
from bc_core.errors import BcError
from bc_core.mcap_records import CHUNK, MAGIC, open_chunk
from bc_core.repair import repair
from bc_core.replay import recorded_runs
from bc_core.survey.measure import measure

from .episode_maker import header

QUICK = settings(
    max_examples=int(os.environ.get("BC_FUZZ_EXAMPLES", "120")),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
GIBIBYTE = 1 << 30


@contextmanager
def little_memory() -> Iterator[None]:
    """At most two GiB more than now: what asks for more fails."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + 2 * GIBIBYTE, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def read_all(path: Path) -> None:
    """Whatever a user may do with a bag; BcError is an answer, every other exception is a defect."""
    for action in (lambda: list(open_episode(path).messages()), lambda: measure(path), lambda: repair(path)):
        try:
            action()
        except BcError as error:
            assert str(path) in str(error) or path.name in str(error)


@pytest.fixture(scope="module")
def bag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small whole bag with chunks of both kinds of compression to choose from."""
    path = tmp_path_factory.mktemp("fuzz") / "episode"
    with EpisodeWriter(path, [RecordedTopic("beat", "std_msgs/msg/Header", latched=False)], {}, 0) as writer:
        for index in range(12):
            writer.write_message("beat", index, header(index))
            if index % 4 == 3:
                writer.flush(index)
        writer.close("success", "", 12)
    return path


def with_content(bag: Path, folder: Path, content: bytes, whole: bool = True) -> Path:
    """The bag with another MCAP file; whole: with its metadata and account."""
    folder.mkdir(exist_ok=True)
    for file in folder.iterdir():
        file.unlink()
    (folder / "episode.mcap").write_bytes(content)
    for name in ("metadata.yaml", "episode.json") if whole else ():
        (folder / name).write_bytes((bag / name).read_bytes())
    return folder


@QUICK
@given(st.lists(st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=9)), min_size=1, max_size=4), st.booleans())
def test_changed_bytes(bag: Path, tmp_path: Path, changes: list[tuple[float, bytes]], whole: bool) -> None:
    content = bytearray((bag / "episode.mcap").read_bytes())
    for place, new in changes:
        at = int(place * (len(content) - 1))
        content[at : at + len(new)] = new
    with little_memory():
        read_all(with_content(bag, tmp_path / "bag", bytes(content), whole))


@QUICK
@given(st.floats(0, 1), st.floats(0, 1), st.booleans())
def test_pieces_cut_out(bag: Path, tmp_path: Path, first: float, second: float, whole: bool) -> None:
    content = (bag / "episode.mcap").read_bytes()
    begin, end = sorted((int(first * len(content)), int(second * len(content))))
    with little_memory():
        read_all(with_content(bag, tmp_path / "bag", content[:begin] + content[end:], whole))


@QUICK
@given(st.lists(st.tuples(st.integers(0, 20), st.binary(max_size=60)), max_size=8))
def test_records_of_any_kind_and_content(bag: Path, tmp_path: Path, records: list[tuple[int, bytes]]) -> None:
    content = MAGIC + b"".join(struct.pack("<BQ", opcode, len(data)) + data for opcode, data in records) + MAGIC
    with little_memory():
        read_all(with_content(bag, tmp_path / "bag", content, whole=False))


@pytest.fixture(scope="module")
def driven(tmp_path_factory: pytest.TempPathFactory, recording_at: Callable[..., Any], contract: Contract) -> Path:
    """A bag of observations and of a chunk that was in force."""
    recording = recording_at(tmp_path_factory.mktemp("driven") / "episode", 0)
    times = [contract.grid.time(tick) for tick in range(20_000, 20_004)]
    recording.mode(times[0], 3, 2)
    recording.chunk("human", 1, times[0], np.zeros((4, 8)), in_force=times[0])
    for time in times:
        recording.joints(time, np.zeros(7), 0.08)
        recording.object(time, np.zeros(3), 0.1)
    recording.image(times[1], np.zeros((96, 96, 3), dtype=np.uint8))
    return Path(recording.close())


@QUICK
@given(
    st.integers(0, 11),
    st.lists(st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=9)), max_size=3),
    st.sampled_from([1.0, 0.5, 0.0]),
)
def test_messages_of_changed_bytes(
    driven: Path, contract: Contract, tmp_path: Path, number: int, changes: list[tuple[float, bytes]], part: float
) -> None:
    """In a bag whose checksums hold: what a publisher that lies may have sent."""
    messages = list(open_episode(driven).raw_messages())
    data = bytearray(messages[number].data)
    for place, new in changes:
        at = int(place * (len(data) - 1))
        data[at : at + len(new)] = new
    del data[max(8, int(part * len(data))) :]
    folder = tmp_path / "bag"
    shutil.rmtree(folder, ignore_errors=True)
    with EpisodeWriter(folder, recorded_topics(contract), contract.document, 0) as writer:
        for index, message in enumerate(messages):
            writer.write(message.topic, message.received_ns, bytes(data) if index == number else message.data)
        writer.close("success", "", 0)
    with little_memory():
        read_all(folder)
        with suppress(BcError):
            recorded_runs(str(folder))


@QUICK
@given(st.binary(max_size=200))
def test_any_bytes_as_metadata_and_account(bag: Path, tmp_path: Path, data: bytes) -> None:
    folder = with_content(bag, tmp_path / "bag", (bag / "episode.mcap").read_bytes())
    for name in ("metadata.yaml", "episode.json"):
        (folder / name).write_bytes(data)
        with little_memory():
            read_all(folder)


@QUICK
@given(
    st.dictionaries(
        st.sampled_from(["topics", "pauses", "contract", "outcome", "irregularities", "started_ns", "seed", "task"]),
        st.recursive(
            st.none() | st.integers() | st.text(max_size=9),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
            max_leaves=6,
        ),
    ),
    st.sampled_from([1.0, 0.7]),
)
def test_any_document_as_account(bag: Path, tmp_path: Path, document: dict[str, Any], part: float) -> None:
    content = (bag / "episode.mcap").read_bytes()
    folder = with_content(bag, tmp_path / "bag", content[: int(part * len(content))])
    (folder / "episode.json").write_text(json.dumps(document))
    read_all(folder)


@pytest.mark.parametrize("size", [1 << 20, 1 << 40, (1 << 64) - 1])
@pytest.mark.parametrize("compression", [b"", b"zstd", b"lz4", b"brotli"])
def test_a_chunk_that_claims_to_be_huge_takes_no_memory(size: int, compression: bytes) -> None:
    content = struct.pack("<QQQII", 0, 1, size, 0, len(compression)) + compression + struct.pack("<Q", 9) + bytes(9)
    with little_memory():
        inner, intact = open_chunk(content)
    assert not intact
    assert len(inner) <= 9


@pytest.mark.parametrize("seed", range(3))
def test_long_runs_of_noise(bag: Path, tmp_path: Path, seed: int) -> None:
    noise = random.Random(seed).randbytes(200_000)
    chunk = struct.pack("<BQ", CHUNK, len(noise)) + noise
    with little_memory():
        read_all(with_content(bag, tmp_path / "bag", MAGIC + chunk + noise, whole=seed == 0))
