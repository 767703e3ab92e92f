"""What is whole in an MCAP file that was cut off: a killed recorder, a full disk, a broken copy.

Readers that start from the index at the file's end can read nothing of a file without end; this one starts at the
beginning and stops at the first record that is not whole, also inside the last chunk. A chunk that is there in full
but does not open (its bytes were changed) is left out, and reading goes on after it.
"""

import mmap
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from bc_core.errors import BcError
from bc_core.mcap_records import (
    CHUNK,
    FOOTER,
    MAGIC,
    MESSAGE,
    Channel,
    ChannelTable,
    MalformedRecordError,
    has_checksum,
    message,
    open_chunk,
    records,
)


@dataclass
class Salvage:
    """What one pass over a file found. `complete`: it ends as MCAP wants it, with nothing missing in between."""

    channels: dict[int, Channel] = field(default_factory=dict)
    counts: dict[int, int] = field(default_factory=dict)
    first_ns: int = 0
    last_ns: int = 0
    whole_bytes: int = 0
    total_bytes: int = 0
    broken_chunks: int = 0
    complete: bool = False


def survey(path: Path, accept: Callable[[Channel, bytes], bool]) -> Salvage:
    """Channels and the number of whole, accepted messages in a file, damaged or not. BcError: not an MCAP file at all.

    accept: as salvage_messages.
    """
    found = Salvage(total_bytes=path.stat().st_size)
    for channel_id, time_ns, _ in salvage_messages(path, found, accept):
        found.first_ns = min(found.first_ns or time_ns, time_ns)
        found.last_ns = max(found.last_ns, time_ns)
        found.counts[channel_id] = found.counts.get(channel_id, 0) + 1
    return found


def salvage_messages(
    path: Path, found: Salvage, accept: Callable[[Channel, bytes], bool]
) -> Iterator[tuple[int, int, bytes]]:
    """Yield (channel id, log time [ns], data) of every whole message of a known channel; in a chunk in order of time.

    accept: whether a message's data are what its channel says. Asked where no checksum vouches for them: a whole record
    at the end of a damaged file may hold garbage. Fills found.channels, .whole_bytes, .broken_chunks and .complete on
    the way.
    """
    if path.stat().st_size < len(MAGIC):
        raise BcError(f"{path} is no MCAP file: it holds {path.stat().st_size} bytes")
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        if content[: len(MAGIC)] != MAGIC:
            raise BcError(f"{path} is no MCAP file: it begins with {content[:8]!r}")
        table = ChannelTable()
        found.channels = table.channels
        found.whole_bytes = len(MAGIC)
        try:
            for item, is_proven in _whole_messages(content, table, found):
                channel = table.channels.get(item[0])
                if channel is not None and (is_proven or accept(channel, item[2])):
                    yield item
        except MalformedRecordError:
            found.complete = False


def _whole_messages(
    content: mmap.mmap, table: ChannelTable, found: Salvage
) -> Iterator[tuple[tuple[int, int, bytes], bool]]:
    """Messages, each with whether a checksum says that it is as it was written."""
    for opcode, start, end in records(content, len(MAGIC)):
        whole = end <= len(content)
        if opcode == CHUNK:
            chunk = content[start:end]
            inner, intact = open_chunk(chunk)
            is_proven = intact and has_checksum(chunk)
            yield from ((item, is_proven) for item in _chunk_messages(inner, table))
            found.broken_chunks += whole and not intact
        elif whole and opcode == MESSAGE:
            yield message(content[start:end]), False
        elif whole:
            table.take(opcode, content[start:end])
        if not whole:
            return
        found.whole_bytes = end
        if opcode == FOOTER:
            found.complete = content[end : end + len(MAGIC)] == MAGIC and not found.broken_chunks
            found.whole_bytes = min(end + len(MAGIC), len(content))
            return


def _chunk_messages(inner: bytes, table: ChannelTable) -> Iterator[tuple[int, int, bytes]]:
    messages = []
    try:
        for opcode, start, end in records(inner, 0):
            if end > len(inner):
                break
            if opcode == MESSAGE:
                messages.append(message(inner[start:end]))
            else:
                table.take(opcode, inner[start:end])
    except MalformedRecordError:  # a chunk of garbage: what came before it stays
        pass
    messages.sort(key=lambda item: item[1])
    yield from messages
