"""Between messages and the core's data: time stamps and action chunks."""

import numpy as np
from builtin_interfaces.msg import Duration, Time

from bc_core.chunks import ActionChunk, ActionGroup, Space
from bc_core.grid import NANOSECONDS
from bc_msgs.msg import ActionChunk as ActionChunkMsg
from bc_msgs.msg import ActionGroup as ActionGroupMsg


def to_ns(stamp: Time | Duration) -> int:
    """Stamp or duration message to integer nanoseconds."""
    return int(stamp.sec) * NANOSECONDS + int(stamp.nanosec)


def to_stamp(time_ns: int) -> Time:
    """Integer nanoseconds since the epoch to a stamp message."""
    seconds, nanoseconds = divmod(time_ns, NANOSECONDS)
    return Time(sec=seconds, nanosec=nanoseconds)


def chunk_to_msg(chunk: ActionChunk) -> ActionChunkMsg:
    """The core's chunk as a message."""
    seconds, nanoseconds = divmod(chunk.dt_ns, NANOSECONDS)
    msg = ActionChunkMsg(
        dt=Duration(sec=seconds, nanosec=nanoseconds),
        horizon=chunk.horizon,
        producer=chunk.producer,
        producer_id=chunk.producer_id,
        sequence=chunk.sequence,
        mode_epoch=chunk.mode_epoch,
        groups=[_group_to_msg(group) for group in chunk.groups],
        frozen=chunk.frozen,
        release=chunk.release,
    )
    msg.actions.frombytes(np.ascontiguousarray(chunk.actions, dtype=np.float64).tobytes())
    msg.header.stamp = to_stamp(chunk.stamp_ns)
    return msg


def chunk_from_msg(msg: ActionChunkMsg) -> ActionChunk:
    """A message as the core's chunk. ValueError if its size does not match its horizon (the arbiter refuses such)."""
    actions = np.array(msg.actions, dtype=np.float64)
    if msg.horizon < 1 or actions.size == 0 or actions.size % msg.horizon:
        raise ValueError(
            f"chunk {msg.sequence} of '{msg.producer}': {actions.size} values do not make {msg.horizon} rows"
        )
    return ActionChunk(
        stamp_ns=to_ns(msg.header.stamp),
        dt_ns=to_ns(msg.dt),
        groups=tuple(_group_from_msg(group) for group in msg.groups),
        actions=actions.reshape(msg.horizon, -1),
        producer=msg.producer,
        producer_id=msg.producer_id,
        sequence=msg.sequence,
        mode_epoch=msg.mode_epoch,
        frozen=msg.frozen,
        release=msg.release,
    )


def _group_to_msg(group: ActionGroup) -> ActionGroupMsg:
    return ActionGroupMsg(
        name=group.name,
        space=int(group.space),
        names=list(group.names),
        tip=group.tip,
        frame_id=group.frame_id,
        offset=group.offset,
        width=group.width,
    )


def _group_from_msg(msg: ActionGroupMsg) -> ActionGroup:
    return ActionGroup(msg.name, Space(msg.space), tuple(msg.names), msg.offset, msg.width, msg.tip, msg.frame_id)
