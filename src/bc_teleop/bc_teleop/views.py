"""Messages as the core sees them: observation of the scene, reference of the controller."""

import numpy as np
from geometry_msgs.msg import Pose as PoseMsg
from geometry_msgs.msg import Vector3
from nav_msgs.msg import Odometry
from scipy.spatial.transform import Rotation

from bc_core.errors import BcError
from bc_msgs.msg import ControllerState, ControlMode, TaskState
from bc_nodes.convert import to_ns
from bc_teleop.command import Array, ObjectView, Pose, TaskView
from bc_teleop.session import Reference


def pose_view(msg: PoseMsg) -> Pose:
    """Position and rotation of a pose message."""
    quaternion = msg.orientation
    rotation = Rotation.from_quat([quaternion.x, quaternion.y, quaternion.z, quaternion.w])
    return Pose(_vector(msg.position), rotation)


def object_view(msg: Odometry) -> ObjectView:
    """Pose and velocity of an odometry; its twist is given in the child frame (nav_msgs/Odometry)."""
    pose = pose_view(msg.pose.pose)
    velocity = _vector(msg.twist.twist.linear)
    in_base = msg.child_frame_id in ("", msg.header.frame_id)
    return ObjectView(pose, velocity if in_base else pose.rotation.apply(velocity))


def task_view(msg: TaskState) -> TaskView:
    """The task's state without its header."""
    return TaskView(msg.task, msg.seed, msg.elapsed, msg.success, msg.failure)


def reference_view(
    state: ControllerState, mode: ControlMode | None, hold_ns: int, arm: tuple[str, ...]
) -> Reference | None:
    """The controller's reference, the joints of `arm` in its order. BcError: a joint is not reported.

    mode: the newest mode message, which may know of a change that no state message has told yet. hold_ns: stamp of the
    newest HOLD. A reset puts the robot elsewhere and gives HOLD, so joints from before it must not be told with an
    epoch from after it: None until a state comes that is as new.
    """
    newest = mode if mode is not None and to_ns(mode.header.stamp) > to_ns(state.header.stamp) else None
    if newest is not None and newest.mode != ControlMode.STOPPED and to_ns(state.header.stamp) < hold_ns:
        return None
    mode_now = newest.mode if newest is not None else state.mode
    reported = list(state.joint_names)
    missing = [name for name in arm if name not in reported]
    if missing:
        raise BcError(
            f"controller reports joints {', '.join(reported)}, but the arm has '{missing[0]}': "
            "start teleoperation and controller for the same robot"
        )
    order = [reported.index(name) for name in arm]
    return Reference(
        stamp_ns=to_ns(state.header.stamp),
        joints=np.array(state.position_reference, dtype=np.float64)[order],
        velocity=np.array(state.velocity_reference, dtype=np.float64)[order],
        gripper=float(state.gripper_reference),
        mode_epoch=int(newest.epoch if newest is not None else state.mode_epoch),
        human=mode_now == ControlMode.HUMAN,
        stopped=mode_now == ControlMode.STOPPED,
    )


def _vector(msg: Vector3) -> Array:
    return np.array([msg.x, msg.y, msg.z])
