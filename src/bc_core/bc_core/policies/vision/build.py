"""From the settings of an image encoder to the encoder."""

from bc_core.policies.vision.base import ImageEncoder, View
from bc_core.policies.vision.config import (
    EncoderConfig,
    FlowConfig,
    KeypointsConfig,
    PretrainedConfig,
    ResNetConfig,
    SpatialSoftmaxConfig,
    VitConfig,
)
from bc_core.policies.vision.flow import FlowEncoder
from bc_core.policies.vision.keypoints import KeypointEncoder
from bc_core.policies.vision.pretrained import PretrainedEncoder
from bc_core.policies.vision.scratch import ResNetEncoder, VitEncoder
from bc_core.policies.vision.spatial_softmax import SpatialSoftmaxEncoder


def build_encoder(view: View, config: EncoderConfig) -> ImageEncoder:
    """BcError: the images do not suit the encoder, or it needs a package that is not installed."""
    match config:
        case SpatialSoftmaxConfig():
            return SpatialSoftmaxEncoder(view, config)
        case FlowConfig():
            return FlowEncoder(view, config)
        case KeypointsConfig():
            return KeypointEncoder(view, config)
        case ResNetConfig():
            return ResNetEncoder(view, config)
        case VitConfig():
            return VitEncoder(view, config)
        case PretrainedConfig():
            return PretrainedEncoder(view, config)
        case _:
            raise ValueError(f"no image encoder for {config}")
