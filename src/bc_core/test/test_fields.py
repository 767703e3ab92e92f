"""Values out of messages: by joint name, by path, from images; faults are refused by name."""

import struct
import zlib
from array import array
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest

from bc_core.contract import Contract, Observation
from bc_core.fields import ObservationError, extract, stamp_ns
from bc_core.images import claimed_size


def joint_state(names: list[str], position: list[float]) -> SimpleNamespace:
    return SimpleNamespace(name=names, position=array("d", position))


def image(contract: Contract, pixels: np.ndarray, encoding: str = "rgb8", padding: int = 0) -> SimpleNamespace:
    height, width = pixels.shape[:2]
    rows = np.pad(pixels.reshape(height, -1), ((0, 0), (0, padding)), constant_values=77)
    return SimpleNamespace(
        height=height, width=width, encoding=encoding, step=rows.shape[1], data=array("B", rows.tobytes())
    )


@pytest.fixture
def pixels() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (96, 96, 3), dtype=np.uint8)


def test_joints_are_matched_by_name_not_by_index(contract: Contract) -> None:
    arm = contract.observations["arm"]
    shuffled = ["panda_gripper", *reversed(arm.names)]
    message = joint_state(shuffled, [0.08, *range(7, 0, -1)])
    np.testing.assert_array_equal(extract(arm, message), np.arange(1.0, 8.0))
    np.testing.assert_array_equal(extract(contract.observations["gripper"], message), [0.08])


def test_paths_reach_into_messages(contract: Contract) -> None:
    position = SimpleNamespace(x=1.0, y=2.0, z=3.0)
    orientation = SimpleNamespace(x=0.0, y=0.0, z=0.6, w=0.8)
    message = SimpleNamespace(
        pose=SimpleNamespace(pose=SimpleNamespace(position=position, orientation=orientation)),
        twist=SimpleNamespace(twist=SimpleNamespace(linear=SimpleNamespace(x=0.25))),
    )
    np.testing.assert_array_equal(extract(contract.observations["object"], message), [1, 2, 3, 0.6, 0.8, 0.25])


def test_a_value_is_a_copy(contract: Contract) -> None:
    names = list(contract.observations["gripper"].names)
    message = SimpleNamespace(name=names, position=np.array([0.04]))
    value = extract(contract.observations["gripper"], message)
    message.position[0] = 1.0
    assert value[0] == 0.04


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (joint_state(["panda_joint1"], [0.0]), ["'arm'", "joint_states", "panda_joint2", "it names panda_joint1"]),
        (SimpleNamespace(name=["a"]), ["'arm'", "no field 'position'"]),
        (joint_state([f"panda_joint{i}" for i in range(1, 8)], [0.0] * 3), ["'arm'", "panda_joint4"]),
        (joint_state([f"panda_joint{i}" for i in range(1, 8)], [float("nan")] * 7), ["'arm'", "not finite"]),
    ],
)
def test_faulty_numbers(contract: Contract, message: Any, words: list[str]) -> None:
    with pytest.raises(ObservationError) as caught:
        extract(contract.observations["arm"], message)
    assert caught.value.stream == "arm"
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize("padding", [0, 5])
def test_image_rows_may_be_padded(contract: Contract, pixels: np.ndarray, padding: int) -> None:
    value = extract(contract.observations["camera"], image(contract, pixels, padding=padding))
    np.testing.assert_array_equal(value, pixels)


def test_image_channels_are_reordered(contract: Contract, pixels: np.ndarray) -> None:
    value = extract(contract.observations["camera"], image(contract, pixels, "bgr8"))
    np.testing.assert_array_equal(value, pixels[:, :, ::-1])


def test_faulty_images(contract: Contract, pixels: np.ndarray) -> None:
    camera = contract.observations["camera"]
    with pytest.raises(ObservationError, match="48x96 pixels, the contract says 96x96"):
        extract(camera, image(contract, pixels[:, :48]))
    with pytest.raises(ObservationError, match="encoding 'yuv422'"):
        extract(camera, image(contract, pixels, "yuv422"))
    cut = image(contract, pixels)
    cut.data = cut.data[:-1]
    with pytest.raises(ObservationError, match="broken"):
        extract(camera, cut)


def compressed(pixels: np.ndarray, suffix: str, format: str) -> SimpleNamespace:
    """As image_transport publishes it: `pixels` are in the order in which the codec gets them."""
    return SimpleNamespace(format=format, data=array("B", cv2.imencode(suffix, pixels)[1].tobytes()))


