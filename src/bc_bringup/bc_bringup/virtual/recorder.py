"""An episode in virtual time as a bag, as the episode recorder would have written it of the same messages."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rclpy.serialization import serialize_message

from bc_bringup.virtual.streams import VirtualStreams
from bc_core.contract import Contract
from bc_core.episode_writer import EpisodeWriter, next_episode, recorded_topics
from bc_teleop.provenance import software


class VirtualRecorder:
    """Writes what it hears while an episode lasts. operator: who drives. Cameras that nobody renders are left out."""

    def __init__(self, streams: VirtualStreams, contract: Contract, operator: str = "policy") -> None:
        cameras = {observation.topic for observation in contract.observations.values() if observation.is_image}
        dark = cameras - streams.observed
        self._topics = {topic.topic: topic for topic in recorded_topics(contract) if topic.topic not in dark}
        self._contract, self._streams, self._operator = contract, streams, operator
        self._writer: EpisodeWriter | None = None
        streams.listeners.append(self._hear)

    @contextmanager
    def episode(
        self, directory: Path, now_ns: int, task: str, seed: int, metadata: Mapping[str, Any]
    ) -> Iterator[EpisodeWriter]:
        """The next episode of a directory; whoever opens it closes it, else it stays as interrupted."""
        writer = EpisodeWriter(
            next_episode(directory),
            self._topics.values(),
            self._contract.document,
            now_ns,
            task=task,
            seed=seed,
            operator=self._operator,
            metadata=metadata,
            provenance={"software": software(), "virtual": True},
        )
        with writer:
            self._writer = writer
            try:
                self._streams.announce()
                yield writer
            finally:
                self._writer = None

    def _hear(self, topic: str, time_ns: int, message: Any) -> None:
        if self._writer is not None and topic in self._topics:
            self._writer.write(topic, time_ns, serialize_message(message))
