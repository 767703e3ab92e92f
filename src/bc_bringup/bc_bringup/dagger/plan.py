"""What `bcros dagger` does in every round: config/dagger.yaml and where things lie."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from bc_core.dagger.mixture import Beta
from bc_core.errors import BcError
from bc_core.schema import Section

STARTS = ("scratch", "warm")


@dataclass(frozen=True)
class Asking:
    """Of an expert that is asked: rows: that a round may cost. beta: how often it drives, by round."""

    rows: int
    beta: Beta


@dataclass(frozen=True)
class Plan:
    """episodes: with corrections, or in which an expert is asked, at most, per round; trials: without, per policy.

    asking: None: the plan is for someone who corrects. training, data: replace keys of the policy's sections of that
    name; a warm round takes warm_steps.
    """

    episodes: int
    trials: int
    mode: str
    policy: str
    start: str
    warm_steps: int
    data: dict[str, Any]
    training: dict[str, Any] = field(default_factory=dict)
    asking: Asking | None = None


def load_plan(path: Path, modes: tuple[str, ...]) -> Plan:
    """Read and check a plan. BcError names file, key and value; `data`, `training` with the policy."""
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise BcError(f"plan of rounds '{path}' cannot be read: {error}") from error
    section = Section(document, f"plan of rounds '{path}'")
    plan = Plan(
        episodes=section.integer("episodes", minimum=1),
        trials=section.integer("trials", minimum=1),
        mode=section.text("mode", choices=modes),
        policy=section.text("policy"),
        start=section.text("start", choices=STARTS),
        warm_steps=section.integer("warm_steps", minimum=1),
        data=dict(section.section("data", {}).document),
        training=dict(section.section("training", {}).document),
        asking=_asking(section.section("asking")) if "asking" in section.document else None,
    )
    section.finish()
    return plan


def _asking(section: Section) -> Asking:
    asking = Asking(section.integer("rows", minimum=1), Beta.from_section(section.section("beta")))
    section.finish()
    return asking


@dataclass(frozen=True)
class Round:
    """Directory of one round. Round 0 has no episodes of its own: its policy saw demonstrations only."""

    root: Path
    number: int

    @property
    def folder(self) -> Path:
        return self.root / f"round_{self.number:02d}"

    @property
    def episodes(self) -> Path:
        return self.folder / "episodes"

    @property
    def checkpoint(self) -> Path:
        return self.folder / "checkpoint"

    @property
    def evaluation(self) -> Path:
        return self.folder / "evaluation"

    @property
    def account(self) -> Path:
        return self.folder / "round.json"

    @property
    def before(self) -> "Round":
        return Round(self.root, self.number - 1)
