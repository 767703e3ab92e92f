"""rosbags' MCAP writer for streams of images: messages are not copied on their way to the file, chunks have checksums.

rosbags copies every message three times and leaves a chunk's checksum empty; without one, bytes that changed on the
disk may still decompress. Layout and limits of chunks are rosbags' own. Channels say the hash of their type, too, as
rosbag2's do: rosbags leaves it to metadata.yaml, which a recorder that was killed has not written.
"""

import struct
import sys
from collections import defaultdict
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, cast
from zlib import crc32

from rosbags.interfaces import Connection, ConnectionExtRosbag2
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.rosbag2.enums import CompressionMode
from rosbags.rosbag2.storage_mcap import (
    Channel,
    McapWriter,
    write_channel,
    write_record,
    write_string,
    write_uint16,
    write_uint32,
    write_uint64,
)

from bc_core.mcap_records import CHUNK, MESSAGE, MESSAGE_INDEX

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

CHUNK_SIZE = 1 << 20
"""A chunk that has more bytes than this is closed."""
ZSTD_LEVEL = 1
"""A recorder shares its core: level 3 takes a tenth less room and several times as long."""

_RECORD = struct.Struct("<BQ")  # opcode, length
_MESSAGE = struct.Struct("<BQHIQQ")  # opcode, length, channel, sequence, log time, publish time
_FIRST, _LAST = 2**63 - 1, 0


class Pieces:
    """The records of a chunk as the buffers they came in; of a BytesIO it has what rosbags writes records with."""

    def __init__(self) -> None:
        self._pieces: list[bytes | memoryview] = []
        self._size = 0

    def write(self, data: bytes | memoryview) -> int:
        """Keep a buffer, which must not change any more."""
        self._pieces.append(data)
        self._size += len(data)
        return len(data)

    def tell(self) -> int:
        return self._size

    def checksum(self) -> int:
        value = 0
        for piece in self._pieces:
            value = crc32(piece, value)
        return value

    def compressed(self) -> list[bytes]:
        """One zstd frame that says how long its content is."""
        compressor = zstd.ZstdCompressor(ZSTD_LEVEL)
        compressor.set_pledged_input_size(self._size)
        return [*(compressor.compress(piece) for piece in self._pieces), compressor.flush()]

    @property
    def buffers(self) -> list[bytes | memoryview]:
        return self._pieces


class PendingChunk:
    """A chunk that is not written yet. msgs: (log time, offset) by channel."""

    def __init__(self) -> None:
        self.message_start_time = _FIRST
        self.message_end_time = _LAST
        self.bio = Pieces()
        self.msgs: dict[int, list[tuple[int, int]]] = defaultdict(list)


class ChunkedMcapWriter(McapWriter):
    """Storage of a bag; made by `ChunkedWriter`."""

    chunk: PendingChunk  # type: ignore[assignment]

    def __init__(self, path: Path, compression: CompressionMode) -> None:
        super().__init__(path, compression)
        self.begin_chunk()

    def begin_chunk(self) -> None:
        """Forget what is not written yet."""
        self.chunk = PendingChunk()

    def add_connection(self, connection: Connection, offered_qos_profiles: str) -> None:
        """Announce a topic with the channel metadata that rosbag2 0.26 (Jazzy) writes: profiles, hash of the type."""
        metadata = BytesIO()
        for text in ("offered_qos_profiles", offered_qos_profiles, "topic_type_hash", connection.digest):
            write_string(metadata, text)
        encoding = cast(ConnectionExtRosbag2, connection.ext).serialization_format
        channel = Channel(connection.id, connection.msgtype, connection.topic, encoding, metadata.getvalue())
        self.channels.append(channel)
        self.channel_stats[connection.id] = 0
        write_channel(cast(BinaryIO, self.chunk.bio), channel, self.schemas)  # see Pieces

    def write(self, connection: Connection, timestamp: int, data: bytes | memoryview) -> None:
        """Take a message [ns] over; `data` must not change any more."""
        chunk = self.chunk
        self.message_start_time = min(timestamp, self.message_start_time)
        self.message_end_time = max(timestamp, self.message_end_time)
        chunk.message_start_time = min(timestamp, chunk.message_start_time)
        chunk.message_end_time = max(timestamp, chunk.message_end_time)
        self.channel_stats[connection.id] += 1
        chunk.msgs[connection.id].append((timestamp, chunk.bio.tell()))
        length = _MESSAGE.size - _RECORD.size + len(data)
        chunk.bio.write(_MESSAGE.pack(MESSAGE, length, connection.id, 0, timestamp, timestamp))
        chunk.bio.write(data)
        if chunk.bio.tell() > CHUNK_SIZE:
            self.close_chunk()

    def close_chunk(self) -> None:
        """Write the pending chunk with its message indices, and begin another."""
        chunk, start = self.chunk, self.bio.tell()
        packed: Iterable[bytes | memoryview] = chunk.bio.compressed() if self.compression else chunk.bio.buffers
        packed = list(packed)
        size = sum(map(len, packed))
        head = BytesIO()
        write_uint64(head, chunk.message_start_time)
        write_uint64(head, chunk.message_end_time)
        write_uint64(head, chunk.bio.tell())
        write_uint32(head, chunk.bio.checksum())
        write_string(head, self.compression)
        write_uint64(head, size)
        self.bio.write(_RECORD.pack(CHUNK, head.tell() + size))
        self.bio.write(head.getbuffer())
        self.bio.writelines(packed)
        end = self.bio.tell()
        places = {channel: self._write_message_index(channel, places) for channel, places in chunk.msgs.items()}
        self.chunks.append(self._chunk_index(chunk, start, end, size, places))
        self.begin_chunk()

    def _write_message_index(self, channel: int, places: list[tuple[int, int]]) -> int:
        """Where the index of a channel's messages begins."""
        start, record = self.bio.tell(), BytesIO()
        write_uint16(record, channel)
        write_uint32(record, len(places) * 16)
        for place in places:
            record.write(struct.pack("<QQ", *place))
        write_record(self.bio, MESSAGE_INDEX, record)
        return start

    def _chunk_index(self, chunk: PendingChunk, start: int, end: int, size: int, places: dict[int, int]) -> BytesIO:
        """Content of the record that tells readers of a chunk from `start` to `end`, its message indices after it."""
        record = BytesIO()
        write_uint64(record, chunk.message_start_time)
        write_uint64(record, chunk.message_end_time)
        write_uint64(record, start)
        write_uint64(record, end - start)
        write_uint32(record, len(places) * 10)
        for channel, place in places.items():
            write_uint16(record, channel)
            write_uint64(record, place)
        write_uint64(record, self.bio.tell() - end)
        write_string(record, self.compression)
        write_uint64(record, size)
        write_uint64(record, chunk.bio.tell())
        return record


class ChunkedWriter(Writer):
    """rosbags' writer of rosbag2 directories with ChunkedMcapWriter as its storage."""

    STORAGE_PLUGINS = {StoragePlugin.MCAP: ChunkedMcapWriter}  # noqa: RUF012 - as in the base class
