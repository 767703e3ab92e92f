"""What can be told of a serialized (CDR) message without decoding it."""

import struct

from bc_core.grid import NANOSECONDS

_STAMP = {0: struct.Struct(">iI"), 1: struct.Struct("<iI")}  # by the CDR encapsulation's second byte
_STAMP_OFFSET = 4  # after the encapsulation: Header begins with its stamp
AFTER_STAMP = _STAMP_OFFSET + 8
"""Where the rest of a message begins whose first field is a Header."""


def header_stamp(data: bytes) -> int:
    """Stamp [ns] of a message whose first field is a Header. ValueError: too short for one."""
    if len(data) < AFTER_STAMP:
        raise ValueError(f"a message of {len(data)} bytes has no header")
    seconds, nanoseconds = _STAMP[data[1] & 1].unpack_from(data, _STAMP_OFFSET)
    return int(seconds * NANOSECONDS + nanoseconds)
