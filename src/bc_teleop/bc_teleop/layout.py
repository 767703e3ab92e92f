"""A hand moves joints; what is sent is what the contract commands: those joints, or the pose of the tool they carry."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from scipy.spatial.transform import Rotation

from bc_core.chunks import ActionChunk, ActionGroup, Space
from bc_core.errors import BcError
from bc_teleop.command import Array
from bc_teleop.ik import DifferentialIk


def in_joints(groups: tuple[ActionGroup, ...], ik: DifferentialIk) -> tuple[ActionGroup, ...]:
    """The layout with the arm's joints in place of the pose of its tool. BcError: another robot's tool or joints."""
    return tuple(_in_joints(groups, ik))


def _in_joints(groups: tuple[ActionGroup, ...], ik: DifferentialIk) -> Iterator[ActionGroup]:
    offset = 0
    for group in groups:
        moved = replace(group, offset=offset)
        if group.space == Space.CARTESIAN_POSE:
            _same(group.tip, ik.tip)
            moved = ActionGroup(group.name, Space.JOINT_POSITION, ik.joints, offset, len(ik.joints))
        elif group.space == Space.JOINT_POSITION:
            _same(group.names, ik.joints)
        yield moved
        offset += moved.width


def _same(promised: object, given: object) -> None:
    if promised != given:
        raise BcError(f"the contract commands {promised}, but the robot has {given}: use files that belong together")


def commanded(chunk: ActionChunk, groups: tuple[ActionGroup, ...], ik: DifferentialIk) -> ActionChunk:
    """A chunk of layout `in_joints(groups, ik)` in the layout `groups`, row for row."""
    columns = [
        _poses(chunk.actions[:, own.columns], ik)
        if group.space == Space.CARTESIAN_POSE
        else chunk.actions[:, own.columns]
        for own, group in zip(chunk.groups, groups, strict=True)
    ]
    return replace(chunk, groups=groups, actions=np.hstack(columns))


def _poses(joints: Array, ik: DifferentialIk) -> Array:
    """x y z qx qy qz qw of the tool at joints (H, n), shape (H, 7): quaternions, each in the hemisphere of the last."""
    poses = [ik.forward(row) for row in joints]
    turns = Rotation.concatenate([pose.rotation for pose in poses]).as_quat()
    flips = np.where(np.sum(turns[1:] * turns[:-1], axis=1) < 0.0, -1.0, 1.0)
    turns[1:] *= np.cumprod(flips)[:, None]
    return np.hstack([np.stack([pose.position for pose in poses]), turns])
