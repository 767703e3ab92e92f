"""From the settings of a head to the head."""

from bc_core.policies.heads.act import ActHead
from bc_core.policies.heads.base import Head
from bc_core.policies.heads.categorical import AutoregressiveHead, IndependentHead
from bc_core.policies.heads.config import (
    ActConfig,
    CategoricalConfig,
    DiffusionConfig,
    FastConfig,
    FlowConfig,
    HeadConfig,
    ImplicitConfig,
    LstmGmmConfig,
    MixtureConfig,
    RegressionConfig,
    VqBetConfig,
)
from bc_core.policies.heads.diffusion import DiffusionHead
from bc_core.policies.heads.fast import FastHead
from bc_core.policies.heads.flow import FlowHead
from bc_core.policies.heads.implicit import ImplicitHead
from bc_core.policies.heads.lstm_gmm import LstmGmmHead
from bc_core.policies.heads.mixture import MixtureHead
from bc_core.policies.heads.regression import RegressionHead
from bc_core.policies.heads.vqbet import VqBetHead
from bc_core.policies.trunks import Size


def build_head(size: Size, config: HeadConfig) -> Head:
    """BcError where the head needs a package that is not installed."""
    match config:
        case RegressionConfig():
            return RegressionHead(size, config)
        case CategoricalConfig(autoregressive=True):
            return AutoregressiveHead(size, config)
        case CategoricalConfig():
            return IndependentHead(size, config)
        case FastConfig():
            return FastHead(size, config)
        case LstmGmmConfig():  # a MixtureConfig too
            return LstmGmmHead(size, config)
        case MixtureConfig():
            return MixtureHead(size, config)
        case ActConfig():
            return ActHead(size, config)
        case DiffusionConfig():
            return DiffusionHead(size, config)
        case FlowConfig():
            return FlowHead(size, config)
        case ImplicitConfig():
            return ImplicitHead(size, config)
        case VqBetConfig():
            return VqBetHead(size, config)
        case _:
            raise ValueError(f"no head for {config}")
