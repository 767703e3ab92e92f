"""Motions that a planner carries out for a skill: the goals of action MoveTo, as YAML."""

from dataclasses import dataclass, field

from bc_core.schema import Section

KINDS = ("named", "joints", "pose", "approach", "retreat")
_POSE_WIDTH = 7


@dataclass(frozen=True)
class Motion:
    """kind: one of KINDS. name: of a configuration of the planner's workspace file. joints: name -> position [rad].

    pose: of the tool centre point in the base frame, x y z qx qy qz qw. distance: of the straight part [m]. gripper:
    opening to end with [m]; None: as it is. speed_scale: share of the limits of velocity and acceleration; 0: the
    planner's default.
    """

    kind: str
    name: str = ""
    joints: dict[str, float] = field(default_factory=dict)
    pose: tuple[float, ...] = ()
    distance: float = 0.0
    gripper: float | None = None
    speed_scale: float = 0.0


def read_motion(section: Section) -> Motion:
    """A motion from its mapping; BcError for a key that does not belong to its kind."""
    kind = section.text("kind", choices=KINDS)
    joints: dict[str, float] = {}
    if kind == "joints":
        named = section.section("joints")
        joints = {name: named.number(name) for name in named.document}
        if not joints:
            raise section.error("joints", {}, "name at least one joint")
    pose: tuple[float, ...] = ()
    if kind in ("pose", "approach"):
        pose = section.numbers("pose", _POSE_WIDTH)
        norm = sum(value * value for value in pose[3:]) ** 0.5
        if abs(norm - 1.0) > 0.01:
            raise section.error("pose", list(pose), "must end with a quaternion x y z w of unit length")
    motion = Motion(
        kind=kind,
        name=section.text("name") if kind == "named" else "",
        joints=joints,
        pose=pose,
        distance=section.number("distance", minimum=0.001, maximum=2.0) if kind in ("approach", "retreat") else 0.0,
        gripper=section.number("gripper", minimum=0.0) if section.has("gripper") else None,
        speed_scale=section.number("speed_scale", minimum=0.01, maximum=1.0) if section.has("speed_scale") else 0.0,
    )
    section.finish()
    return motion
