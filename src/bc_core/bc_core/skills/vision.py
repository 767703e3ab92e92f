"""Lets a vision-language model choose the next skill: what it is asked, and what counts as an answer.

The endpoint speaks OpenAI's chat completions, which many local servers do as well. Whatever it answers, it can only
name a skill of the library; anything else is refused with the reason.
"""

import json
from collections.abc import Sequence
from typing import Any

from bc_core.contract import Observation
from bc_core.errors import BcError
from bc_core.images import data_uri
from bc_core.resampling import Value
from bc_core.schema import Section
from bc_core.skills.director import Choice
from bc_core.skills.executive import Ended
from bc_core.skills.library import DONE, Library

JPEG_QUALITY = 90
REMEMBERED = 10
"""So many of the last skills are told with the question."""

_INSTRUCTIONS = """You choose what a robot does next. It can do nothing but these skills:
{skills}
Look at the picture from its camera, and at what it has done so far. Answer with one JSON object and nothing else:
{{"skill": "<name of one skill, or {done}>", "reason": "<one sentence>"}}
Answer "{done}" when the goal is reached, or when no skill can bring it nearer."""


def question(
    model: str, goal: str, library: Library, past: Sequence[Ended], image: Value, camera: Observation
) -> dict[str, Any]:
    """Body of a chat-completions request. image: (height, width, channels) uint8 in the camera's encoding."""
    skills = "\n".join(f"- {skill.name}: {skill.description}" for skill in library.values())
    done = "\n".join(f"- {e.skill}: {e.outcome.value}{e.reason and f' ({e.reason})'}" for e in past[-REMEMBERED:])
    text = f"Goal: {goal}\nDone so far:\n{done or '- nothing'}"
    system = _INSTRUCTIONS.format(skills=skills, done=DONE)
    return {
        "model": model,
        "temperature": 0,
        "messages": [
            {"role": "system", "content": system},
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": text},
                    {"type": "image_url", "image_url": {"url": data_uri(image, camera.encoding, JPEG_QUALITY)}},
                ],
            },
        ],
        "response_format": {"type": "json_schema", "json_schema": _schema(library)},
    }


def answer(body: bytes, library: Library) -> Choice:
    """The choice in the body of a response. BcError: it is none, and why."""
    try:
        content = json.loads(body)["choices"][0]["message"]["content"]
    except (ValueError, KeyError, IndexError, TypeError, RecursionError) as error:
        raise BcError(f"the endpoint's answer is no chat completion ({error!r}): {_brief(body)}") from error
    try:
        document = json.loads(content)
    except (ValueError, TypeError, RecursionError) as error:
        raise BcError(f"the model did not answer with a JSON object: {_brief(content)}") from error
    section = Section(document, "the model's answer")
    skill = section.text("skill")
    reason = section.text("reason", "")
    section.finish()
    if skill == DONE:
        return Choice("", reason)
    return Choice(library[skill].name, reason)


def _schema(library: Library) -> dict[str, Any]:
    """What servers that constrain their output hold the model to; the answer is checked all the same."""
    return {
        "name": "choice",
        "strict": True,
        "schema": {
            "type": "object",
            "properties": {"skill": {"type": "string", "enum": [*library, DONE]}, "reason": {"type": "string"}},
            "required": ["skill", "reason"],
            "additionalProperties": False,
        },
    }


def _brief(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:197]}..."
