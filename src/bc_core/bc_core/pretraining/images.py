"""Camera images out of bags, whatever came of the episode."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from bc_core.bags import open_episode
from bc_core.contract import Contract, Observation
from bc_core.errors import BcError
from bc_core.fields import ObservationError, extract
from bc_core.pretraining.config import FramesConfig

Images = npt.NDArray[np.uint8]
_TO_RGB = {"bgr8": cv2.COLOR_BGR2RGB, "mono8": cv2.COLOR_GRAY2RGB}


def read_images(
    paths: Sequence[Path], contract: Contract, config: FramesConfig, size: int, reading: Iterator[Path] | None = None
) -> tuple[list[Images], int]:
    """Of every episode its images, (n, size, size, 3) RGB, and how many could not be read.

    reading: may wrap the paths with a progress display. BcError: an unknown stream, or no image in all of them.
    """
    cameras = [stream for stream, observation in contract.observations.items() if observation.is_picture]
    for stream in config.streams:
        if stream not in cameras:
            known = ", ".join(cameras) or "none"
            raise BcError(
                f"data.streams names '{stream}', which is no camera of contract '{contract.name}' that shows colours "
                f"({known})"
            )
    observations = [contract.observations[stream] for stream in config.streams or cameras]
    episodes, unread = [], 0
    for path in reading or iter(paths):
        images, refused = _images(path, observations, config.every, size)
        unread += refused
        if len(images):
            episodes.append(images)
    total = sum(map(len, episodes))
    if not total:
        topics = ", ".join(observation.topic for observation in observations) or "no camera in the contract"
        raise BcError(
            f"{len(paths)} episodes hold no image ({topics}; {unread} could not be read): record with the camera on"
        )
    thinning = -(-total // config.most)
    return [images[::thinning] for images in episodes], unread


def _images(path: Path, observations: Sequence[Observation], every: int, size: int) -> tuple[Images, int]:
    episode, taken, unread = open_episode(path), [], 0
    for observation in observations:
        for index, (_, _, message) in enumerate(episode.messages([observation.topic])):
            if index % every:
                continue
            try:
                image = extract(observation, message)
            except ObservationError:
                unread += 1
                continue
            if observation.encoding in _TO_RGB:
                image = cv2.cvtColor(image, _TO_RGB[observation.encoding])
            taken.append(cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA))
    return np.asarray(taken, np.uint8).reshape(-1, size, size, 3), unread
