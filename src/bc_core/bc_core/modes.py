"""Who drives the robot (docs/protocol.md)."""

from enum import IntEnum


class Mode(IntEnum):
    """bc_msgs/msg/ControlMode."""

    HOLD = 0
    POLICY = 1
    PLANNER = 2
    HUMAN = 3
    STOPPED = 4
