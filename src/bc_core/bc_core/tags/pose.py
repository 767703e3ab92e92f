"""From a picture to the pose of a tagged object, or to the reason why there is none. It refuses instead of guessing.

A square seen from afar fits two poses nearly equally well, mirrored about the line of sight (Schweighofer and Pinz,
"Robust Pose Estimation from a Planar Target", PAMI 2006). OpenCV's IPPE_SQUARE (Collins and Bartoli, "Infinitesimal
Plane-Based Pose Estimation", IJCV 2014) gives both; tags on other faces of the object tell which is true. Where nothing
does, the pose is ambiguous and not given out.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation

from bc_core.chunks import Array
from bc_core.tags.config import Pose, TagsConfig, dictionary
from bc_core.tags.edges import refine
from bc_core.tags.intrinsics import Intrinsics

OTHER_POSE = np.deg2rad(10.0)
"""Poses whose rotations are further apart look otherwise."""
CORNER_NOISE = 0.1
"""Standard deviation of a refined corner [px], where the fit itself is no worse."""
_SMALLER = 0.8  # contours this much below the least edge are still looked at: their corners are not refined yet
_REACH = 0.4  # how far off an edge may lie, in cells; further out is the next cell, or the end of the white margin
_LEAST_REACH, _MOST_REACH = 1.5, 4.0  # [px]


@dataclass(frozen=True)
class Estimate:
    """Where the object is in the camera's optical frame. tags: that it was seen by.

    error: rms of the corners [px]. ambiguity and uncertainty [m]: see bc_core.tags.config.Limits.
    """

    pose: Pose
    tags: tuple[int, ...]
    error: float
    ambiguity: float
    uncertainty: float


@dataclass(frozen=True)
class Refusal:
    """Why there is no pose. reason: without numbers, the same for the same cause; detail: with numbers."""

    reason: str
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.reason} ({self.detail})" if self.detail else self.reason


class TagFinder:
    """Finds the tags of an object in grey images, to fractions of a pixel."""

    def __init__(self, config: TagsConfig) -> None:
        self._config = config
        kind = dictionary(config.dictionary)
        self._cells = kind.markerSize + 2
        self._parameters = cv2.aruco.DetectorParameters()
        self._parameters.cornerRefinementMethod = cv2.aruco.CORNER_REFINE_CONTOUR
        self._detector = cv2.aruco.ArucoDetector(kind, self._parameters)

    def find(self, image: npt.NDArray[np.uint8]) -> dict[int, Array] | Refusal:
        """Tag -> corners (4, 2) [px], clockwise from the tag's top left one; image: (height, width)."""
        name, least = self._config.name, self._config.limits.tag_edge
        self._parameters.minMarkerPerimeterRate = 4.0 * _SMALLER * least / max(image.shape)
        self._detector.setDetectorParameters(self._parameters)
        quads, ids, _ = self._detector.detectMarkers(image)
        numbers = [] if ids is None else [int(number) for number in ids.ravel()]
        seen = [(number, quad) for number, quad in zip(numbers, quads, strict=True) if number in self._config.tags]
        twice = next((number for number, _ in seen if [other for other, _ in seen].count(number) > 1), None)
        if twice is not None:
            return Refusal(f"tag {twice} is seen twice", f"one object '{name}' may be in view")
        pixels = image.astype(np.float32)
        refined = {number: self._refined(pixels, quad.reshape(4, 2).astype(np.float64)) for number, quad in seen}
        found = {number: quad for number, quad in refined.items() if quad is not None and mean_edge(quad) >= least}
        if found:
            return found
        detail = f"{len(seen)} have edges below {least:g} px, or unclear ones" if seen else ""
        return Refusal(f"no tag of '{name}' is seen", detail)

    def _refined(self, pixels: npt.NDArray[np.float32], corners: Array) -> Array | None:
        reach = np.clip(_REACH * mean_edge(corners) / self._cells, _LEAST_REACH, _MOST_REACH)
        return refine(pixels, corners, float(reach))


def mean_edge(corners: Array) -> float:
    """Of a quadrilateral (4, 2)."""
    return float(np.linalg.norm(corners - np.roll(corners, 1, axis=0), axis=1).mean())


