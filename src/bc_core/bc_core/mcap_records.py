"""Records of an MCAP file (https://mcap.dev/spec): `opcode u8, length u64, content`, messages inside chunks.

What every reader of ours needs: the index (bc_core.mcap_index) and the salvage of files without one
(bc_core.mcap_salvage). Whatever the bytes say, nothing here allocates more than CHUNK_LIMIT for one chunk.
"""

import mmap
import struct
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from zlib import crc32

from lz4.frame import LZ4FrameDecompressor

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

MAGIC = b"\x89MCAP0\r\n"
HEADER, FOOTER, SCHEMA, CHANNEL, MESSAGE, CHUNK, MESSAGE_INDEX = 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07
CHUNK_INDEX, STATISTICS, DATA_END = 0x08, 0x0B, 0x0F
CHUNK_LIMIT = 1 << 28
"""A chunk that claims to hold more bytes than this is not opened: writers flush after one MiB or one message."""

PREFIX = struct.Struct("<BQ")  # opcode, length
_MESSAGE_HEAD = struct.Struct("<HIQQ")  # channel, sequence, log time, publish time
_CHUNK_HEAD = struct.Struct("<QQQI")  # first time, last time, size, CRC


class MalformedRecordError(ValueError):
    """A record whose content is not what its opcode promises."""


@dataclass(frozen=True)
class Channel:
    """A topic as the file names it, its type and the type's definition (`encoding`: "ros2msg" or another)."""

    topic: str
    type_name: str
    definition: str
    encoding: str = "ros2msg"


class ChannelTable:
    """Channels by id, gathered from schema and channel records in whatever order they come."""

    def __init__(self) -> None:
        self._schemas: dict[int, tuple[str, str, str]] = {}
        self.channels: dict[int, Channel] = {}

    def take(self, opcode: int, content: bytes) -> None:
        """Note a schema or a channel; other records carry nothing that reading needs. MalformedRecordError."""
        try:
            if opcode == SCHEMA:
                (schema_id,) = struct.unpack_from("<H", content)
                name, position = string(content, 2)
                encoding, position = string(content, position)
                definition, _ = string(content, position)
                self._schemas[schema_id] = (name, definition, encoding)
            elif opcode == CHANNEL:
                channel_id, schema_id = struct.unpack_from("<HH", content)
                topic, _ = string(content, 4)
                self.channels[channel_id] = Channel(topic, *self._schemas.get(schema_id, ("", "", "")))
        except (struct.error, UnicodeDecodeError) as error:
            raise MalformedRecordError(f"schema or channel record: {error}") from error


def records(content: bytes | mmap.mmap, position: int) -> Iterator[tuple[int, int, int]]:
    """Opcode, start and end of the contents of each record; the last one's end may lie beyond the file's."""
    while position + PREFIX.size <= len(content):
        opcode, length = PREFIX.unpack_from(content, position)
        start = position + PREFIX.size
        if opcode == 0:  # never valid: a hole that the file system filled with zeros
            return
        yield opcode, start, start + length
        position = start + length


def open_chunk(content: bytes) -> tuple[bytes, bool]:
    """The records in a chunk's content, as far as they are there, and whether the chunk is intact."""
    if len(content) < _CHUNK_HEAD.size + 4:
        return b"", False
    _, _, size, crc = _CHUNK_HEAD.unpack_from(content)
    (name_length,) = struct.unpack_from("<I", content, _CHUNK_HEAD.size)
    start = _CHUNK_HEAD.size + 4 + name_length + 8
    compression = content[_CHUNK_HEAD.size + 4 : start - 8].decode("ascii", "replace")
    packed = content[start:]
    if size > CHUNK_LIMIT:
        return b"", False
    try:
        if compression == "zstd":
            inner = zstd.ZstdDecompressor().decompress(packed, max_length=size) if size else b""
        elif compression == "lz4":
            inner = LZ4FrameDecompressor().decompress(packed, max_length=size) if size else b""
        else:
            inner = packed
    except (zstd.ZstdError, RuntimeError, EOFError):
        return b"", False
    intact = compression in ("", "zstd", "lz4") and len(inner) == size and (not crc or crc32(inner) == crc)
    return inner, intact


def has_checksum(content: bytes) -> bool:
    """Whether a chunk's content says what its records add up to: an intact one is then as it was written."""
    return bool(_CHUNK_HEAD.unpack_from(content)[3])


def message(content: bytes) -> tuple[int, int, bytes]:
    """Channel id, log time [ns] and data of a message record. MalformedRecordError: it is too short."""
    if len(content) < _MESSAGE_HEAD.size:
        raise MalformedRecordError(f"a message record of {len(content)} bytes")
    channel_id, _, log_time, _ = _MESSAGE_HEAD.unpack_from(content)
    return channel_id, log_time, content[_MESSAGE_HEAD.size :]


def string(content: bytes, position: int) -> tuple[str, int]:
    """A length-prefixed string and the position after it. struct.error, UnicodeDecodeError: there is none."""
    (length,) = struct.unpack_from("<I", content, position)
    end = position + 4 + length
    if end > len(content):
        raise struct.error(f"a string of {length} bytes at {position} of {len(content)}")
    return content[position + 4 : end].decode(), end
