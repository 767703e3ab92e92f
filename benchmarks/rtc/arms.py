"""The arms of the benchmark: a strategy, the kind of policy it drives, and the sampler's settings."""

from dataclasses import dataclass, replace

from bc_core.strategies.registry import STRATEGIES, Strategy
from bc_core.strategies.sampling import SamplerConfig
from benchmarks.rtc.policies import PolicySet
from benchmarks.rtc.rollout import Arm
from benchmarks.rtc.training import Kind

_DEFAULT = SamplerConfig()
_PAPER = SamplerConfig(beta=5.0)
_FADED = SamplerConfig(guide_last_step=False, fade=True)
_ON_PATH = replace(_FADED, on_path=True)
_DDPM = SamplerConfig(steps=10, eta=1.0)


@dataclass(frozen=True)
class ArmSpec:
    """name and title: in results. strategy: in bc_core.strategies.registry. kind: of policy."""

    name: str
    title: str
    strategy: str
    kind: Kind = Kind.FLOW
    sampler: SamplerConfig = _DEFAULT

    @property
    def kinds(self) -> set[Kind]:
        """Networks it needs."""
        found: Strategy = STRATEGIES[self.strategy]
        needed = {self.kind}
        if found.foresees:
            needed.add(Kind.DYNAMICS)
        if found.corrects:
            needed.add(Kind.CORRECTION)
        return needed

    def build(self, policies: PolicySet, horizon: int, s_min: int, seed: int) -> Arm:
        found = STRATEGIES[self.strategy]
        plan = policies.plan(found, self.kind, self.sampler, seed)
        correct = policies.correct if found.corrects else None
        return Arm(found, horizon, s_min, plan, correct, policies.dynamics if found.foresees else None)


ARMS = {
    arm.name: arm
    for arm in (
        ArmSpec("sync", "synchronous", "sync"),
        ArmSpec("naive", "naive asynchronous", "naive"),
        ArmSpec("ensemble", "temporal ensembling", "ensemble"),
        ArmSpec("bid", "bidirectional decoding", "bid"),
        ArmSpec("rtc", "RTC, exponential mask", "rtc"),
        ArmSpec("rtc_faded", "RTC spliced, frozen rows only guided", "rtc", sampler=_FADED),
        ArmSpec("rtc_on_path", "RTC as the nodes do it", "rtc", sampler=_ON_PATH),
        ArmSpec("rtc_paper", "RTC as published, beta = 5", "rtc", sampler=_PAPER),
        ArmSpec("rtc_beta1", "RTC, beta = 1", "rtc", sampler=SamplerConfig(beta=1.0)),
        ArmSpec("rtc_beta3", "RTC, beta = 3", "rtc", sampler=SamplerConfig(beta=3.0)),
        ArmSpec("rtc_beta10", "RTC, beta = 10", "rtc", sampler=SamplerConfig(beta=10.0)),
        ArmSpec("rtc_linear", "RTC, linear mask", "rtc_linear"),
        ArmSpec("rtc_hard", "RTC, hard mask", "rtc_hard"),
        ArmSpec("conditioned", "training-time RTC", "conditioned", Kind.CONDITIONED),
        ArmSpec("foresight", "state rolled forward (VLASH)", "foresight"),
        ArmSpec("rtc_foresight", "RTC, state rolled forward", "rtc_foresight"),
        ArmSpec("corrected", "training-time RTC, corrected every tick (A2C2)", "corrected", Kind.CONDITIONED),
        ArmSpec("naive_diffusion", "DDIM, naive", "naive", Kind.DIFFUSION),
        ArmSpec("rtc_diffusion", "DDIM, RTC in flow form", "rtc", Kind.DIFFUSION),
        ArmSpec("naive_ddpm", "DDPM, naive", "naive", Kind.DIFFUSION, _DDPM),
        ArmSpec("rtc_ddpm", "DDPM, RTC in flow form", "rtc", Kind.DIFFUSION, _DDPM),
        ArmSpec("regression", "regression, naive", "naive", Kind.REGRESSION),
        ArmSpec("regression_prefix", "regression, prefix as input", "conditioned", Kind.REGRESSION),
    )
}
