"""What is whole in an MCAP file that was cut off: a killed recorder, a full disk, a broken copy.

MCAP (https://mcap.dev/spec) is a sequence of records `opcode u8, length u64, content`; messages lie in chunks. Readers
that start from the index at the file's end can read nothing of a file without end; this one starts at the beginning and
stops at the first record that is not whole, also inside the last chunk.
"""

import mmap
import struct
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from zlib import crc32

from lz4.frame import LZ4FrameDecompressor

from bc_core.errors import BcError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

MAGIC = b"\x89MCAP0\r\n"
_HEADER, _FOOTER, _SCHEMA, _CHANNEL, _MESSAGE, _CHUNK, _DATA_END = 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x0F
_PREFIX = struct.Struct("<BQ")  # opcode, length
_MESSAGE_HEAD = struct.Struct("<HIQQ")  # channel, sequence, log time, publish time
_CHUNK_HEAD = struct.Struct("<QQQI")  # first time, last time, size, CRC


@dataclass(frozen=True)
class Channel:
    """A topic as the file names it, its type and the type's definition."""

    topic: str
    type_name: str
    definition: str


@dataclass
class Salvage:
    """What one pass over a file found. `complete`: it ends as MCAP wants it, with nothing missing in between."""

    channels: dict[int, Channel] = field(default_factory=dict)
    counts: dict[int, int] = field(default_factory=dict)
    first_ns: int = 0
    last_ns: int = 0
    whole_bytes: int = 0
    total_bytes: int = 0
    complete: bool = False


def survey(path: Path, accept: Callable[[Channel, bytes], bool]) -> Salvage:
    """Channels and the number of whole, accepted messages in a file, damaged or not. BcError: not an MCAP file at all.

    accept: whether a message's data are what its channel says; a whole record may still hold garbage.
    """
    found = Salvage(total_bytes=path.stat().st_size)
    for channel_id, time_ns, data in salvage_messages(path, found):
        if channel_id not in found.channels or not accept(found.channels[channel_id], data):
            continue
        found.first_ns = min(found.first_ns or time_ns, time_ns)
        found.last_ns = max(found.last_ns, time_ns)
        found.counts[channel_id] = found.counts.get(channel_id, 0) + 1
    return found


def salvage_messages(path: Path, found: Salvage) -> Iterator[tuple[int, int, bytes]]:
    """Yield (channel id, log time [ns], data) of every whole message; within a chunk in order of time.

    Fills found.channels, .whole_bytes and .complete on the way.
    """
    if path.stat().st_size < len(MAGIC):
        raise BcError(f"{path} is no MCAP file: it holds {path.stat().st_size} bytes")
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        if content[: len(MAGIC)] != MAGIC:
            raise BcError(f"{path} is no MCAP file: it begins with {content[:8]!r}")
        schemas: dict[int, tuple[str, str]] = {}
        found.whole_bytes = len(MAGIC)
        for opcode, start, end in _records(content, len(MAGIC)):
            whole = end <= len(content)
            if opcode == _CHUNK:
                inner, intact = _open_chunk(content[start:end])
                yield from _chunk_messages(inner, schemas, found)
                whole = whole and intact
            elif whole and opcode == _MESSAGE:
                yield _message(content[start:end])
            elif whole:
                _definition(opcode, content[start:end], schemas, found)
            if not whole:
                return
            found.whole_bytes = end
            if opcode == _FOOTER:
                found.complete = content[end : end + len(MAGIC)] == MAGIC
                found.whole_bytes = min(end + len(MAGIC), len(content))
                return


def _records(content: bytes | mmap.mmap, position: int) -> Iterator[tuple[int, int, int]]:
    """Opcode, start and end of the contents of each record; the last one's end may lie beyond the file's."""
    while position + _PREFIX.size <= len(content):
        opcode, length = _PREFIX.unpack_from(content, position)
        start = position + _PREFIX.size
        if opcode == 0:  # never valid: a hole that the file system filled with zeros
            return
        yield opcode, start, start + length
        position = start + length


def _chunk_messages(
    inner: bytes, schemas: dict[int, tuple[str, str]], found: Salvage
) -> Iterator[tuple[int, int, bytes]]:
    messages = []
    for opcode, start, end in _records(inner, 0):
        if end > len(inner):
            break
        if opcode == _MESSAGE:
            messages.append(_message(inner[start:end]))
        else:
            _definition(opcode, inner[start:end], schemas, found)
    messages.sort(key=lambda message: message[1])
    yield from messages


def _open_chunk(content: bytes) -> tuple[bytes, bool]:
    """The records in a chunk's content, as far as they are there, and whether the chunk is intact."""
    if len(content) < _CHUNK_HEAD.size + 4:
        return b"", False
    _, _, size, crc = _CHUNK_HEAD.unpack_from(content)
    (name_length,) = struct.unpack_from("<I", content, _CHUNK_HEAD.size)
    start = _CHUNK_HEAD.size + 4 + name_length + 8
    compression = content[_CHUNK_HEAD.size + 4 : start - 8].decode("ascii", "replace")
    packed = content[start:]
    try:
        if compression == "zstd":
            inner = zstd.ZstdDecompressor().decompress(packed)
        elif compression == "lz4":
            inner = LZ4FrameDecompressor().decompress(packed)
        else:
            inner = packed
    except (zstd.ZstdError, RuntimeError, EOFError):
        return b"", False
    intact = compression in ("", "zstd", "lz4") and len(inner) == size and (not crc or crc32(inner) == crc)
    return inner, intact


def _message(content: bytes) -> tuple[int, int, bytes]:
    channel_id, _, log_time, _ = _MESSAGE_HEAD.unpack_from(content)
    return channel_id, log_time, content[_MESSAGE_HEAD.size :]


def _definition(opcode: int, content: bytes, schemas: dict[int, tuple[str, str]], found: Salvage) -> None:
    """Take note of a schema or a channel; other records carry nothing that reading needs."""
    if opcode == _SCHEMA:
        (schema_id,) = struct.unpack_from("<H", content)
        name, position = _string(content, 2)
        _, position = _string(content, position)
        definition, _ = _string(content, position)
        schemas[schema_id] = (name, definition)
    elif opcode == _CHANNEL:
        channel_id, schema_id = struct.unpack_from("<HH", content)
        topic, _ = _string(content, 4)
        found.channels[channel_id] = Channel(topic, *schemas.get(schema_id, ("", "")))


def _string(content: bytes, position: int) -> tuple[str, int]:
    (length,) = struct.unpack_from("<I", content, position)
    end = position + 4 + length
    return content[position + 4 : end].decode(), end