@pytest.fixture
def packed(document: dict[str, Any]) -> Observation:
    document["observations"]["camera"]["type"] = "sensor_msgs/msg/CompressedImage"
    return Contract.from_document(document, "test").observations["camera"]


@pytest.mark.parametrize(
    ("format", "order"),
    [
        ("rgb8; png compressed bgr8", -1),  # the codec got BGR, as OpenCV has it
        ("bgr8; png compressed bgr8", -1),
        ("png", -1),  # publishers from before the format was settled
        ("rgb8; png compressed ", 1),  # the codec got what the camera sent
    ],
)
def test_compressed_images_follow_image_transport(
    packed: Observation, pixels: np.ndarray, format: str, order: int
) -> None:
    value = extract(packed, compressed(pixels[:, :, ::order], ".png", format))
    np.testing.assert_array_equal(value, pixels)


def test_jpeg_is_close(packed: Observation) -> None:
    smooth = np.indices((96, 96)).sum(0).astype(np.uint8)[:, :, None] * np.array([1, 0, 1], dtype=np.uint8)
    value = extract(packed, compressed(smooth[:, :, ::-1], ".jpg", "rgb8; jpeg compressed bgr8"))
    assert np.abs(value.astype(int) - smooth).mean() < 3


def test_a_grey_image_is_coloured(packed: Observation, pixels: np.ndarray) -> None:
    value = extract(packed, compressed(pixels[:, :, 0], ".png", "mono8; png compressed "))
    np.testing.assert_array_equal(value, np.repeat(pixels[:, :, :1], 3, axis=2))


def png(width: int, height: int) -> bytes:
    """A file that claims such a size, and holds one black row, or the beginning of it."""
    parts = [
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)),
        (b"IDAT", zlib.compress(bytes(min(width, 1000) + 1))),
    ]
    chunks = [
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in parts
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def test_faulty_compressed_images(packed: Observation, pixels: np.ndarray) -> None:
    with pytest.raises(ObservationError, match="48x96 pixels, the contract says 96x96"):
        extract(packed, compressed(pixels[:, :48], ".png", "png"))
    webp = cv2.imencode(".webp", pixels)[1].tobytes()
    cut_png, cut_jpeg = png(96, 96)[:20], cv2.imencode(".jpg", pixels)[1].tobytes()[:60]
    for data in (b"", b"no image", webp, cut_png, cut_jpeg):
        with pytest.raises(ObservationError, match=f"holds {len(data)} bytes of format 'png' that are no image"):
            extract(packed, SimpleNamespace(format="png", data=array("B", data)))


def jpeg(width: int, height: int) -> bytes:
    """A file that claims such a size, and holds 16x16 pixels."""
    data = bytearray(cv2.imencode(".jpg", np.zeros((16, 16), dtype=np.uint8))[1].tobytes())
    frame = data.index(b"\xff\xc0")
    data[frame + 5 : frame + 9] = struct.pack(">HH", height, width)
    return bytes(data)


@pytest.mark.parametrize(
    "data",
    [png(2**15, 2**15), png(2**30, 1), png(2**31 - 1, 2**31 - 1), png(97, 96), jpeg(2**15, 2**15), jpeg(65535, 65535)],
    ids=["2^30 pixels", "2^30 in a row", "2^62 pixels", "one column too many", "2^30 in a JPEG", "2^32 in a JPEG"],
)
def test_a_small_file_that_claims_many_pixels_is_refused_before_it_is_decoded(
    packed: Observation, monkeypatch: pytest.MonkeyPatch, data: bytes
) -> None:
    decoded: list[int] = []
    monkeypatch.setattr(cv2, "imdecode", lambda data, flag: decoded.append(flag))
    assert len(data) < 1000
    for kind in (bytes, lambda data: array("B", data), lambda data: np.frombuffer(data, dtype=np.uint8)):
        with pytest.raises(ObservationError, match=r"camera.* sends \d+x\d+ pixels, the contract says 96x96: set the"):
            extract(packed, SimpleNamespace(format="rgb8; png compressed ", data=kind(data)))
    assert not decoded


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_the_size_that_a_file_claims_is_that_of_its_pixels(suffix: str) -> None:
    for height, width, channels in ((1, 1, 1), (37, 201, 3), (480, 640, 3)):
        data = cv2.imencode(suffix, np.zeros((height, width, channels), dtype=np.uint8))[1]
        assert claimed_size(data.tobytes()) == (height, width)


def test_stamps_are_exact(header: Any) -> None:
    assert stamp_ns(SimpleNamespace(header=header(1_700_000_000_123_456_789))) == 1_700_000_000_123_456_789
