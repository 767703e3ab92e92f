"""Tags on the faces of the cube, as a texture."""

import cv2
import mujoco
import numpy as np
import numpy.typing as npt

from bc_core.tags.config import dictionary
from bc_sim.task_config import Tags

_CELL = 32  # pixels of the texture per cell of a tag
_TURNS = (1, -1, 2, 0, 0, 2)
"""Quarter turns, counter-clockwise, that put the pictures of MuJoCo's cube texture upright: see `cover`."""


def cover(spec: mujoco.MjSpec, cube: mujoco.MjsGeom, edge: float, tags: Tags) -> None:
    """Cover the faces of a box with the tags first ... first + 5, on +x, -x, +y, -y, +z and -z.

    On the sides their upper edges lie at +z; on +z to +y and on -z to -y, so that their right edges lie at +x there.
    """
    faces = [np.rot90(_face(edge, tags, number), turns) for number, turns in enumerate(_TURNS)]
    data = np.repeat(np.concatenate(faces)[:, :, None], 3, axis=2)
    height, width, channels = data.shape
    texture = spec.add_texture(
        name="tags", type=mujoco.mjtTexture.mjTEXTURE_CUBE, width=width, height=height, nchannel=channels
    )
    texture.data = data.tobytes()
    material = spec.add_material(name="tags", specular=0.0, shininess=0.0)
    textures = list(material.textures)
    textures[mujoco.mjtTextureRole.mjTEXROLE_RGB] = "tags"
    material.textures = textures
    cube.material, cube.rgba = "tags", [1.0, 1.0, 1.0, 1.0]


def _face(edge: float, tags: Tags, number: int) -> npt.NDArray[np.uint8]:
    """One face, upright: the tag in the middle of white."""
    kind = dictionary(tags.dictionary)
    side = _CELL * (kind.markerSize + 2)
    whole = round(side * edge / tags.size)
    face = np.full((whole, whole), 255, dtype=np.uint8)
    margin = (whole - side) // 2
    face[margin : margin + side, margin : margin + side] = cv2.aruco.generateImageMarker(
        kind, tags.first + number, side
    )
    return face
