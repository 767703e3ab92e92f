"""What a camera does to a point: from sensor_msgs/CameraInfo, duck-typed, and never from anything else."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from bc_core.chunks import Array
from bc_core.errors import BcError

DISTORTION = {"plumb_bob": (4, 5), "rational_polynomial": (8,)}
"""Distortion models that are understood, and how many coefficients each has."""


class IntrinsicsError(BcError):
    """A CameraInfo that says too little, or something that is not understood."""


@dataclass(frozen=True)
class Intrinsics:
    """Of an image of width x height [px]: camera matrix (3, 3), distortion coefficients (n,) in OpenCV's order."""

    width: int
    height: int
    matrix: Array
    distortion: Array

    @classmethod
    def from_camera_info(cls, info: Any) -> "Intrinsics":
        """IntrinsicsError: not calibrated, another distortion model, or an image that is binned or cut out."""
        if info.binning_x > 1 or info.binning_y > 1 or info.roi.width or info.roi.height:
            raise IntrinsicsError(
                f"CameraInfo describes a binned or cut out image (binning {info.binning_x}x{info.binning_y}, region of "
                f"interest {info.roi.width}x{info.roi.height}): publish the full image"
            )
        matrix = np.asarray(info.k, dtype=np.float64).reshape(3, 3)
        values = matrix[0, 0], matrix[1, 1], matrix[2, 2]
        if not np.isfinite(matrix).all() or min(values) <= 0.0:
            raise IntrinsicsError(
                f"CameraInfo has no intrinsics (k = {matrix.ravel().tolist()}): calibrate the camera, and let its "
                "driver publish what was found"
            )
        lengths = DISTORTION.get(info.distortion_model)
        if lengths is None:
            raise IntrinsicsError(
                f"CameraInfo has distortion model '{info.distortion_model}', known are {', '.join(DISTORTION)}: "
                "rectify the images (their CameraInfo then says plumb_bob with zeros), or calibrate with such a model"
            )
        distortion = np.asarray(info.d, dtype=np.float64)
        if len(distortion) not in lengths or not np.isfinite(distortion).all():
            raise IntrinsicsError(
                f"CameraInfo has the distortion coefficients {distortion.tolist()}, {info.distortion_model} takes "
                f"{' or '.join(map(str, lengths))} numbers: publish as many (zeros for a rectified image)"
            )
        return cls(int(info.width), int(info.height), matrix, distortion)

    def check_size(self, width: int, height: int) -> None:
        """IntrinsicsError: they are of images of another size."""
        if (width, height) != (self.width, self.height):
            raise IntrinsicsError(
                f"CameraInfo is of {self.width}x{self.height} pixels, the image has {width}x{height}: "
                "calibrate at the size that is published"
            )