def object_pose(found: Mapping[int, Array], config: TagsConfig, camera: Intrinsics) -> Estimate | Refusal:
    """The pose that explains the corners of all tags found, if it explains them well and no other does.

    found: as TagFinder gives them, not empty.
    """
    points = np.concatenate([config.corners(number) for number in found])
    seen = np.concatenate(list(found.values()))
    candidates = [
        _refined(start, points, seen, camera)
        for number, corners in found.items()
        for start in _starts(number, corners, config, camera)
    ]
    candidates = [candidate for candidate in candidates if _in_front(candidate[0], points)]
    if not candidates:
        return Refusal(f"the tags of '{config.name}' fit no pose in front of the camera")
    pose, error = min(candidates, key=lambda candidate: candidate[1])
    others = [rival for other, rival in candidates if (other.rotation.inv() * pose.rotation).magnitude() > OTHER_POSE]
    noise = max(error, CORNER_NOISE)  # what another pose misses by less than that may still be the true one
    ambiguity = noise / max(min(others), 1e-9) if others else 0.0
    tags, limits = tuple(found), config.limits
    if error > limits.reprojection_error:
        return Refusal(
            f"the tags of '{config.name}' do not lie as the tags file says",
            f"tags {list(tags)}: {error:.2f} px off, the limit is {limits.reprojection_error:g} px",
        )
    if ambiguity > limits.ambiguity:
        return Refusal(
            f"the pose of '{config.name}' is ambiguous",
            f"tags {list(tags)}: the next pose fits nearly as well, ratio {ambiguity:.2f} above {limits.ambiguity:g}",
        )
    uncertainty = _uncertainty(pose, points, noise, camera)
    if uncertainty > limits.uncertainty:
        return Refusal(
            f"the position of '{config.name}' is too uncertain",
            f"tags {list(tags)}: {1e3 * uncertainty:.1f} mm, the limit is {1e3 * limits.uncertainty:g} mm",
        )
    return Estimate(pose, tags, error, ambiguity, uncertainty)


def _starts(number: int, corners: Array, config: TagsConfig, camera: Intrinsics) -> list[Pose]:
    """The two poses of the object that one of its tags allows."""
    square = np.pad(config.square, ((0, 0), (0, 1)))
    _, turns, moves, _ = cv2.solvePnPGeneric(
        square, corners, camera.matrix, camera.distortion, flags=cv2.SOLVEPNP_IPPE_SQUARE
    )
    in_tag = config.tags[number].inverse()
    return [
        _pose(turn, move) @ in_tag
        for turn, move in zip(turns, moves, strict=True)
        if np.isfinite(turn).all() and np.isfinite(move).all()
    ]


def _refined(start: Pose, points: Array, seen: Array, camera: Intrinsics) -> tuple[Pose, float]:
    """The nearest pose with the least error, and the error [px]."""
    turn, move = cv2.solvePnPRefineLM(
        points, seen, camera.matrix, camera.distortion,
        start.rotation.as_rotvec().reshape(3, 1), start.position.reshape(3, 1).copy(),
    )  # fmt: skip
    projected, _ = cv2.projectPoints(points, turn, move, camera.matrix, camera.distortion)
    squares = ((projected.reshape(-1, 2) - seen) ** 2).sum(axis=1)
    return _pose(turn, move), float(np.sqrt(squares.mean()))


def _pose(turn: npt.NDArray[Any], move: npt.NDArray[Any]) -> Pose:
    """OpenCV's rotation vector and translation."""
    return Pose(np.asarray(move, dtype=np.float64).ravel(), Rotation.from_rotvec(turn.ravel()))


def _uncertainty(pose: Pose, points: Array, noise: float, camera: Intrinsics) -> float:
    """Standard deviation [m] of the position in its worst direction, of corners that are `noise` [px] off.

    The covariance of a least-squares estimate, noise^2 (J^T J)^-1.
    """
    _, jacobian = cv2.projectPoints(points, pose.rotation.as_rotvec(), pose.position, camera.matrix, camera.distortion)
    slopes = np.asarray(jacobian[:, :6], dtype=np.float64)
    covariance = np.linalg.pinv(slopes.T @ slopes)[3:, 3:]
    return noise * float(np.sqrt(np.linalg.eigvalsh(covariance)[-1]))


def _in_front(pose: Pose, points: Array) -> bool:
    """Are all points before the camera?"""
    depth = (pose.position + pose.rotation.apply(points))[:, 2]
    return bool(np.isfinite(depth).all() and (depth > 0.0).all())
