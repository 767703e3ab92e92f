"""The Foxglove layout shows topics that a bag of its contract holds, by fields that their messages have."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from bc_core.contract import Contract
from bc_core.episode_writer import recorded_topics
from bc_core.message_types import blank_message

CONFIG = Path(__file__).resolve().parents[3] / "config"
LAYOUT = json.loads((CONFIG / "foxglove" / "panda_conveyor.json").read_text())


def strings(document: Any) -> list[str]:
    if isinstance(document, dict):
        return [text for value in document.values() for text in strings(value)]
    if isinstance(document, list):
        return [text for value in document for text in strings(value)]
    return [document] if isinstance(document, str) else []


PATHS = sorted({text for text in strings(LAYOUT["configById"]) if text.startswith("/")})


@pytest.mark.parametrize("path", PATHS)
def test_what_is_shown_is_in_the_bag(path: str) -> None:
    contract = Contract.load(CONFIG / "contracts" / "panda_conveyor.yaml")
    types = {f"/{topic.topic}": topic.type for topic in recorded_topics(contract)}
    topic, _, field = path.partition(".")
    assert topic in types
    if field:
        message = blank_message(types[topic])
        for name in re.sub(r"\[\d+\]", "", field).split("."):
            message = getattr(message, name)


def test_every_panel_has_its_place() -> None:
    placed = [text for text in strings(LAYOUT["layout"]) if "!" in text]
    assert sorted(placed) == sorted(LAYOUT["configById"])
    assert len(PATHS) > 10
