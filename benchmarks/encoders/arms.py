"""The representations that are compared. Arm, gripper and tool pose are seen by all; head, trunk, steps and data are
the same."""

from dataclasses import dataclass
from typing import Any

OWN, HISTORY = ("arm", "gripper", "tcp"), 3
SHIFT = 4  # augmentation [pixels]


@dataclass(frozen=True)
class Arm:
    """kind: the lecture's word. text: what is seen. vision: the encoder's settings in a policy configuration; None: no
    camera.
    """

    title: str
    kind: str
    text: str
    vision: dict[str, Any] | None


ARMS = {
    "explicit": Arm(
        "object pose", "explicit", "position, yaw and speed of the cube, and where it is seen from the tool", None
    ),
    "scratch": Arm(
        "convolutions, from scratch", "minimal",
        "the camera through four convolutions and a spatial softmax, trained with the policy",
        {"type": "spatial_softmax", "shift": SHIFT},
    ),
}  # fmt: skip
