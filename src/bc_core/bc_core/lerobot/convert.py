"""`bcros convert --to lerobot`: bags to one data set, several bags at once; interrupted, it goes on where it was."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from bc_core.conversion.run import Request, find_bags, forget_parts, make_parts
from bc_core.errors import BcError
from bc_core.lerobot import layout, write
from bc_core.lerobot.cameras import Videos
from bc_core.lerobot.video import VideoSettings


def to_lerobot(request: Request, out: Path, encoding: VideoSettings | None = None) -> dict[str, Any]:
    """Convert what is asked for; returns counts. BcError: as find_bags, make_parts; a data set is there already."""
    if (out / layout.INFO_PATH).exists():
        raise BcError(f"{out} holds a data set already: name another folder, or delete it first")
    bags, contract = find_bags(request)
    cameras = Videos(layout.frames_per_second(contract), encoding or VideoSettings())
    parts = make_parts(bags, contract, request, cameras, out)
    features = layout.features(contract, parts.selection, parts.state_names, parts.label_horizon)
    extra = parts.account() | {"video": asdict(cameras.settings)}
    counts = write.assemble(parts.folders, out, features, cameras.fps, contract.robot.description, extra)
    forget_parts(out)
    return counts | parts.counts()
