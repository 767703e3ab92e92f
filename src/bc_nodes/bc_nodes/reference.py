"""Where the controller's reference stands, as a row of commands."""

import numpy as np

from bc_core.chunks import ActionGroup, Array, Space
from bc_core.errors import BcError
from bc_msgs.msg import ControllerState
from bc_nodes.convert import pose_from_msg


def reference_row(state: ControllerState, groups: tuple[ActionGroup, ...]) -> Array:
    """The controller's reference as an action row, shape (D,). BcError if a group is not part of the state."""
    by_name = dict(zip(state.joint_names, state.position_reference, strict=True))
    row = np.zeros(groups[-1].offset + groups[-1].width)
    for group in groups:
        if group.space == Space.GRIPPER:
            row[group.columns] = state.gripper_reference
        elif group.space == Space.JOINT_POSITION:
            missing = [name for name in group.names if name not in by_name]
            if missing:
                raise BcError(
                    f"the contract commands joints {missing}, but the controller has {state.joint_names}:"
                    " start the controller with the robot that the contract names"
                )
            row[group.columns] = [by_name[name] for name in group.names]
        else:
            row[group.columns] = _pose(state, group)
    return row


def _pose(state: ControllerState, group: ActionGroup) -> Array:
    """Where the reference of the tool stands; the controller itself refuses chunks for another tip than its own."""
    pose, frame = pose_from_msg(state.tcp_reference), state.header.frame_id
    if frame != group.frame_id:
        raise BcError(
            f"the contract commands '{group.name}' in '{group.frame_id}', but the controller tells of its tool in "
            f"'{frame}': name that frame in the contract"
        )
    if not abs(np.linalg.norm(pose[3:]) - 1.0) < 1e-3:
        raise BcError(
            f"the contract commands '{group.name}' as a pose, but the controller's tcp_reference has the quaternion "
            f"{pose[3:].tolist()}: fill tcp_reference in controller/state"
        )
    return pose
