"""Chunks of any shape to the native library's: nothing is checked here, faults must reach the arbiter."""

from typing import Any

import numpy as np

from bc_controllers._binding import WireChunk, WireGroup

NANOSECONDS = 1_000_000_000


def to_wire(chunk: Any) -> WireChunk:
    """From a bc_core ActionChunk (stamp_ns, dt_ns) or an object shaped like bc_msgs/ActionChunk (header, dt)."""
    wire = WireChunk()
    if hasattr(chunk, "header"):
        stamp, dt = chunk.header.stamp, chunk.dt
        wire.stamp_ns = stamp.sec * NANOSECONDS + stamp.nanosec
        wire.dt_ns = dt.sec * NANOSECONDS + dt.nanosec
    else:
        wire.stamp_ns, wire.dt_ns = int(chunk.stamp_ns), int(chunk.dt_ns)
    wire.horizon = int(chunk.horizon)
    wire.producer = chunk.producer
    wire.producer_id, wire.sequence, wire.mode_epoch = chunk.producer_id, chunk.sequence, chunk.mode_epoch
    wire.groups = [
        WireGroup(g.name, int(g.space), list(g.names), g.tip, g.frame_id, int(g.offset), int(g.width))
        for g in chunk.groups
    ]
    wire.actions = np.asarray(chunk.actions, dtype=np.float64).ravel()
    wire.frozen, wire.release = int(chunk.frozen), bool(chunk.release)
    return wire
