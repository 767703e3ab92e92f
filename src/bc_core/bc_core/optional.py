"""Packages that only one feature needs: imported where it is used, and named with the remedy where they are missing."""

from importlib import import_module
from typing import Any

from bc_core.errors import BcError


def require(module: str, package: str, purpose: str) -> Any:
    """The module. BcError: it is not installed; the message names pip's command. purpose: what cannot be done."""
    try:
        return import_module(module)
    except ImportError as error:
        raise BcError(f"{purpose} needs package '{package}' ({error}): pip install {package}") from error
