"""The very frames that a policy saw, rebuilt from a bag by the manifests in it."""

from collections.abc import Iterator
from typing import Any

from bc_core.contract import Contract
from bc_core.episode import Episode
from bc_core.fields import time_ns
from bc_core.frames import Frame, FrameAssembler, manifest_stamps

MANIFEST_TOPIC = "policy/manifest"


def seen_frames(episode: Episode, contract: Contract, n_obs_steps: int = 1) -> Iterator[Frame]:
    """One frame per manifest, in order of the bag, equal to the bit to the live one.

    n_obs_steps: of the policy that drove. ObservationError: a sample that a manifest names is not in the bag, or does
    not fit the contract.
    """
    episode.require_types({MANIFEST_TOPIC: "bc_msgs/msg/FrameManifest"})
    manifests = [message.msg for message in episode.messages([MANIFEST_TOPIC])]
    if not manifests:
        return
    streams = tuple(dict.fromkeys(manifests[0].streams))
    assembler = FrameAssembler(contract, streams, n_obs_steps, keep=None)
    rules = [contract.observations[stream] for stream in streams]
    episode.require_types({rule.topic: rule.type for rule in rules})
    by_topic: dict[str, list[str]] = {}
    for stream in streams:
        by_topic.setdefault(contract.observations[stream].topic, []).append(stream)
    for topic, _, message in episode.messages(by_topic):
        for stream in by_topic[topic]:
            assembler.take(stream, message)
    for manifest in manifests:
        yield assembler.rebuild(int(manifest.tick), _stamps(manifest))


def _stamps(manifest: Any) -> dict[str, tuple[int, ...]]:
    return manifest_stamps(manifest.streams, (time_ns(stamp) for stamp in manifest.stamps))
