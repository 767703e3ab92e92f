"""Message types without ROS: definitions from installed packages or from a bag, as rosbags type stores.

Reading uses the definitions that the bag carries, so that an old bag is read as it was written, on machines without
ROS. Writing uses the installed `.msg` files (`share/<package>/msg` below AMENT_PREFIX_PATH).
"""

import os
import struct
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from rosbags.serde import SerdeError
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.base import TypesysError
from rosbags.typesys.store import Typestore

from bc_core.errors import BcError
from bc_core.grid import NANOSECONDS

Definitions = tuple[tuple[str, str], ...]
"""Pairs of type name ("bc_msgs/msg/ActionChunk") and definition text, as MCAP schemas carry them."""

UNDECODABLE = (SerdeError, KeyError, IndexError, AssertionError, ValueError, struct.error)
"""What rosbags raises on data that are not of their type (UnicodeDecodeError is a ValueError)."""


@lru_cache(maxsize=32)
def store_for_definitions(definitions: Definitions) -> Typestore:
    """The type store for a bag's own definitions, over those of ROS 2 Jazzy's common interfaces.

    Raises BcError where a definition cannot be parsed or contradicts Jazzy's own of the same name.
    """
    store = get_typestore(Stores.ROS2_JAZZY)
    for name, text in definitions:
        if name in store.types:
            continue
        try:
            types = get_types_from_msg(text, name)
            store.register({key: value for key, value in types.items() if key not in store.types})
        except (TypesysError, ValueError) as error:
            raise BcError(f"the bag's definition of message type '{name}' cannot be used: {error}") from error
    return store


@lru_cache(maxsize=1)
def installed_types() -> Typestore:
    """The type store that writers share; `require_type` adds installed packages' types to it on demand."""
    return get_typestore(Stores.ROS2_JAZZY)


def require_type(name: str) -> type[Any]:
    """The message class of an installed type, e.g. "bc_msgs/msg/ChunkAck" (fields as keywords; constants on the class).

    Raises BcError for a type that no package below AMENT_PREFIX_PATH installs.
    """
    store = installed_types()
    if name not in store.types:
        store.register(_load_installed(name, store))
    return store.types[name]


def blank_message(name: str, time_ns: int | None = None) -> Any:
    """A message of zeros and empty sequences, as a constructor without arguments gives in ROS. BcError as require_type.

    time_ns: stamp of its header.
    """
    kind = require_type(name)
    values: dict[str, Any] = {}
    payload: Any  # by the kind of node: nested tuples
    for field, (node, payload) in installed_types().fielddefs[name][1]:
        if node.name == "BASE":
            values[field] = "" if payload[0] == "string" else np.dtype(payload[0]).type(0).item()
        elif node.name == "NAME":
            values[field] = blank_message(payload)
        else:
            (element, inner), count = payload
            is_plain = element.name == "BASE" and inner[0] != "string"
            values[field] = np.zeros(count, dtype=inner[0]) if is_plain else []
    message = kind(**values)
    if time_ns is not None:
        message.header.stamp.sec, message.header.stamp.nanosec = divmod(time_ns, NANOSECONDS)
    return message


@lru_cache(maxsize=256)
def definition(name: str) -> tuple[str, str]:
    """Definition text of an installed type with all that it needs, and its RIHS01 hash. BcError as require_type."""
    require_type(name)
    store = installed_types()
    text, _ = store.generate_msgdef(name, ros_version=2)
    return text, store.hash_rihs01(name)


def _load_installed(name: str, store: Typestore) -> dict[str, Any]:
    """Parse a type and, recursively, every type it needs that the store lacks."""
    loaded: dict[str, Any] = {}
    pending = [name]
    while pending:
        current = pending.pop()
        if current in store.types or current in loaded:
            continue
        types = get_types_from_msg(_definition_file(current).read_text(), current)
        loaded.update(types)
        for _, fields in types.values():
            pending.extend(_named_types(fields))
    return loaded


def _named_types(fields: Any) -> list[str]:
    """Names of the message types among a definition's fields; a field is (name, (node kind, payload))."""
    names = []
    for _, (kind, payload) in fields:
        while kind.name in ("ARRAY", "SEQUENCE"):
            kind, payload = payload[0]
        if kind.name == "NAME":
            names.append(payload)
    return names


def _definition_file(name: str) -> Path:
    package, _, short = name.partition("/msg/")
    for prefix in filter(None, os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep)):
        path = Path(prefix, "share", package, "msg", f"{short}.msg")
        if short and path.is_file():
            return path
    raise BcError(
        f"message type '{name}' is not installed below AMENT_PREFIX_PATH: build or install package '{package}', "
        "and source its environment"
    )
