"""What an operator asks for when an episode begins."""

import json
from dataclasses import dataclass
from typing import Any

from bc_core.errors import BcError


@dataclass(frozen=True)
class EpisodeRequest:
    """What StartEpisode says. metadata: a JSON object as text, or empty."""

    task: str = ""
    operator: str = ""
    seed: int = 0
    metadata: str = ""

    def parsed_metadata(self) -> dict[str, Any]:
        """BcError: the text is no JSON object."""
        if not self.metadata:
            return {}
        try:
            metadata = json.loads(self.metadata)
        except ValueError as error:
            raise BcError(
                f"metadata {self.metadata!r} is not valid JSON ({error}): give a JSON object, or nothing"
            ) from error
        if not isinstance(metadata, dict):
            raise BcError(f"metadata {self.metadata!r} is not a JSON object: give one, or nothing")
        return metadata
