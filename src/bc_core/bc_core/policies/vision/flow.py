"""Dense optical flow as an input: what moves, and whereto, beside what is there."""

from itertools import pairwise
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from bc_core.errors import BcError
from bc_core.policies.vision.augmentation import Augmentation
from bc_core.policies.vision.base import ImageEncoder, View, channels_first
from bc_core.policies.vision.config import FlowConfig
from bc_core.policies.vision.grey import grey
from bc_core.policies.vision.pooling import expected_coordinates
from bc_core.policies.vision.spatial_softmax import small_layers

_SMALLEST = 16  # pixels of a side, below which the method's own pyramid has nothing to work on


class FlowEncoder(ImageEncoder):
    """The newest image, and the flow from each image of the history to the next, through a small convolutional network.

    Flow by dense inverse search (Kroeger et al., "Fast Optical Flow using Dense Inverse Search", arXiv 1603.03590).
    Its unit is `reach` pixels per tick; whatever is faster is cut off at 1.
    """

    def __init__(self, view: View, config: FlowConfig) -> None:
        """BcError: there is no history to see motion in, or the images are too small."""
        super().__init__()
        if view.n_obs_steps < 2:
            raise BcError(
                f"policy.vision: optical_flow of '{view.stream}' takes two images, but policy.n_obs_steps = "
                f"{view.n_obs_steps}: raise it, or use another encoder"
            )
        if min(view.height, view.width) < _SMALLEST:
            raise BcError(
                f"policy.vision: optical_flow takes images of {_SMALLEST} pixels a side or more, those of "
                f"'{view.stream}' have {view.width}x{view.height}: use another encoder"
            )
        self.encoding, self.reach, self.colours = view.encoding, config.reach, view.channels
        self.augmentation = Augmentation(config)
        self.features = 2 * config.maps
        self.layers = small_layers(view.channels + 2 * (view.n_obs_steps - 1), config.maps)

    def prepare(self, images: Tensor) -> Tensor:
        """float16 (B, 1, colours + 2 (n_obs_steps - 1), height, width): the newest image, 0 to 255, then the flows'
        x and y, -1 to 1."""
        search: Any = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
        flows = [
            np.concatenate([search.calc(before, after, None) for before, after in pairwise(steps)], axis=-1)
            for steps in grey(images, self.encoding)
        ]
        flow = torch.from_numpy(np.stack(flows)).permute(0, 3, 1, 2).to(images.device)
        newest = channels_first(images[:, -1:])[:, 0]
        return torch.cat([newest, (flow / self.reach).clamp(-1.0, 1.0)], dim=1).half()[:, None]

    def forward(self, prepared: Tensor) -> Tensor:
        """Augmentation moves and blanks the image and its flow together."""
        both = prepared.float()
        both[:, :, self.colours :] = both[:, :, self.colours :] * 127.5 + 127.5  # all channels 0 to 255
        return expected_coordinates(self.layers(self.augmentation(both)[:, 0] / 127.5 - 1.0))
