"""Puts a teleoperation session together from the files that describe robot, contract and hand."""

from dataclasses import replace

import numpy as np

from bc_controllers import Robot
from bc_core.chunks import ActionChunk
from bc_core.contract import Contract
from bc_teleop.command import Array, DeviceCommand
from bc_teleop.ik import DifferentialIk
from bc_teleop.session import Reference, SessionConfig, TeleopSession
from bc_teleop.settings import Settings

ACCELERATION_SHARE = 0.8
"""Of the robot's joint accelerations a hand may use: what is left is the controller's, to blend and to stop with."""


def make_session(
    robot: Robot,
    contract: Contract,
    settings: Settings,
    producer: str,
    producer_id: int,
    lead: float,
    knots: int = SessionConfig.knots,
    row_dt: float = SessionConfig.row_dt,
    max_age: float = SessionConfig.max_age,
) -> TeleopSession:
    """A session whose knots lie one contract dt apart. BcError for values that contradict each other."""
    config = SessionConfig(
        knot_dt=contract.grid.dt,
        knots=knots,
        row_dt=row_dt,
        lead=lead,
        max_age=max_age,
        max_opening=robot.controller.gripper_upper,
        limits=settings.limits,
        joint_acceleration=tuple(ACCELERATION_SHARE * limit for limit in robot.controller.acceleration),
    )
    ik = DifferentialIk(robot.urdf, robot.arm, robot.tcp, np.array(robot.home))
    return TeleopSession(ik, contract.groups, producer, producer_id, config)


def warm_up(session: TeleopSession, joints: Array) -> ActionChunk:
    """One takeover and one release that nobody gets: what loads or compiles on first use does so now, not at the first
    press. session: is of no use afterwards. Returns the takeover's chunk.
    """
    reference = Reference(0, joints, np.zeros_like(joints), 0.0, 0)
    session.step(0, DeviceCommand(), reference)
    chunk = session.step(0, DeviceCommand(enabled=True, linear=np.array([0.1, 0.0, 0.0])), reference)
    assert chunk is not None, "an armed session that is not blocked takes over"
    session.step(1, DeviceCommand(), replace(reference, human=True))
    return chunk
