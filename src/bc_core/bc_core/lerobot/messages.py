"""ROS messages out of numbers: the other way round than bc_core.fields."""

from collections.abc import Iterator, Mapping, Sequence
from functools import reduce
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
from cv2 import COLOR_RGB2BGR, COLOR_RGB2GRAY, cvtColor, imencode

from bc_core.contract import COMPRESSED_IMAGE_TYPE, Contract, Observation
from bc_core.conversion.segments import Selection
from bc_core.grid import NANOSECONDS
from bc_core.message_types import blank_message, require_type

_ROWS = 256  # of a chunk: what the controller preallocates
_MODES = {"policy": 1, "human": 3}  # bc_msgs/ControlMode
_IN_FORCE = 1  # bc_msgs/ChunkAck
_PRODUCER = 1


class MessageMaker:
    """Messages of a contract's topics for the streams of a selection."""

    def __init__(self, contract: Contract, selection: Selection) -> None:
        self._contract = contract
        self._selection = selection

    @staticmethod
    def width(observation: Observation) -> int:
        """Numbers of a stream; every field counts as one where no joints are named."""
        return len(observation.fields) * max(1, len(observation.names))

    def observations(
        self, state: npt.NDArray[Any], images: Mapping[str, npt.NDArray[np.uint8]], time_ns: int
    ) -> Iterator[tuple[str, Any]]:
        """One message per topic; streams of one topic share it. images: camera -> (height, width, 3) RGB."""
        messages: dict[str, Any] = {}
        column = 0
        for stream in self._selection.numeric:
            observation = self._contract.observations[stream]
            width = self.width(observation)
            message = messages.setdefault(observation.topic, blank_message(observation.type, time_ns))
            _set_fields(message, observation, state[column : column + width])
            column += width
        for camera, image in images.items():
            observation = self._contract.observations[camera]
            messages[observation.topic] = _image(observation, image, time_ns)
        yield from messages.items()

    def commands(
        self, actions: npt.NDArray[Any], human: npt.NDArray[np.bool_], times: Sequence[int]
    ) -> Iterator[tuple[str, int, Any]]:
        """(topic, time, message): rows as chunks, each in force from its first row on, and the modes that they need.

        human: (T,) who commanded. Long stretches become several chunks, which overlap by the row that ends them.
        """
        changes = [0, *(np.flatnonzero(np.diff(human.astype(np.int8))) + 1).tolist(), len(actions)]
        sequence = 0
        for epoch, (begin, end) in enumerate(pairwise(changes), start=1):
            source = "human" if human[begin] else "policy"
            mode = blank_message("bc_msgs/msg/ControlMode", times[begin])
            mode.mode, mode.epoch, mode.reason = _MODES[source], epoch, "converted"
            yield "controller/mode", times[begin], mode
            for first in range(begin, max(begin + 1, end - 1), _ROWS - 1):
                sequence += 1
                rows = np.ascontiguousarray(actions[first : min(first + _ROWS, end)], dtype=np.float64)
                chunk = self._chunk(rows, sequence, epoch, times[first])
                yield f"command/{source}", times[first], chunk
                ack = blank_message("bc_msgs/msg/ChunkAck", times[first])
                ack.source, ack.producer_id, ack.sequence, ack.verdict = source, _PRODUCER, sequence, _IN_FORCE
                ack.mode_epoch, ack.effective = epoch, _stamp(times[first])
                yield "controller/ack", times[first], ack

    def _chunk(self, rows: npt.NDArray[np.float64], sequence: int, epoch: int, time_ns: int) -> Any:
        group = require_type("bc_msgs/msg/ActionGroup")
        chunk = blank_message("bc_msgs/msg/ActionChunk", time_ns)
        chunk.dt.sec, chunk.dt.nanosec = divmod(self._contract.grid.dt_ns, NANOSECONDS)
        chunk.horizon, chunk.actions = len(rows), rows.ravel()
        chunk.producer, chunk.producer_id, chunk.sequence, chunk.mode_epoch = "lerobot", _PRODUCER, sequence, epoch
        chunk.groups = [
            group(g.name, int(g.space), list(g.names), g.tip, g.frame_id, g.offset, g.width)
            for g in self._contract.groups
        ]
        return chunk


def _stamp(time_ns: int) -> Any:
    return require_type("builtin_interfaces/msg/Time")(*divmod(time_ns, NANOSECONDS))


def _set_fields(message: Any, observation: Observation, values: npt.NDArray[Any]) -> None:
    """Joints are appended by name, so that several streams can fill one JointState; other fields are set by path."""
    if observation.names:
        names = message.name if hasattr(message, "name") else message.joint_names
        names.extend(observation.names)
        for field, part in zip(observation.fields, np.split(values, len(observation.fields)), strict=True):
            setattr(message, field, np.append(getattr(message, field), part))
        return
    for field, value in zip(observation.fields, values, strict=True):
        *path, last = field.split(".")
        setattr(reduce(getattr, path, message), last, float(value))


def _image(observation: Observation, image: npt.NDArray[np.uint8], time_ns: int) -> Any:
    message = blank_message(observation.type, time_ns)
    if observation.type == COMPRESSED_IMAGE_TYPE:
        message.format = "rgb8; png compressed bgr8"
        message.data = imencode(".png", cvtColor(image, COLOR_RGB2BGR))[1].ravel()
        return message
    if observation.encoding == "bgr8":
        image = np.asarray(image[:, :, ::-1])
    elif observation.encoding == "mono8":
        image = np.asarray(cvtColor(image, COLOR_RGB2GRAY), dtype=np.uint8)[:, :, None]
    message.height, message.width = image.shape[:2]
    message.encoding, message.step = observation.encoding, image.shape[1] * image.shape[2]
    message.data = np.ascontiguousarray(image).ravel()
    return message
