"""An MCAP bag that survives a crash and a full disk: a writer with checkpoints.

The writer holds up to 1 MiB of messages in memory and writes its index at the end; a recorder that is killed would lose
both. `checkpoint()` puts everything received so far on disk as a whole chunk; `roll_back()` undoes what was written
since, when the disk had no room for all of it, so that the file can still be closed properly.
"""

import errno
import os
from dataclasses import dataclass
from pathlib import Path

from rosbags.interfaces import Connection, Qos, QosDurability, QosHistory, QosLiveliness, QosReliability, QosTime
from rosbags.rosbag2 import CompressionMode, StoragePlugin
from rosbags.rosbag2.enums import CompressionFormat

from bc_core.mcap_writer import ChunkedMcapWriter, ChunkedWriter
from bc_core.message_types import definition

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""Errors of the system that mean: nothing more can be written here."""


@dataclass(frozen=True)
class _Checkpoint:
    """What is safe on disk: bytes, chunks, time span and messages per connection."""

    bytes: int
    chunks: int
    first_ns: int
    last_ns: int
    counts: dict[int, int]


class BagStorage:
    """One rosbag2 directory being written. `path` must not exist. compression: "none" or "zstd" (per MCAP chunk).

    Raises OSError as the system does; what the caller makes of a full disk is its business.
    """

    def __init__(self, path: Path, compression: str = "none") -> None:
        self.path = path
        self._writer = ChunkedWriter(path, version=ChunkedWriter.VERSION_LATEST, storage_plugin=StoragePlugin.MCAP)
        if compression == "zstd":
            self._writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
        self._writer.open()
        assert isinstance(self._writer.storage, ChunkedMcapWriter)
        self._mcap = self._writer.storage
        self._connections: dict[str, Connection] = {}
        self._checkpoint = self._mark()

    @property
    def counts(self) -> dict[str, int]:
        """Messages written per topic, those since the last checkpoint included."""
        return {topic: self._writer.counts[connection.id] for topic, connection in self._connections.items()}

    def add_topic(
        self, topic: str, type_name: str, latched: bool = False, described: tuple[str, str] | None = None
    ) -> None:
        """Announce a topic (absolute name). BcError: its type is not installed.

        described: the type's definition and RIHS01 hash, where they come from another bag and not from this machine.
        """
        text, digest = described or definition(type_name)
        self._connections[topic] = self._writer.add_connection(
            topic, type_name, msgdef=text, rihs01=digest, offered_qos_profiles=[_offered_qos(latched)]
        )

    def write(self, topic: str, received_ns: int, data: bytes | memoryview) -> None:
        """Append one serialized (CDR) message; `data` must not change any more."""
        self._writer.write(self._connections[topic], received_ns, data)

    def checkpoint(self) -> None:
        """Hand everything written so far to the operating system, as a whole chunk.

        Never a chunk of announced topics alone: a reader that orders by time takes a first chunk without messages for
        a file without an index (`ros2 bag play` does), and topics that have no message yet are nothing to lose.
        """
        if self._mcap.chunk.msgs:
            self._mcap.close_chunk()
        self._mcap.bio.flush()
        self._checkpoint = self._mark()

    def roll_back(self) -> dict[str, int]:
        """Back to the last checkpoint; returns the messages dropped thereby, per topic."""
        kept, mcap, writer = self._checkpoint, self._mcap, self._writer
        dropped = {}
        for topic, connection in self._connections.items():
            count = kept.counts.get(connection.id, 0)
            dropped[topic] = writer.counts[connection.id] - count
            writer.counts[connection.id] = mcap.channel_stats[connection.id] = count
        self._abandon_buffer()
        os.truncate(mcap.path, kept.bytes)
        mcap.bio = mcap.path.open("ab")
        del mcap.chunks[kept.chunks :]
        mcap.begin_chunk()
        mcap.message_start_time = writer.min_timestamp = kept.first_ns
        mcap.message_end_time = writer.max_timestamp = kept.last_ns
        return dropped

    def close(self, custom_data: dict[str, str]) -> None:
        """Write the index and metadata.yaml, with `custom_data` (strings) in it."""
        for key, value in custom_data.items():
            self._writer.set_custom_data(key, value)
        self._writer.close()

    def abandon(self) -> None:
        """Let go of the file as it is: without index, readable up to the last checkpoint."""
        self._abandon_buffer()

    def _mark(self) -> _Checkpoint:
        writer = self._writer
        position, chunks = self._mcap.bio.tell(), len(self._mcap.chunks)
        return _Checkpoint(position, chunks, writer.min_timestamp, writer.max_timestamp, dict(writer.counts))

    def _abandon_buffer(self) -> None:
        """Close the file; what its buffer still holds does not fit on the disk, and closing says so once more."""
        try:
            self._mcap.bio.close()
        except OSError as error:
            if error.errno not in NO_ROOM:
                raise


def _offered_qos(latched: bool) -> Qos:
    """What `ros2 bag play` should offer for a topic: reliable, and latched where it was."""
    durability = QosDurability.TRANSIENT_LOCAL if latched else QosDurability.VOLATILE
    unlimited = QosTime(0, 0)
    return Qos(
        history=QosHistory.KEEP_LAST,
        depth=1 if latched else 10,
        reliability=QosReliability.RELIABLE,
        durability=durability,
        deadline=unlimited,
        lifespan=unlimited,
        liveliness=QosLiveliness.AUTOMATIC,
        liveliness_lease_duration=unlimited,
        avoid_ros_namespace_conventions=False,
    )
