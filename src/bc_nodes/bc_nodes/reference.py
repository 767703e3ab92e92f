"""Where the controller's reference stands, as a row of commands."""

import numpy as np

from bc_core.chunks import ActionGroup, Array, Space
from bc_core.errors import BcError
from bc_msgs.msg import ControllerState


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
            raise BcError(
                f"group '{group.name}' is a pose: only joint positions and grippers are led on from the reference"
            )
    return row
