"""The heads that are compared: the product's own, at one size."""

from dataclasses import dataclass

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


@dataclass(frozen=True)
class Arm:
    """title: in tables. learning_rate: peak; transformers want less."""

    title: str
    config: HeadConfig
    learning_rate: float = 1e-3


ARMS = {
    "l2": Arm("regression, L2", RegressionConfig(loss="l2")),
    "l1": Arm("regression, L1", RegressionConfig(loss="l1")),
    "gaussian": Arm("regression, Gaussian", RegressionConfig(loss="gaussian")),
    "bins": Arm("256 bins, independent", CategoricalConfig()),
    "chain": Arm("256 bins, autoregressive", CategoricalConfig(autoregressive=True), 5e-4),
    "fast": Arm("FAST", FastConfig(vocabulary=256), 5e-4),
    "mixture": Arm("mixture of Gaussians", MixtureConfig()),
    "lstm_gmm": Arm("LSTM-GMM", LstmGmmConfig()),
    "implicit": Arm("implicit (IBC)", ImplicitConfig(samples=32, sampling_steps=20), 5e-4),
    "vqbet": Arm("VQ-BeT", VqBetConfig(quantiser_steps=600)),
    "act": Arm("ACT", ActConfig(), 5e-4),
    "act_plain": Arm("ACT without the CVAE", ActConfig(cvae=False), 5e-4),
    "diffusion": Arm("diffusion, U-Net", DiffusionConfig()),
    "diffusion_transformer": Arm("diffusion, transformer", DiffusionConfig(trunk="transformer"), 5e-4),
    "flow": Arm("flow matching, MLP", FlowConfig()),
    "flow_transformer": Arm("flow matching, transformer", FlowConfig(trunk="transformer"), 5e-4),
}
