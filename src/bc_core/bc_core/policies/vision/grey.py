"""Images as OpenCV's classical methods want them: one channel of bytes."""

import cv2
import numpy as np
import numpy.typing as npt
from torch import Tensor

_GREY = {"rgb8": cv2.COLOR_RGB2GRAY, "bgr8": cv2.COLOR_BGR2GRAY}


def grey(images: Tensor, encoding: str) -> npt.NDArray[np.uint8]:
    """uint8 (B, n, height, width, channels) in an encoding of the contract to (B, n, height, width)."""
    values = images.cpu().numpy()
    if encoding == "mono8":
        return np.asarray(values[..., 0])
    flat = [cv2.cvtColor(image, _GREY[encoding]) for image in values.reshape(-1, *values.shape[2:])]
    return np.stack(flat).reshape(values.shape[:-1]).astype(np.uint8, copy=False)
