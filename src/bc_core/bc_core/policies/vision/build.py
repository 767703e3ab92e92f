"""From the settings of an image encoder to the encoder."""

from bc_core.errors import BcError
from bc_core.policies.vision.base import ImageEncoder, View
from bc_core.policies.vision.config import (
    DepthConfig,
    EncoderConfig,
    FlowConfig,
    KeypointsConfig,
    PretrainedConfig,
    ResNetConfig,
    SpatialSoftmaxConfig,
    VitConfig,
)
from bc_core.policies.vision.depth import DepthEncoder
from bc_core.policies.vision.flow import FlowEncoder
from bc_core.policies.vision.keypoints import KeypointEncoder
from bc_core.policies.vision.pretrained import PretrainedEncoder
from bc_core.policies.vision.scratch import ResNetEncoder, VitEncoder
from bc_core.policies.vision.spatial_softmax import SpatialSoftmaxEncoder


def build_encoder(view: View, config: EncoderConfig) -> ImageEncoder:
    """BcError: the images do not suit the encoder, or it needs a package that is not installed."""
    _check_kind(view, config)
    match config:
        case SpatialSoftmaxConfig():
            return SpatialSoftmaxEncoder(view, config)
        case FlowConfig():
            return FlowEncoder(view, config)
        case DepthConfig():
            return DepthEncoder(view, config)
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


def _check_kind(view: View, config: EncoderConfig) -> None:
    if view.is_depth and not isinstance(config, DepthConfig):
        raise BcError(
            f"policy.vision: '{view.stream}' is a depth image ({view.encoding}), which {config.type} does not take: "
            f"set {view.stream}: {{type: depth, near: ..., far: ...}}"
        )
    if isinstance(config, DepthConfig) and not view.is_depth:
        raise BcError(
            f"policy.vision: '{view.stream}' shows colours ({view.encoding}), no distances: give encoder depth to a "
            "depth image alone, or set another type"
        )
