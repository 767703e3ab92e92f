"""Settings of every head, and what it can do with them. No torch here: a node reads them without loading a policy."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from bc_core.policies.abilities import Ability
from bc_core.schema import setting

_SAMPLING = frozenset({Ability.SAMPLING})
_DENSITY = frozenset({Ability.DENSITY})
_GUIDANCE = frozenset({Ability.GUIDANCE, Ability.SAMPLING})
_PREFIX = frozenset({Ability.PREFIX})


@dataclass(frozen=True)
class HeadConfig(ABC):
    """type: its name in a configuration. abilities: what it supports."""

    type: ClassVar[str]

    @property
    @abstractmethod
    def abilities(self) -> frozenset[Ability]: ...


@dataclass(frozen=True)
class RegressionConfig(HeadConfig):
    """loss: l2, l1, or the likelihood of a Gaussian of fixed standard deviation `std` (normalised units)."""

    type: ClassVar[str] = "regression"
    loss: str = setting("l2", choices=("l2", "l1", "gaussian"))
    std: float = setting(0.1, 1e-4, 10.0)

    @property
    def abilities(self) -> frozenset[Ability]:
        return _DENSITY if self.loss == "gaussian" else frozenset()


@dataclass(frozen=True)
class DiscreteConfig(HeadConfig):
    """Of heads that predict symbols: quantiles of every coordinate between which it is discretised; temperature of
    sampling (0: the likeliest symbol)."""

    low_quantile: float = setting(0.01, 0.0, 0.49)
    high_quantile: float = setting(0.99, 0.51, 1.0)
    temperature: float = setting(1.0, 0.0, 10.0)


@dataclass(frozen=True)
class CategoricalConfig(DiscreteConfig):
    """bins between the quantiles of every coordinate, predicted at once (independent) or one after the other."""

    type: ClassVar[str] = "categorical"
    bins: int = setting(256, 2, 4096)
    autoregressive: bool = setting(False)

    @property
    def abilities(self) -> frozenset[Ability]:
        chained = _PREFIX if self.autoregressive else frozenset()
        return _DENSITY | chained | (_SAMPLING if self.temperature > 0.0 else frozenset())


@dataclass(frozen=True)
class FastConfig(DiscreteConfig):
    """scale: of DCT coefficients before rounding; the quantisation step is 1 / scale. vocabulary: of the BPE."""

    type: ClassVar[str] = "fast"
    scale: float = setting(10.0, 0.1, 1e4)
    vocabulary: int = setting(1024, 16, 65536)

    @property
    def abilities(self) -> frozenset[Ability]:
        return _SAMPLING if self.temperature > 0.0 else frozenset()


@dataclass(frozen=True)
class MixtureConfig(HeadConfig):
    """components: Gaussians over whole chunks. smallest_std: floor of theirs (normalised units).

    A low floor is spent on columns that hardly vary, as a gripper: their likelihood grows without bound, decides which
    component is responsible, and hides the other columns' errors. Samples are means, so a high one costs no precision.
    """

    type: ClassVar[str] = "mixture"
    components: int = setting(5, 1, 256)
    smallest_std: float = setting(0.3, 1e-5, 1.0)

    @property
    def abilities(self) -> frozenset[Ability]:
        return _DENSITY | _SAMPLING


@dataclass(frozen=True)
class LstmGmmConfig(MixtureConfig):
    """The Gaussians are over every row, given the rows before it."""

    type: ClassVar[str] = "lstm_gmm"

    @property
    def abilities(self) -> frozenset[Ability]:
        return super().abilities | _PREFIX


@dataclass(frozen=True)
class ActConfig(HeadConfig):
    """cvae: with the latent of the style (False: the same decoder without). kl_weight: beta of its loss."""

    type: ClassVar[str] = "act"
    cvae: bool = setting(True)
    latent: int = setting(32, 1, 512)
    kl_weight: float = setting(10.0, 0.0, 1e4)

    @property
    def abilities(self) -> frozenset[Ability]:
        return frozenset()


@dataclass(frozen=True)
class DiffusionConfig(HeadConfig):
    """train_timesteps T of DDPM; sampling_steps of DDIM; prediction: of the network; clip: bound on the clean chunk."""

    type: ClassVar[str] = "diffusion"
    trunk: str = setting("unet", choices=("unet", "transformer", "mlp"))
    train_timesteps: int = setting(100, 2, 10_000)
    sampling_steps: int = setting(10, 1, 1000)
    prediction: str = setting("epsilon", choices=("epsilon", "sample", "v_prediction"))
    clip: float = setting(4.0, 0.1, 100.0)

    @property
    def abilities(self) -> frozenset[Ability]:
        """No guidance through a predicted noise: A1hat = (x - sigma eps) / alpha, and where alpha is small its gradient
        throws chunks away from the prefix instead of drawing them to it."""
        return _GUIDANCE if self.prediction == "sample" else _SAMPLING


@dataclass(frozen=True)
class FlowConfig(HeadConfig):
    """flow_steps n of integration. prefix_rows: most rows given clean in training (training-time RTC); 0: never."""

    type: ClassVar[str] = "flow"
    trunk: str = setting("mlp", choices=("mlp", "transformer", "mixer"))
    flow_steps: int = setting(8, 1, 1000)
    prefix_rows: int = setting(0, 0, 256)

    @property
    def abilities(self) -> frozenset[Ability]:
        return _GUIDANCE | (_PREFIX if self.prefix_rows else frozenset())


@dataclass(frozen=True)
class ImplicitConfig(HeadConfig):
    """negatives per chunk; langevin_steps: that make them hard; samples, sampling_steps: of the search for a chunk."""

    type: ClassVar[str] = "implicit"
    negatives: int = setting(8, 1, 1024)
    langevin_steps: int = setting(8, 0, 1000)
    samples: int = setting(64, 1, 4096)
    sampling_steps: int = setting(40, 1, 1000)

    @property
    def abilities(self) -> frozenset[Ability]:
        return frozenset()  # the search ends at the lowest energy, whatever the noise


@dataclass(frozen=True)
class VqBetConfig(HeadConfig):
    """layers of residual quantisation with `codes` each, over a latent; quantiser_steps: of its training beforehand."""

    type: ClassVar[str] = "vqbet"
    codes: int = setting(16, 2, 4096)
    layers: int = setting(2, 1, 8)
    latent: int = setting(64, 1, 1024)
    quantiser_steps: int = setting(1000, 1)
    focal: float = setting(2.0, 0.0, 10.0)
    offset_weight: float = setting(10.0, 0.0, 1e4)

    @property
    def abilities(self) -> frozenset[Ability]:
        return _SAMPLING


HEADS: dict[str, type[HeadConfig]] = {
    config.type: config
    for config in (
        RegressionConfig, CategoricalConfig, FastConfig, MixtureConfig, LstmGmmConfig, ActConfig, DiffusionConfig,
        FlowConfig, ImplicitConfig, VqBetConfig,
    )
}  # fmt: skip
