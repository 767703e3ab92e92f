"""Pixels out of image messages, duck-typed as in bc_core.fields, and between encodings."""

import base64
import struct
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from bc_core.errors import BcError

CHANNELS = {"rgb8": 3, "bgr8": 3, "mono8": 1}
_CONVERSIONS = {
    ("rgb8", "bgr8"): cv2.COLOR_RGB2BGR,
    ("bgr8", "rgb8"): cv2.COLOR_BGR2RGB,
    ("rgb8", "mono8"): cv2.COLOR_RGB2GRAY,
    ("bgr8", "mono8"): cv2.COLOR_BGR2GRAY,
    ("mono8", "rgb8"): cv2.COLOR_GRAY2RGB,
    ("mono8", "bgr8"): cv2.COLOR_GRAY2BGR,
}
_PNG, _JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8"
_NO_FRAMES = (0xC4, 0xC8, 0xCC)
"""JPEG markers among those of frames that begin something else: Huffman tables, extensions, arithmetic coding."""


class ImageError(BcError):
    """A message that is no image, or not such a one. The text goes on from the topic's name."""


def pixels(message: Any) -> npt.NDArray[np.uint8]:
    """Of a sensor_msgs/Image, a view of its data: (height, width, channels) in its own encoding. ImageError."""
    channels = CHANNELS.get(message.encoding)
    if channels is None:
        raise ImageError(f"has encoding '{message.encoding}': publish one of {', '.join(CHANNELS)}")
    return rows(message, np.dtype(np.uint8), channels)


def rows(message: Any, kind: np.dtype[Any], channels: int) -> npt.NDArray[Any]:
    """A view of an image's data, (height, width, channels) of a kind of number. ImageError: it has not enough of it."""
    data = np.frombuffer(message.data, dtype=np.uint8)
    used = message.width * channels * kind.itemsize
    if message.step < used or data.size != message.step * message.height:
        raise ImageError(f"holds {data.size} bytes for {message.height} rows of {message.step}: the image is broken")
    lines = data.reshape(message.height, message.step)[:, :used]
    if kind.itemsize > 1:
        lines = np.ascontiguousarray(lines).view(kind.newbyteorder(">" if message.is_bigendian else "<"))
    return lines.reshape(message.height, message.width, channels)


def wrong_size(size: tuple[int, int], wanted: tuple[int, int]) -> ImageError:
    """An image of another size than the contract's, both (height, width)."""
    return ImageError(
        f"sends {size[1]}x{size[0]} pixels, the contract says {wanted[1]}x{wanted[0]}: set the camera, or `shape` in "
        "the contract"
    )


def claimed_size(data: Any) -> tuple[int, int] | None:
    """(height, width) by the header of a PNG (its IHDR) or a JPEG (its frame header, ITU T.81 B.2.2); None: neither.

    data: a buffer of bytes. Nothing is decoded: a few bytes may claim gigabytes.
    """
    view = memoryview(data).cast("B")
    if bytes(view[:8]) == _PNG and bytes(view[12:16]) == b"IHDR" and len(view) >= 24:
        width, height = struct.unpack_from(">II", view, 16)
        return height, width
    at = 2 if bytes(view[:2]) == _JPEG else len(view)
    while at + 9 <= len(view) and view[at] == 0xFF:
        marker = view[at + 1]
        if 0xC0 <= marker <= 0xCF and marker not in _NO_FRAMES:
            height, width = struct.unpack_from(">HH", view, at + 5)
            return height, width
        at += 1 if marker == 0xFF else 2 + struct.unpack_from(">H", view, at + 2)[0]  # 0xFF: filled up
    return None


def decompressed(message: Any, size: tuple[int, int]) -> tuple[npt.NDArray[np.uint8], str]:
    """Of a sensor_msgs/CompressedImage: pixels and encoding. ImageError: no image, or with more pixels than one of
    this size (height, width), which is told by its header before anything is decoded.

    By image_transport's conventions `format` is "<encoding>; <codec> compressed <order of channels>"; without the part
    before the semicolon (older publishers) the channels are in OpenCV's order.
    """
    encoding, _, codec = message.format.partition(";")
    stored = encoding.strip() if codec and "compressed bgr8" not in codec and "jpeg" not in codec else "bgr8"
    if encoding.strip() == "mono8":
        stored = "mono8"
    flag = cv2.IMREAD_GRAYSCALE if stored == "mono8" else cv2.IMREAD_COLOR
    claimed = claimed_size(message.data)
    if claimed is not None and claimed[0] * claimed[1] > size[0] * size[1]:  # the EXIF of a JPEG may turn it
        raise wrong_size(claimed, size)
    image = _decoded(message.data, flag) if claimed is not None else None
    if image is None or stored not in CHANNELS:
        raise ImageError(
            f"holds {len(message.data)} bytes of format '{message.format}' that are no image of a known kind: "
            "publish jpeg or png of " + ", ".join(CHANNELS)
        )
    return np.asarray(image, dtype=np.uint8).reshape(*image.shape[:2], CHANNELS[stored]), stored


def _decoded(data: Any, flag: int) -> Any:
    """Pixels, or None: no image."""
    try:
        return cv2.imdecode(np.frombuffer(data, dtype=np.uint8), flag)
    except cv2.error:
        return None


def converted(image: npt.NDArray[np.uint8], encoding: str, wanted: str) -> npt.NDArray[np.uint8]:
    """A copy of an image (height, width, channels) in another encoding, or the same."""
    if encoding == wanted:
        return image.copy()
    result = cv2.cvtColor(image, _CONVERSIONS[encoding, wanted])
    return np.asarray(result, dtype=np.uint8).reshape(*image.shape[:2], CHANNELS[wanted])


def data_uri(image: npt.NDArray[np.uint8], encoding: str, quality: int | None = None) -> str:
    """For pages and endpoints, an image as a PNG, or as a JPEG of a quality (1 to 100). BcError: it has no pixels."""
    name, suffix, options = ("png", ".png", []) if quality is None else (
        "jpeg", ".jpg", [cv2.IMWRITE_JPEG_QUALITY, quality])  # fmt: skip
    stored = "mono8" if encoding == "mono8" else "bgr8"
    try:
        data = cv2.imencode(suffix, converted(image, encoding, stored), options)[1]
    except cv2.error as error:
        raise BcError(f"an image of shape {image.shape} cannot be written as {name} ({error})") from error
    return f"data:image/{name};base64," + base64.b64encode(data.tobytes()).decode("ascii")
