"""What an episode came from and with: software versions, and the documents (gains, calibration) of the robot."""

import os
import platform
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import yaml

from bc_core.errors import BcError

_PACKAGES = ("bc_core", "bc_teleop", "bc_controllers", "bc_sim", "rosbags", "numpy")


def provenance(documents: Iterable[str]) -> dict[str, Any]:
    """Software versions, host, and the contents of YAML documents by path. BcError: one cannot be read."""
    return {"software": software(), "host": platform.node(), "documents": {path: _document(path) for path in documents}}


def software() -> dict[str, str]:
    """Versions of what records and drives; a package that is not installed is left out."""
    versions = {"python": platform.python_version(), "ros": os.environ.get("ROS_DISTRO", "")}
    for package in _PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return versions


def _document(path: str) -> Any:
    try:
        return yaml.safe_load(Path(path).expanduser().read_text(encoding="utf-8"))
    except OSError as error:
        raise BcError(f"document '{path}' cannot be read ({error.strerror}): correct parameter 'documents'") from error
    except yaml.YAMLError as error:
        raise BcError(
            f"document '{path}' is not valid YAML ({error}): mend it, or take it out of 'documents'"
        ) from error
