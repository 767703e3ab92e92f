"""config.json of a checkpoint: what a node must know of a policy without loading it (or torch)."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bc_core.contract import Contract
from bc_core.errors import BcError
from bc_core.mask import Mask
from bc_core.policies.config import PolicyConfig
from bc_core.schema import Section

FORMAT = 2
READABLE = (1, FORMAT)
"""Format 1 knew flow policies only; its weights are renamed as they are read."""
CONFIG_FILE = "config.json"


@dataclass(frozen=True)
class CheckpointHeader:
    """The contract a policy was trained under, the rows H of its chunks, the ticks in its frames, its masks."""

    contract: Contract
    horizon: int
    n_obs_steps: int
    masks: frozenset[Mask]


def read_header(directory: str | Path) -> CheckpointHeader:
    """What the scheduler needs of a checkpoint. BcError as read_config and Contract.from_document."""
    root = Section(read_config(directory), f"checkpoint '{directory}'")
    contract = Contract.from_document(root.section("contract").document, f"{directory}/{CONFIG_FILE}")
    policy = root.section("policy")
    config = PolicyConfig.from_section(policy)
    return CheckpointHeader(contract, config.horizon, config.n_obs_steps, config.masks)


def read_config(directory: str | Path) -> dict[str, Any]:
    """config.json of a checkpoint. BcError: no such checkpoint, or not one of this format."""
    path = Path(directory) / CONFIG_FILE
    if not path.is_file():
        raise BcError(f"no checkpoint at '{directory}' ({CONFIG_FILE} is missing): train one, or give its directory")
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BcError(f"checkpoint '{path}' cannot be read ({error}): train again") from error
    if not isinstance(document, dict) or document.get("format") not in READABLE:
        found = document.get("format") if isinstance(document, dict) else None
        known = " and ".join(map(str, READABLE))
        raise BcError(f"checkpoint '{path}' has format {found!r}, this version reads {known}: train again")
    return document
