"""Videos of trials from the recorded camera, as MP4 (H.264) that browsers play."""

import base64
from dataclasses import dataclass
from fractions import Fraction
from io import BytesIO
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

from bc_core.bags import open_episode
from bc_core.contract import Contract, Observation
from bc_core.fields import extract, stamp_ns

_SCALE = 4  # chroma is stored at half resolution: small images are enlarged first, so that their colours stay sharp
_PIXELS = {"rgb8": "rgb24", "bgr8": "bgr24", "mono8": "gray"}
_MILLISECOND_NS = 1_000_000


@dataclass(frozen=True)
class Footage:
    """What a camera saw: stamps_ns increasing, images (height, width, channels) uint8 in the camera's encoding."""

    camera: Observation
    stamps_ns: tuple[int, ...]
    images: tuple[npt.NDArray[np.uint8], ...]


def read_footage(path: Path, camera: Observation) -> Footage:
    """Images of one camera in a bag; of images with the same stamp the last."""
    messages = open_episode(path).messages([camera.topic])
    found = {stamp_ns(message.msg): extract(camera, message.msg) for message in messages}
    stamps = sorted(found)
    return Footage(camera, tuple(stamps), tuple(found[stamp] for stamp in stamps))


def encode_mp4(footage: Footage) -> bytes:
    """H.264 in MP4, every image shown from its own stamp on. ValueError: there is no image."""
    if not footage.images:
        raise ValueError(f"no image of camera '{footage.camera.name}' to encode")
    height, width = footage.images[0].shape[:2]
    pixels = _PIXELS[footage.camera.encoding]
    buffer = BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        stream = container.add_stream("libx264", options={"crf": "21", "preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = width * _SCALE, height * _SCALE, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        for stamp, image in zip(footage.stamps_ns, footage.images, strict=True):
            large = image.repeat(_SCALE, axis=0).repeat(_SCALE, axis=1)
            frame = av.VideoFrame.from_ndarray(large[..., 0] if pixels == "gray" else large, format=pixels)
            frame.pts = (stamp - footage.stamps_ns[0]) // _MILLISECOND_NS
            frame.time_base = Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return buffer.getvalue()


def camera_of(contract: Contract) -> Observation | None:
    """The contract's first camera whose images are pictures; None: it has none."""
    return next((observation for observation in contract.observations.values() if observation.is_picture), None)


def as_data_uri(mp4: bytes) -> str:
    """For a <video> element."""
    return "data:video/mp4;base64," + base64.b64encode(mp4).decode("ascii")
