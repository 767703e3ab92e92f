"""A damaged bag made whole again: `bcros repair`.

Every message that is whole is written to a new bag with index and metadata; what is known to be lost stays counted.
The damaged file is kept beside it (`*.mcap.damaged`): the repair can be done again, and nothing is thrown away.
"""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bc_core.account import INFO_FILE
from bc_core.bag_storage import BagStorage
from bc_core.bags import METADATA_FILE, Episode, open_verified
from bc_core.episode_writer import OUTCOMES, bag_metadata
from bc_core.errors import BcError

OUTCOME_TOPIC = "episode/outcome"
DAMAGED_SUFFIX = ".damaged"


@dataclass(frozen=True)
class Repair:
    """messages: in the bag now. lost: known to be missing. damage: what was wrong; empty: nothing, and nothing done."""

    path: Path
    messages: int
    lost: int
    damage: str


def repair(path: Path) -> Repair:
    """Mend a bag in place. BcError: no bag, nothing whole in it, or it is no MCAP bag."""
    episode = open_verified(path)
    messages = sum(topic.count for topic in episode.topics.values())
    if not episode.truncated:
        return Repair(episode.path, messages, episode.lost_total, "")
    if episode.path.is_file():
        raise BcError(f"{path} is a single file: put it into a directory of its own and repair that")
    if not messages:
        raise BcError(f"{path} holds no whole message ({episode.damage}): nothing can be recovered, delete it")
    folder = episode.path
    workshop = folder.parent / f".{folder.name}.repair"
    shutil.rmtree(workshop, ignore_errors=True)  # of a repair that was interrupted
    try:
        info = _mended_info(episode)
        _rewrite(episode, workshop / folder.name, info)
        _swap(folder, workshop / folder.name, info)
    except OSError as error:
        raise BcError(f"{path} cannot be repaired ({error.strerror}): free space, or copy it elsewhere") from error
    finally:
        shutil.rmtree(workshop, ignore_errors=True)
    return Repair(folder, messages, episode.lost_total, episode.damage)


def _rewrite(episode: Episode, target: Path, info: dict[str, Any]) -> None:
    target.parent.mkdir(parents=True)
    types, latched = episode.types, _latched_topics(info)
    storage = BagStorage(target, "zstd")
    for name, topic in episode.topics.items():
        described = (episode.definitions[topic.type_name], types.hash_rihs01(topic.type_name))
        storage.add_topic(topic.recorded_name, topic.type_name, name in latched, described)
    for message in episode.raw_messages():
        storage.write(episode.topics[message.topic].recorded_name, message.received_ns, message.data)
    storage.close(bag_metadata(info) if info else {})


def _swap(folder: Path, mended: Path, info: dict[str, Any]) -> None:
    """Put the new files in place of the old; at every moment the bag's messages are in the folder."""
    for file in sorted(folder.glob("*.mcap")):
        file.rename(file.with_name(file.name + DAMAGED_SUFFIX))
    for file in mended.iterdir():
        file.replace(folder / file.name)
    if info:
        temporary = folder / f"{INFO_FILE}.tmp"
        temporary.write_text(json.dumps(info, indent=1) + "\n")
        temporary.replace(folder / INFO_FILE)
    (folder / ".reserve").unlink(missing_ok=True)
    assert (folder / METADATA_FILE).is_file()


def _mended_info(episode: Episode) -> dict[str, Any]:
    """episode.json as the mended bag's: counts as they are now, the outcome from the bag where it was written."""
    if not episode.info:
        return {}
    info = dict(episode.info)
    topics = {name: dict(account) for name, account in info.get("topics", {}).items()}
    for name, account in topics.items():
        account["written"] = episode.topics[name].count if name in episode.topics else 0
        account["lost"] = episode.lost.get(name, 0)
    outcome, reason = _recorded_outcome(episode)
    info.update(
        state="repaired",
        topics=topics,
        outcome=outcome or info.get("outcome", "unlabelled"),
        reason=reason or info.get("reason") or "recording was cut off",
        ended_ns=info.get("ended_ns") or episode.end_ns,
        irregularities=[*info.get("irregularities", []), f"repaired: {episode.damage}"],
    )
    return info


def _recorded_outcome(episode: Episode) -> tuple[str, str]:
    for message in episode.messages([OUTCOME_TOPIC]):
        if message.msg.outcome < len(OUTCOMES):
            return OUTCOMES[message.msg.outcome], message.msg.reason
    return "", ""


def _latched_topics(info: dict[str, Any]) -> set[str]:
    """Of the contract, as far as it can be understood: a bag is mended whatever its contract says."""
    entries = info.get("contract", {}).get("record")
    if not isinstance(entries, list):
        return set()
    return {str(entry.get("topic")) for entry in entries if isinstance(entry, dict) and entry.get("latched") is True}
