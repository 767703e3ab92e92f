"""Between messages and the core's data: time stamps, action chunks, moving objects."""

import numpy as np
from builtin_interfaces.msg import Duration, Time
from geometry_msgs.msg import Point, Pose, Quaternion, Vector3
from nav_msgs.msg import Odometry

from bc_core.chunks import ActionChunk, ActionGroup, Array
from bc_core.commands import chunk_from_message
from bc_core.fields import time_ns
from bc_core.grid import NANOSECONDS
from bc_msgs.msg import ActionChunk as ActionChunkMsg
from bc_msgs.msg import ActionGroup as ActionGroupMsg

to_ns = time_ns  # stamp or duration message to integer nanoseconds


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
    chunk = chunk_from_message(msg)
    if chunk is None:
        raise ValueError(
            f"chunk {msg.sequence} of '{msg.producer}': {len(msg.actions)} values do not make {msg.horizon} rows"
        )
    return chunk


def pose_to_msg(values: Array) -> Pose:
    """x y z qx qy qz qw."""
    x, y, z, qx, qy, qz, qw = values.tolist()
    return Pose(position=Point(x=x, y=y, z=z), orientation=Quaternion(x=qx, y=qy, z=qz, w=qw))


def pose_from_msg(pose: Pose) -> Array:
    """x y z qx qy qz qw, (7,)."""
    position, orientation = pose.position, pose.orientation
    return np.array([position.x, position.y, position.z, orientation.x, orientation.y, orientation.z, orientation.w])


def odometry_to_msg(stamp_ns: int, frame: str, child: str, pose: Array, linear: Array, angular: Array) -> Odometry:
    """pose: x y z qx qy qz qw in `frame`. linear, angular (3,): in the child's own frame, as the message defines."""
    msg = Odometry(child_frame_id=child)
    msg.header.stamp = to_stamp(stamp_ns)
    msg.header.frame_id = frame
    msg.pose.pose = pose_to_msg(pose)
    msg.twist.twist.linear = Vector3(**dict(zip("xyz", linear.tolist(), strict=True)))
    msg.twist.twist.angular = Vector3(**dict(zip("xyz", angular.tolist(), strict=True)))
    return msg


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
