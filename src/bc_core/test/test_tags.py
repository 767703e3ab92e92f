"""The pose of a tagged object out of drawn pictures, and what is refused."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest
import yaml
from scipy.spatial.transform import Rotation

from bc_core.chunks import Array
from bc_core.errors import BcError
from bc_core.tags.config import Pose, TagsConfig, dictionary
from bc_core.tags.edges import refine
from bc_core.tags.intrinsics import Intrinsics, IntrinsicsError
from bc_core.tags.motion import MotionFilter
from bc_core.tags.pose import Estimate, Refusal, TagFinder, object_pose

FILE = Path(__file__).parents[3] / "config" / "tags" / "cube.yaml"
CUBE = TagsConfig.load(FILE)
MATRIX = np.array([[800.0, 0.0, 319.5], [0.0, 800.0, 239.5], [0.0, 0.0, 1.0]])
LENS = Intrinsics(640, 480, MATRIX, np.zeros(5))
FACING = Rotation.from_euler("x", 180.0, degrees=True)  # a tag's z towards the camera


def info(**changes: Any) -> SimpleNamespace:
    """A CameraInfo that is right, save for the changes."""
    right: dict[str, Any] = {
        "width": 640, "height": 480, "distortion_model": "plumb_bob", "d": [0.0] * 5,
        "k": MATRIX.ravel(), "binning_x": 0, "binning_y": 0, "roi": SimpleNamespace(width=0, height=0),
    }  # fmt: skip
    return SimpleNamespace(**{**right, **changes})


def picture(pose: Pose, lens: Intrinsics = LENS, config: TagsConfig = CUBE) -> npt.NDArray[np.uint8]:
    """The tags of an object that face the camera, drawn four times too large and made small again: soft edges."""
    scale, cell = 4, 24
    kind = dictionary(config.dictionary)
    side, margin = cell * (kind.markerSize + 2), cell
    whole = side + 2 * margin
    canvas = np.full((lens.height * scale, lens.width * scale), 90, dtype=np.uint8)
    for number in config.tags:
        centre, out = config.tags[number].position, config.tags[number].rotation.apply([0.0, 0.0, 1.0])
        seen = pose.position + pose.rotation.apply(centre)
        if pose.rotation.apply(out) @ seen >= 0.0:
            continue
        face = np.full((whole, whole), 255, dtype=np.uint8)
        face[margin:-margin, margin:-margin] = cv2.aruco.generateImageMarker(kind, number, side)
        corners, _ = cv2.projectPoints(
            config.corners(number), pose.rotation.as_rotvec(), pose.position, lens.matrix, lens.distortion
        )
        low, high = margin - 0.5, whole - margin - 0.5
        drawn = np.float32([[low, low], [high, low], [high, high], [low, high]])
        target = (corners.reshape(4, 2) + 0.5) * scale - 0.5
        turn = cv2.getPerspectiveTransform(drawn, target.astype(np.float32))
        size = (canvas.shape[1], canvas.shape[0])
        drawing = cv2.warpPerspective(face, turn, size)
        mask = cv2.warpPerspective(np.full_like(face, 255), turn, size) > 127
        canvas[mask] = drawing[mask]
    return np.asarray(cv2.resize(canvas, (lens.width, lens.height), interpolation=cv2.INTER_AREA), dtype=np.uint8)


def estimate(image: npt.NDArray[np.uint8], lens: Intrinsics = LENS, config: TagsConfig = CUBE) -> Estimate | Refusal:
    found = TagFinder(config).find(image)
    return found if isinstance(found, Refusal) else object_pose(found, config, lens)


def tilted(degrees: float, distance: float = 0.6) -> Pose:
    """Top and two sides of the cube in view, at a distance [m]."""
    return Pose(np.array([0.05, -0.03, distance]), Rotation.from_euler("zx", [30.0, 180.0 - degrees], degrees=True))


@pytest.mark.parametrize("distortion", [np.zeros(5), np.array([-0.2, 0.05, 0.001, -0.001, 0.0])])
def test_the_pose_is_found_within_its_uncertainty(distortion: Array) -> None:
    """Three standard deviations bound what corners of 0.1 px noise do; drawn edges are softer than that noise."""
    lens = replace(LENS, distortion=distortion)
    for degrees in (35.0, 50.0, 65.0):
        true = tilted(degrees)
        found = estimate(picture(true, lens), lens)
        assert isinstance(found, Estimate), found
        assert len(found.tags) >= 2 and found.ambiguity <= 0.5
        assert np.linalg.norm(found.pose.position - true.position) < 3.0 * found.uncertainty < 0.02
        assert np.rad2deg((found.pose.rotation.inv() * true.rotation).magnitude()) < 1.0


def test_an_ambiguous_pose_is_refused_and_not_guessed() -> None:
    """Corners of one small square with noise fit two poses; hardly a wrong one is given out, close by none is lost."""
    single = replace(CUBE, tags={4: CUBE.tags[4]}, limits=replace(CUBE.limits, uncertainty=10.0))
    true, rng = tilted(20.0, 1.2), np.random.default_rng(0)

    def project(pose: Pose) -> Array:
        points, _ = cv2.projectPoints(CUBE.corners(4), pose.rotation.as_rotvec(), pose.position, MATRIX, np.zeros(5))
        return np.asarray(points, dtype=np.float64).reshape(4, 2)

    guessed = refused = wrong = 0
    for _ in range(300):
        seen = {4: project(true) + rng.normal(scale=0.1, size=(4, 2))}
        free = replace(single, limits=replace(single.limits, ambiguity=100.0))
        for config in (free, single):
            found = object_pose(seen, config, LENS)
            is_off = isinstance(found, Estimate) and (found.pose.rotation.inv() * true.rotation).magnitude() > 0.5
            if config is free:
                guessed += is_off
            else:
                wrong += is_off
                refused += isinstance(found, Refusal) and "ambiguous" in found.reason
    assert guessed > 15 and wrong <= 1, (guessed, wrong, refused)
    assert refused > guessed
    near = {4: project(tilted(45.0, 0.4)) + rng.normal(scale=0.1, size=(4, 2))}
    assert isinstance(object_pose(near, single, LENS), Estimate)


def test_a_tag_from_afar_is_refused_for_its_distance_is_uncertain() -> None:
    single = replace(CUBE, tags={4: CUBE.tags[4]}, limits=replace(CUBE.limits, ambiguity=100.0))
    afar = estimate(picture(tilted(30.0, 1.5), config=single), config=single)
    assert isinstance(afar, Refusal) and "uncertain" in afar.reason and "8.7 mm" in afar.detail
    near = estimate(picture(tilted(30.0, 0.6), config=single), config=single)
    assert isinstance(near, Estimate) and near.tags == (4,)


def test_what_is_not_there_is_not_seen() -> None:
    grey = np.full((480, 640), 90, dtype=np.uint8)
    assert isinstance(refusal := estimate(grey), Refusal) and refusal.reason == "no tag of 'cube' is seen"
    wanted = replace(CUBE, limits=replace(CUBE.limits, tag_edge=42.0))
    small = estimate(picture(tilted(50.0)), config=wanted)
    assert isinstance(small, Refusal) and "below 42 px" in small.detail
    other = replace(CUBE, tags={number + 10: pose for number, pose in CUBE.tags.items()})
    assert isinstance(estimate(picture(tilted(50.0), config=other)), Refusal)  # another object's tags


def test_tags_that_do_not_lie_as_the_file_says_are_refused() -> None:
    moved = dict(CUBE.tags)
    moved[4] = Pose(moved[4].position + np.array([0.01, 0.0, 0.0]), moved[4].rotation)
    refusal = estimate(picture(tilted(50.0), config=replace(CUBE, tags=moved)))
    assert isinstance(refusal, Refusal) and "do not lie as the tags file says" in refusal.reason


def test_a_tag_that_is_seen_twice_is_refused() -> None:
    image = picture(tilted(50.0))
    refusal = estimate(np.maximum(image, np.roll(image, 250, axis=1)))
    assert isinstance(refusal, Refusal) and "seen twice" in refusal.reason


def test_edges_are_found_to_a_tenth_of_a_pixel() -> None:
    """From corners that are a pixel off; on grey nothing there is no edge."""
    true = np.array([[30.3, 20.6], [55.1, 24.2], [51.7, 50.9], [27.4, 45.3]])
    rows, columns = (np.mgrid[: 80 * 8, : 80 * 8] + 0.5) / 8 - 0.5
    sides = np.roll(true, -1, axis=0) - true
    inside = np.all(
        [x * (rows - corner[1]) - y * (columns - corner[0]) > 0.0 for corner, (x, y) in zip(true, sides, strict=True)],
        axis=0,
    )
    large = np.where(inside, 20, 220).astype(np.uint8)
    image = cv2.resize(large, (80, 80), interpolation=cv2.INTER_AREA).astype(np.float32)
    found = refine(image, true + np.array([[1.0, 0.5], [-0.8, 0.7], [-0.5, -1.0], [0.9, -0.6]]), 2.0)
    assert found is not None and np.abs(found - true).max() < 0.1
    assert refine(np.zeros((80, 80), dtype=np.float32), true, 2.0) is None


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"k": np.zeros(9)}, "no intrinsics"),
        ({"k": np.full(9, np.nan)}, "no intrinsics"),
        ({"distortion_model": "equidistant", "d": [0.0] * 4}, "distortion model 'equidistant'"),
        ({"distortion_model": ""}, "distortion model ''"),
        ({"d": []}, "takes 4 or 5 numbers"),
        ({"binning_x": 2, "binning_y": 2}, "binned"),
        ({"roi": SimpleNamespace(width=100, height=100)}, "region of interest 100x100"),
    ],
)
def test_intrinsics_that_are_absent_or_not_understood_are_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(IntrinsicsError, match=words):
        Intrinsics.from_camera_info(info(**changes))


def test_intrinsics_of_another_size_are_refused() -> None:
    with pytest.raises(IntrinsicsError, match="of 640x480 pixels, the image has 320x240"):
        Intrinsics.from_camera_info(info()).check_size(320, 240)


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (("dictionary",), "DICT_7X8", "must be one of"),
        (("tags", 0, "id"), 50, "ends at 49"),
        (("tags", 1, "id"), 0, "there twice"),
        (("tags", 0, "up"), [0.0, 1.0, 0.0], "at right angles"),
        (("camera", "orientation"), [0.0, 0.0, 0.0, 0.5], "unit quaternion"),
        (("camera", "mounted_on"), "ceiling", "base, tool"),
        (("limits", "ambiguity"), 1.5, "1"),
    ],
)
def test_a_wrong_tags_file_is_refused_by_key(path: tuple[Any, ...], value: object, words: str) -> None:
    document = yaml.safe_load(FILE.read_text())
    place = document
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    with pytest.raises(BcError, match=words) as caught:
        TagsConfig.from_document(document, "tags file 'x'")
    assert str(path[-1]) in str(caught.value)


def test_the_velocity_is_that_of_the_poses() -> None:
    """0.15 m/s and 0.5 rad/s about z at 15 Hz; a first pose has none, nor one after a long time."""
    motion, turn = MotionFilter(0.3), np.array([0.0, 0.0, 0.5])
    for index in range(6):
        time = index / 15.0
        pose = Pose(np.array([0.5, 0.15 * time, 0.12]), Rotation.from_rotvec(turn * time))
        found = motion.add(round(time * 1e9), pose)
        assert (found is None) == (index == 0)
        if found is not None:
            np.testing.assert_allclose(found.linear, [0.0, 0.15, 0.0], atol=1e-6)
            np.testing.assert_allclose(found.angular, turn, atol=1e-6)
    assert motion.add(2_000_000_000, pose) is None
    assert motion.add(1_000_000_000, pose) is None  # time has begun anew
