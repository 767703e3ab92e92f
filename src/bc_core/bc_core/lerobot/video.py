"""Cameras as video at an exactly constant rate: encoded per episode, joined without encoding again, decoded."""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import av.container
import numpy as np
import numpy.typing as npt
from av.video.stream import VideoStream

from bc_core.errors import BcError

ENCODERS = {"av1": "libsvtav1", "h264": "libx264"}
PIXEL_FORMAT = "yuv420p"
os.environ.setdefault("SVT_LOG", "1")  # the AV1 encoder prints its settings for every file otherwise: errors only


@dataclass(frozen=True)
class VideoSettings:
    """codec: "av1" or "h264". crf: quality, lower is better. preset: the encoder's own name or number for its speed.

    gop: distance of key frames; 2 as LeRobot has it, so that single frames are read quickly. threads: of the encoder.
    """

    codec: str = "av1"
    crf: int = 30
    preset: str = ""
    gop: int = 2
    threads: int = 1

    def options(self) -> dict[str, str]:
        options = {"crf": str(self.crf), "g": str(self.gop)}
        if self.codec == "av1":
            return options | {"preset": self.preset or "12", "svtav1-params": f"lp={self.threads}"}
        return options | {"preset": self.preset or "veryfast", "bf": "0", "threads": str(self.threads)}


def encode(path: Path, images: Iterable[npt.NDArray[np.uint8]], fps: int, settings: VideoSettings) -> int:
    """Write RGB images (height, width, 3) as one video; returns how many. BcError: sides are odd, or no images."""
    count = 0
    with av.open(str(path), "w") as output:
        stream: VideoStream | None = None
        for image in images:
            if stream is None:
                stream = _new_stream(output, image, fps, settings)
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = count, 1 / stream.codec_context.framerate
            output.mux(stream.encode(frame))
            count += 1
        if stream is None:
            raise BcError(f"no image for {path}: leave the camera out")
        output.mux(stream.encode())
    return count


def _new_stream(
    output: av.container.OutputContainer, image: npt.NDArray[np.uint8], fps: int, settings: VideoSettings
) -> VideoStream:
    height, width = image.shape[:2]
    if height % 2 or width % 2:
        raise BcError(f"images of {width}x{height} pixels cannot become a video: both sides must be even")
    stream = output.add_stream(ENCODERS[settings.codec], rate=fps, options=settings.options())
    assert isinstance(stream, VideoStream)
    stream.width, stream.height, stream.pix_fmt = width, height, PIXEL_FORMAT
    return stream


def join(path: Path, parts: Sequence[Path], fps: int) -> None:
    """Put videos of the same encoder and settings one after the other, bytes unchanged, frame k at k / fps seconds."""
    with av.open(str(path), "w") as output:
        target: Any = None
        first = 0
        for part in parts:
            with av.open(str(part)) as source:
                stream = source.streams.video[0]
                if target is None:
                    target = output.add_stream_from_template(stream, opaque=True)  # the decoder of AV1 is no encoder
                assert stream.time_base is not None
                step = round(1 / (fps * stream.time_base))
                last = first
                for packet in source.demux(stream):
                    if packet.pts is None or packet.dts is None:  # the flush packet at the end
                        continue
                    packet.pts += first * step
                    packet.dts += first * step
                    packet.stream = target
                    output.mux(packet)
                    last += 1
                first = last


def decode(path: Path, first: int = 0, count: int | None = None) -> Iterator[npt.NDArray[np.uint8]]:
    """Frames as RGB images, in order: `count` of them from number `first` on (None: to the end)."""
    with av.open(str(path)) as source:
        stream = source.streams.video[0]
        assert stream.time_base is not None
        assert stream.average_rate is not None
        step = 1 / (stream.average_rate * stream.time_base)
        if first:
            source.seek(int(first * step), stream=stream)  # to the key frame before
        given = 0
        for frame in source.decode(stream):
            number = round((frame.pts or 0) / step)
            if number < first:
                continue
            if count is not None and given == count:
                return
            yield np.asarray(frame.to_ndarray(format="rgb24"), dtype=np.uint8)
            given += 1


def describe(path: Path) -> dict[str, Any]:
    """The `info` of a video feature."""
    with av.open(str(path)) as source:
        stream = source.streams.video[0]
        return {
            "video.height": stream.height,
            "video.width": stream.width,
            "video.codec": stream.codec_context.codec.canonical_name,
            "video.pix_fmt": stream.pix_fmt,
            "video.is_depth_map": False,
            "is_depth_map": False,
            "video.fps": int(stream.average_rate or 0),
            "video.channels": 3,
            "has_audio": False,
        }
