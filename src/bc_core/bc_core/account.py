"""episode.json, the account beside every bag of ours, read. A bag may come from anywhere, and whoever reads an episode
relies on its account: one that the recorder would not write is refused here.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bc_core.errors import BcError

INFO_FILE = "episode.json"


def read_info(path: Path) -> dict[str, Any]:
    """Contents of episode.json in a bag's directory; empty where there is none.

    BcError: it is no JSON object, or a value in it is of another kind than the recorder writes.
    """
    file = path / INFO_FILE
    if not file.is_file():
        return {}
    try:
        info = json.loads(file.read_text())
    except (ValueError, RecursionError) as error:
        raise BcError(f"{file} is not valid JSON ({error}): mend it, or leave this episode out") from error
    if not isinstance(info, dict):
        raise BcError(f"{file} holds no JSON object: mend it, or leave this episode out")
    for key, is_right in _KINDS.items():
        if key in info and not is_right(info[key]):
            raise BcError(f"{file}: '{key}' is not what the recorder writes: mend it, or leave this episode out")
    return info


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 64


def _is_object(value: object) -> bool:
    return isinstance(value, dict)


def _is_end(value: object) -> bool:
    """A time, or null: not over yet."""
    return value is None or _is_count(value)


def _is_texts(value: object) -> bool:
    return isinstance(value, list) and all(map(_is_text, value))


def _is_pauses(value: object) -> bool:
    """[begin, end] each, in nanoseconds."""
    return isinstance(value, list) and all(
        isinstance(pause, list) and len(pause) == 2 and _is_count(pause[0]) and _is_end(pause[1]) for pause in value
    )


def _is_topics(value: object) -> bool:
    """Contract's name -> account of a topic."""
    return isinstance(value, dict) and all(
        isinstance(topic, dict)
        and _is_text(topic.get("recorded_name"))
        and all(_is_count(topic.get(key, 0)) for key in ("received", "written", "lost"))
        for topic in value.values()
    )


_KINDS: dict[str, Callable[[object], bool]] = {
    **dict.fromkeys(("episode", "state", "task", "operator", "outcome", "reason"), _is_text),
    **dict.fromkeys(("metadata", "provenance", "contract"), _is_object),
    "seed": _is_count,
    "started_ns": _is_count,
    "ended_ns": _is_end,
    "irregularities": _is_texts,
    "pauses": _is_pauses,
    "topics": _is_topics,
}
