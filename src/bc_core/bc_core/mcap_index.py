"""An intact MCAP file read by the index at its end: topics and counts at once, messages in order of time.

`None` from `read_index` says that the file has no usable index: then bc_core.mcap_salvage reads it from its beginning.
"""

import heapq
import mmap
import struct
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bc_core.errors import BcError
from bc_core.mcap_records import (
    CHUNK,
    CHUNK_INDEX,
    FOOTER,
    MAGIC,
    MESSAGE,
    PREFIX,
    STATISTICS,
    Channel,
    ChannelTable,
    MalformedRecordError,
    message,
    open_chunk,
    records,
)

_FOOTER = struct.Struct("<BQQQI")  # opcode, length, summary start, summary offset start, CRC
_STATISTICS = struct.Struct("<QHIIIIQQI")  # counts, first and last time, bytes of the counts per channel
_CHUNK_INDEX = struct.Struct("<QQQQ")  # first and last time, offset and length of the chunk's record


@dataclass(frozen=True)
class McapIndex:
    """Summary of one file. counts: messages by channel id. chunks: (first ns, last ns, offset, length) each."""

    path: Path
    channels: dict[int, Channel]
    counts: dict[int, int]
    first_ns: int
    last_ns: int
    chunks: tuple[tuple[int, int, int, int], ...]


def read_index(path: Path) -> McapIndex | None:
    """The summary of a file that ends as MCAP wants it and says where its chunks are; None for any other."""
    if path.stat().st_size < len(MAGIC) * 2 + _FOOTER.size:
        return None
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        if content[: len(MAGIC)] != MAGIC or content[-len(MAGIC) :] != MAGIC:
            return None
        footer = len(content) - len(MAGIC) - _FOOTER.size
        opcode, length, summary, _, _ = _FOOTER.unpack_from(content, footer)
        if (opcode, length) != (FOOTER, _FOOTER.size - PREFIX.size) or not len(MAGIC) < summary < footer:
            return None
        try:
            return _parse_summary(path, content[summary:footer], len(content))
        except (MalformedRecordError, struct.error):
            return None


def indexed_messages(files: Sequence[McapIndex], topics: Collection[str]) -> Iterator[tuple[str, int, bytes]]:
    """(topic, log time [ns], data) of the topics of all files together, in order of time. BcError: a broken chunk."""
    chunks = sorted((chunk[0], number, chunk) for number, file in enumerate(files) for chunk in file.chunks)
    waiting: list[tuple[int, int, str, bytes]] = []  # time, order of reading, topic, data
    count = 0
    for place, (_, number, chunk) in enumerate(chunks):
        for topic, time_ns, data in _chunk_messages(files[number], chunk, topics):
            heapq.heappush(waiting, (time_ns, count, topic, data))
            count += 1
        later = chunks[place + 1][0] if place + 1 < len(chunks) else None
        while waiting and (later is None or waiting[0][0] < later):
            time_ns, _, topic, data = heapq.heappop(waiting)
            yield topic, time_ns, data


def _parse_summary(path: Path, summary: bytes, size: int) -> McapIndex | None:
    table, counts, chunks = ChannelTable(), dict[int, int](), []
    total = first_ns = last_ns = -1
    for opcode, start, end in records(summary, 0):
        if end > len(summary):
            return None
        if opcode == STATISTICS:
            total, *_, chunk_count, first_ns, last_ns, length = _STATISTICS.unpack_from(summary, start)
            position = start + _STATISTICS.size
            for at in range(position, min(position + length, end), 10):
                channel_id, channel_count = struct.unpack_from("<HQ", summary, at)
                counts[channel_id] = channel_count
        elif opcode == CHUNK_INDEX:
            chunk = _CHUNK_INDEX.unpack_from(summary, start)
            if chunk[2] + chunk[3] > size:
                return None
            chunks.append(chunk)
        else:
            table.take(opcode, summary[start:end])
    if total < 0 or chunk_count != len(chunks) or (total and not chunks) or not counts.keys() <= table.channels.keys():
        return None
    return McapIndex(path, table.channels, counts, first_ns, last_ns, tuple(chunks))


def _chunk_messages(
    file: McapIndex, chunk: tuple[int, int, int, int], topics: Collection[str]
) -> Iterator[tuple[str, int, bytes]]:
    _, _, offset, length = chunk
    broken = BcError(
        f"{file.path} is damaged in the chunk at byte {offset}: `bcros repair {file.path.parent}` keeps what is whole, "
        "or leave this episode out"
    )
    with file.path.open("rb") as stream:
        stream.seek(offset)
        record = stream.read(length)
    inner, intact = open_chunk(record[PREFIX.size :]) if record[:1] == bytes([CHUNK]) else (b"", False)
    if not intact:
        raise broken
    names = {channel_id: channel.topic for channel_id, channel in file.channels.items() if channel.topic in topics}
    for opcode, start, end in records(inner, 0):
        if end > len(inner):
            raise broken
        if opcode == MESSAGE:
            try:
                channel_id, time_ns, data = message(inner[start:end])
            except MalformedRecordError as error:
                raise broken from error
            if channel_id in names:
                yield names[channel_id], time_ns, data
