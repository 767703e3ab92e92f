"""The tags file (config/tags/*.yaml): which tags an object bears, where its camera is, and what is refused."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import yaml
from scipy.spatial.transform import Rotation

from bc_core.chunks import Array
from bc_core.errors import BcError
from bc_core.schema import Section

DICTIONARIES = tuple(name for name in dir(cv2.aruco) if name.startswith("DICT_"))
MOUNTS = ("base", "tool")
_SQUARE = np.array([[-0.5, 0.5], [0.5, 0.5], [0.5, -0.5], [-0.5, -0.5]])
_ORTHONORMAL = 1e-3  # what rounding in a file may leave


@dataclass(frozen=True)
class Pose:
    """Of one frame in another: position (3,) [m] and rotation."""

    position: Array
    rotation: Rotation

    @classmethod
    def of(cls, values: Array) -> "Pose":
        """Of x y z qx qy qz qw."""
        return cls(np.asarray(values[:3]), Rotation.from_quat(values[3:]))

    def values(self) -> Array:
        """x y z qx qy qz qw."""
        return np.concatenate([self.position, self.rotation.as_quat(canonical=True)])

    def __matmul__(self, other: "Pose") -> "Pose":
        """Of a frame given in this one, in the frame that this one is given in."""
        return Pose(self.position + self.rotation.apply(other.position), self.rotation * other.rotation)

    def inverse(self) -> "Pose":
        back = self.rotation.inv()
        return Pose(-back.apply(self.position), back)


@dataclass(frozen=True)
class Limits:
    """What is refused.

    reprojection_error: rms distance between corners seen and corners of the pose found [px]. ambiguity: that error,
    or a corner's noise where that is larger, relative to the error of the next best pose that looks otherwise.
    uncertainty: standard deviation of the position in its worst direction [m]. tag_edge: mean edge of a tag below
    which it does not count [px]. velocity_window: poses up to this old make the velocity [s].
    """

    reprojection_error: float
    ambiguity: float
    uncertainty: float
    tag_edge: float
    velocity_window: float


@dataclass(frozen=True)
class TagsConfig:
    """All of a tags file.

    name: of the object. size: edge of a tag's black square [m]. tags: id -> pose of the printed tag in the object's
    frame (x to its right, y to its top, z out of it). camera: pose of the camera's optical frame (x right, y down,
    z forward: REP-103) in the frame that it is mounted on, the base frame or the tool centre point's.
    """

    name: str
    dictionary: str
    size: float
    tags: Mapping[int, Pose]
    mounted_on: str
    camera: Pose
    limits: Limits

    def corners(self, tag: int) -> Array:
        """Corners of a tag in the object's frame, (4, 3): clockwise from the top left one, as detectors give them."""
        pose = self.tags[tag]
        return pose.position + pose.rotation.apply(np.pad(self.square, ((0, 0), (0, 1))))

    @property
    def square(self) -> Array:
        """The same in the tag's own plane, (4, 2)."""
        return _SQUARE * self.size

    @classmethod
    def load(cls, path: str | Path) -> "TagsConfig":
        """Read and check a file. BcError names the file, the key, the value and the remedy."""
        try:
            document = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
        except OSError as error:
            raise BcError(f"tags file '{path}' cannot be read ({error.strerror}): give a tags file's path") from error
        except yaml.YAMLError as error:
            raise BcError(f"tags file '{path}' is not valid YAML: {error}") from error
        return cls.from_document(document, f"tags file '{path}'")

    @classmethod
    def from_document(cls, document: object, where: str) -> "TagsConfig":
        root = Section(document, where)
        camera, limits = root.section("camera"), root.section("limits")
        config = cls(
            name=root.text("object"),
            dictionary=root.text("dictionary", choices=DICTIONARIES),
            size=root.number("size", minimum=0.001, maximum=10.0),
            tags=_tags(root),
            mounted_on=camera.text("mounted_on", choices=MOUNTS),
            camera=Pose(np.array(camera.numbers("position", length=3)), _quaternion(camera)),
            limits=Limits(
                reprojection_error=limits.number("reprojection_error", minimum=0.01, maximum=100.0),
                ambiguity=limits.number("ambiguity", minimum=0.0, maximum=1.0),
                uncertainty=limits.number("uncertainty", minimum=0.0001, maximum=10.0),
                tag_edge=limits.number("tag_edge", minimum=4.0, maximum=10_000.0),
                velocity_window=limits.number("velocity_window", minimum=0.01, maximum=10.0),
            ),
        )
        for section in (camera, limits, root):
            section.finish()
        return config


def _tags(root: Section) -> dict[int, Pose]:
    known = len(dictionary(root.text("dictionary", choices=DICTIONARIES)).bytesList)
    tags: dict[int, Pose] = {}
    for section in root.section_list("tags"):
        number = section.integer("id")
        if number in tags or number >= known:
            remedy = "is there twice" if number in tags else f"is not in the dictionary, which ends at {known - 1}"
            raise section.error("id", number, remedy)
        right, up = np.array(section.numbers("right", length=3)), np.array(section.numbers("up", length=3))
        if max(abs(right @ right - 1.0), abs(up @ up - 1.0), abs(right @ up)) > _ORTHONORMAL:
            raise section.error(
                "right", right.tolist(), f"and up = {up.tolist()} must be two directions at right angles"
            )
        axes = np.stack([right, up, np.cross(right, up)], axis=1)
        tags[number] = Pose(np.array(section.numbers("centre", length=3)), Rotation.from_matrix(axes))
        section.finish()
    if not tags:
        raise root.error("tags", [], "name at least one tag")
    return tags


def dictionary(name: str) -> cv2.aruco.Dictionary:
    """OpenCV's predefined dictionary of a name out of DICTIONARIES."""
    return cv2.aruco.getPredefinedDictionary(getattr(cv2.aruco, name))


def _quaternion(section: Section) -> Rotation:
    values = section.numbers("orientation", length=4)
    if abs(float(np.linalg.norm(values)) - 1.0) > _ORTHONORMAL:
        raise section.error("orientation", list(values), "must be a unit quaternion x y z w")
    return Rotation.from_quat(values)
