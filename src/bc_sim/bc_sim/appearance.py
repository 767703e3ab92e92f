"""What only the camera sees: light, colours and patterns of the scene, and how they vary from reset to reset.

Nothing here touches the physics: a seed's start state and what follows from it are the same whatever they look like.
"""

from dataclasses import dataclass, field

import mujoco
import numpy as np
import numpy.typing as npt

from bc_core.schema import Section

Range = tuple[float, float]
Colour = tuple[float, float, float]

LAMP, FLOOR, BELT, CUBE = "lamp", "floor", "belt", "cube"
RAILS = ("left rail", "right rail")
_PLAIN = "plain"
_PATTERNS = {"fine checks": 16.0, "coarse checks": 5.0, "specks": 8.0}  # name -> repetitions over a metre
_DARKER = 0.45  # the dark part of a pattern, relative to the light one
_STREAM = 1  # of a seed's random numbers, apart from those that the start state is drawn with


@dataclass(frozen=True)
class Appearance:
    """Uniform ranges (low, high) of a reset. lamp: added to its x and y [m]. diffuse: each channel of the lamp's light.
    ambient: of the room's. colour: added to each channel of floor, belt, rails and cube. patterns: on floor and belt.
    """

    lamp: Range
    diffuse: Range
    ambient: Range
    colour: Range
    patterns: bool


@dataclass(frozen=True)
class Look:
    """One appearance. lamp: x, y, z [m]. Colours in 0 ... 1. patterns: by geom, a name of _PATTERNS or plain."""

    lamp: Colour = (0.8, -0.6, 2.0)
    diffuse: Colour = (0.5, 0.5, 0.5)
    ambient: float = 0.35
    colours: dict[str, Colour] = field(
        default_factory=lambda: {
            FLOOR: (0.72, 0.70, 0.66),
            BELT: (0.22, 0.23, 0.26),
            CUBE: (0.85, 0.12, 0.10),
            **dict.fromkeys(RAILS, (0.55, 0.57, 0.60)),
        }
    )
    patterns: dict[str, str] = field(default_factory=dict)


AS_BUILT = Look()


def appearance_of(section: Section) -> Appearance:
    """From a task file's section `appearance`. BcError: see bc_core.schema."""

    def limits(key: str, least: float, most: float) -> Range:
        low, high = section.numbers(key, length=2)
        if not least <= low <= high <= most:
            raise section.error(key, [low, high], f"must be [low, high] within {least:g} ... {most:g}")
        return low, high

    found = Appearance(
        lamp=limits("lamp", -5.0, 5.0),
        diffuse=limits("diffuse", 0.0, 1.0),
        ambient=limits("ambient", 0.0, 1.0),
        colour=limits("colour", -1.0, 1.0),
        patterns=section.boolean("patterns"),
    )
    section.finish()
    return found


def draw_look(appearance: Appearance, seed: int) -> Look:
    """The look of a seed: the same on every machine (NumPy's PCG64)."""
    rng = np.random.default_rng([seed, _STREAM])
    x, y, z = AS_BUILT.lamp
    dx, dy = rng.uniform(*appearance.lamp, size=2)
    red, green, blue = rng.uniform(*appearance.diffuse, size=3)
    ambient = float(rng.uniform(*appearance.ambient))
    rails = AS_BUILT.colours[RAILS[0]]
    painted = {name: AS_BUILT.colours[name] for name in (FLOOR, BELT, CUBE)} | {RAILS[0]: rails}
    colours = {name: _shifted(colour, rng.uniform(*appearance.colour, size=3)) for name, colour in painted.items()}
    colours[RAILS[1]] = colours[RAILS[0]]
    names = (_PLAIN, *_PATTERNS)
    worn = {geom: names[rng.integers(len(names))] for geom in (FLOOR, BELT)} if appearance.patterns else {}
    return Look((x + dx, y + dy, z), (red, green, blue), ambient, colours, worn)


def _shifted(colour: Colour, by: npt.NDArray[np.float64]) -> Colour:
    red, green, blue = np.clip(np.asarray(colour) + by, 0.0, 1.0).tolist()
    return red, green, blue


def add_patterns(spec: mujoco.MjSpec) -> None:
    """Materials for `wear` to choose from: shades of grey, which the geom's colour tints."""
    spec.add_material(name=_PLAIN)
    for name, repetitions in _PATTERNS.items():
        checks = name != "specks"
        texture = spec.add_texture(
            name=name, type=mujoco.mjtTexture.mjTEXTURE_2D, width=64, height=64, rgb1=[1.0] * 3, rgb2=[_DARKER] * 3
        )
        texture.builtin = mujoco.mjtBuiltin.mjBUILTIN_CHECKER if checks else mujoco.mjtBuiltin.mjBUILTIN_FLAT
        if not checks:
            texture.mark, texture.markrgb, texture.random = mujoco.mjtMark.mjMARK_RANDOM, [_DARKER] * 3, 0.15
        material = spec.add_material(name=name, texrepeat=[repetitions] * 2, texuniform=True)
        material.textures[mujoco.mjtTextureRole.mjTEXROLE_RGB] = name


def wear(model: mujoco.MjModel, look: Look) -> None:
    """Dress a compiled scene, for whoever renders it next. Patterns need a scene that was built with them."""
    lamp = model.light(LAMP)
    lamp.pos, lamp.diffuse = look.lamp, look.diffuse
    model.vis.headlight.ambient[:] = look.ambient
    for name, colour in look.colours.items():
        model.geom(name).rgba[:3] = colour
    for name, pattern in look.patterns.items():
        model.geom_matid[model.geom(name).id] = model.material(pattern).id
