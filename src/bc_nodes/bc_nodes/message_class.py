"""Message classes by the name that a contract gives them."""

import importlib
from typing import Any

from bc_core.errors import BcError


def message_class(name: str) -> Any:
    """The class of "package/msg/Name". BcError if the package or the message is not installed."""
    try:
        package, kind, message = name.split("/")
        return getattr(importlib.import_module(f"{package}.{kind}"), message)
    except (ValueError, ImportError, AttributeError) as error:
        raise BcError(
            f"message type '{name}' is not installed: source the workspace that has it, or correct the contract"
        ) from error
