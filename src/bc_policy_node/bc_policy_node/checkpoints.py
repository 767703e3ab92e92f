"""Which checkpoints a graph may drive with: the one it was started with, and those of a skill library."""

from bc_core.errors import BcError
from bc_core.skills.library import Library


def checkpoints(own: str, skills: str) -> dict[str, str]:
    """Key to directory. own: parameter `checkpoint`, key ""; skills: folder of a library, whose checkpoints are keys
    themselves; either may be empty. BcError: both are, or no skill has a checkpoint.
    """
    found = {"": own} if own else {}
    if skills:
        found |= {checkpoint: checkpoint for checkpoint in Library.load(skills).checkpoints}
    if not found:
        what = f"no skill in '{skills}' has a checkpoint" if skills else "no checkpoint is given"
        raise BcError(f"{what}: set parameter checkpoint, or skills")
    return found
