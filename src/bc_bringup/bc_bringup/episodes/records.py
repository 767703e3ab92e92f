"""Which episodes a directory already holds: what makes a second run go on where the first was stopped."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bc_core.account import read_info
from bc_core.bags import find_episodes
from bc_core.errors import BcError

JUDGED = ("success", "failure")


@dataclass(frozen=True)
class Record:
    """One finished episode on disk; outcome is "success" or "failure"."""

    path: Path
    seed: int
    outcome: str
    info: dict[str, Any]


def finished(directory: Path) -> list[Record]:
    """Finished episodes in a directory, by seed; the first of a seed counts. Aborted and cut off ones are not."""
    records: dict[int, Record] = {}
    for path in find_episodes(directory) if directory.is_dir() else []:
        info = read_info(path)
        if info.get("state") == "complete" and info.get("outcome") in JUDGED and "seed" in info:
            record = Record(path, int(info["seed"]), str(info["outcome"]), info)
            records.setdefault(record.seed, record)
    return [records[seed] for seed in sorted(records)]


def refuse_other(records: Iterable[Record], expected: dict[str, str]) -> None:
    """BcError when an episode's metadata differs from what is expected of this run: results must not be mixed."""
    for record in records:
        metadata = record.info.get("metadata") or {}
        for key, value in expected.items():
            found = metadata.get(key)
            if found is not None and found != value:
                raise BcError(
                    f"{record.path} was recorded with {key} '{found}', but this run has '{value}': "
                    f"give another --directory, or remove {record.path.parent}"
                )


def remaining(seeds: Iterable[int], records: Iterable[Record]) -> list[int]:
    """The seeds that are not done yet, in their order."""
    done = {record.seed for record in records}
    return [seed for seed in seeds if seed not in done]


def fingerprint(file: Path) -> str:
    """What tells one checkpoint from another: the first 12 hex digits of its SHA-256."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()[:12]
