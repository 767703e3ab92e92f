"""Sparse features: keypoints with descriptors in place of pixels."""

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from bc_core.chunks import Array
from bc_core.policies.vision.base import ImageEncoder, View
from bc_core.policies.vision.config import KeypointsConfig
from bc_core.policies.vision.grey import grey

_PLACE = 4  # numbers before a descriptor: is there, x, y, logarithm of the size
_DESCRIPTOR = {"sift": 128, "orb": 256}


class KeypointEncoder(ImageEncoder):
    """Where learnt landmarks are, found by their descriptors among the strongest keypoints of each image.

    A landmark's position is the mean of the keypoints' positions, weighted by a softmax of how much each of them looks
    like it: spatial softmax (Levine et al., arXiv 1504.00702) over keypoints instead of pixels. Beside the positions
    comes the largest value of every projected descriptor, for what there is to be seen (Zaheer et al., "Deep Sets",
    arXiv 1703.06114): the order of keypoints means nothing. Keypoints: SIFT (Lowe, IJCV 2004) with RootSIFT's
    descriptors (Arandjelovic and Zisserman, CVPR 2012), or ORB (Rublee et al., ICCV 2011), whose 256 bits are -1 and 1.
    """

    def __init__(self, view: View, config: KeypointsConfig) -> None:
        super().__init__()
        self.view, self.config = view, config
        self.descriptor = _DESCRIPTOR[config.detector]
        self.project = nn.Sequential(nn.Linear(self.descriptor + _PLACE - 1, config.width), nn.SiLU())
        self.alike = nn.Linear(config.width, config.maps)
        self.features = view.n_obs_steps * (3 * config.maps + config.width)

    def prepare(self, images: Tensor) -> Tensor:
        """float32 (B, n_obs_steps, keypoints, 4 + descriptor), the strongest first; zeros where there are fewer."""
        found = [[self._keypoints(image) for image in steps] for steps in grey(images, self.view.encoding)]
        return torch.from_numpy(np.asarray(found, dtype=np.float32)).to(images.device)

    def _keypoints(self, image: npt.NDArray[np.uint8]) -> Array:
        """Of one image, (keypoints, 4 + descriptor)."""
        rows = np.zeros((self.config.keypoints, _PLACE + self.descriptor))
        detector: Any = cv2.SIFT.create() if self.config.detector == "sift" else self._orb()
        points, descriptors = detector.detectAndCompute(image, None)
        if not points:
            return rows
        strongest = np.argsort([-point.response for point in points], kind="stable")[: self.config.keypoints]
        places = np.array([[*points[index].pt, points[index].size] for index in strongest])
        height, width = image.shape
        rows[: len(strongest), 0] = 1.0
        rows[: len(strongest), 1:3] = 2.0 * places[:, :2] / (max(width - 1, 1), max(height - 1, 1)) - 1.0
        rows[: len(strongest), 3] = np.log2(places[:, 2])
        rows[: len(strongest), _PLACE:] = self._described(descriptors[strongest])
        return rows

    def _orb(self) -> Any:
        """As published, but for small images with little contrast: closer to the border, and from a lower threshold."""
        return cv2.ORB.create(4 * self.config.keypoints, edgeThreshold=16, fastThreshold=7)

    def _described(self, descriptors: npt.NDArray[Any]) -> Array:
        if self.config.detector == "orb":
            return 2.0 * np.unpackbits(descriptors, axis=1).astype(np.float64) - 1.0
        sums = descriptors.sum(axis=1, keepdims=True)
        return np.asarray(np.sqrt(descriptors / np.maximum(sums, 1e-9)), dtype=np.float64)

    def forward(self, prepared: Tensor) -> Tensor:
        there, places = prepared[..., :1] > 0.5, prepared[..., 1:3]
        projected = self.project(prepared[..., 1:])
        seen = there.any(dim=-2, keepdim=True)  # an image may have no keypoint
        scores = self.alike(projected).masked_fill(~there, -1e9)
        weights = scores.softmax(dim=-2) * seen
        positions = weights.transpose(-1, -2) @ places  # (B, n, maps, 2)
        spread = (weights * scores.where(there, torch.zeros_like(scores))).sum(dim=-2)
        present = projected.masked_fill(~there, -1e9).amax(dim=-2) * seen[..., 0]
        return torch.cat([positions.flatten(2), spread, present], dim=-1).flatten(1)
