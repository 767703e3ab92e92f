"""The representations that are compared. Arm, gripper and tool pose are seen by all; head, trunk, steps and data are
the same."""

from dataclasses import dataclass
from typing import Any

OWN, HISTORY = ("arm", "gripper", "tcp"), 3
SHIFT = 4  # augmentation [pixels]


@dataclass(frozen=True)
class Arm:
    """kind: the lecture's word. text: what is seen. vision: the encoder's settings in a policy configuration; None: no
    camera. pretrained: they lack the folder of an encoder that was pre-trained.
    """

    title: str
    kind: str
    text: str
    vision: dict[str, Any] | None
    pretrained: bool = False


ARMS = {
    "explicit": Arm(
        "object pose", "explicit", "position, yaw and speed of the cube, and where it is seen from the tool", None
    ),
    "mae": Arm(
        "own masked auto-encoder, frozen", "intermediate",
        "every picture through a small ViT that was pre-trained on the pictures of all demonstrations (mae.yaml), then "
        "a spatial softmax of projections of its patches, which are trained with the policy",
        {"type": "pretrained", "pooling": "spatial_softmax"}, pretrained=True,
    ),
    "scratch": Arm(
        "convolutions, from scratch", "minimal",
        "the camera through four convolutions and a spatial softmax, trained with the policy",
        {"type": "spatial_softmax", "shift": SHIFT},
    ),
    "resnet18": Arm(
        "ResNet-18, from scratch", "minimal", "the camera through a ResNet-18 and a spatial softmax, trained with the "
        "policy (`FULL=1`)", {"type": "resnet18", "stem": "small", "shift": SHIFT},
    ),
    "vit_small": Arm(
        "ViT-S, from scratch", "minimal", "the camera through a ViT-S/16, trained with the policy (`FULL=1`)",
        {"type": "vit_small", "shift": SHIFT},
    ),
}  # fmt: skip
OF_LEVEL = {"quick": ("explicit", "mae", "scratch"), "gate": ("explicit", "mae", "scratch"), "full": tuple(ARMS)}
