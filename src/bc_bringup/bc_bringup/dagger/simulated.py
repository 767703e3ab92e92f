"""The expert that is asked: DAgger of Ross et al. in virtual time, with the simulation forked wherever it is asked."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bc_bringup import resources
from bc_bringup.commands import rollout
from bc_bringup.commands.common import Setup
from bc_bringup.dagger.expert import seeds
from bc_bringup.dagger.plan import Asking, Plan, Round
from bc_bringup.episodes import records
from bc_bringup.episodes.progress import EpisodeProgress
from bc_core.errors import BcError

if TYPE_CHECKING:
    from bc_bringup.virtual.practice import Teacher, World

FOLDER = "virtual"  # of trials, below a round's evaluation
HAND = "scripted"  # config/teleop: of the expert


@dataclass(frozen=True)
class Simulated:
    """BcError: the plan says nothing of what may be asked, or the setup asks for a node, of which there is none."""

    setup: Setup
    plan: Plan

    def __post_init__(self) -> None:
        given = {"--reset motion": self.setup.reset == "motion", "--tags": bool(self.setup.tags)}
        for option, is_given in given.items():
            if is_given:
                raise BcError(
                    f"{option} is of the graph of nodes, and --expert simulated runs in virtual time without it: leave "
                    "it out, or take --expert operator"
                )

    @property
    def asking(self) -> Asking:
        if self.plan.asking is None:
            raise BcError(
                "the plan has no section `asking`: take config/dagger_simulated.yaml, or add one (rows, beta)"
            )
        return self.plan.asking

    @cached_property
    def world(self) -> "World":
        return load_world(self.setup)

    def drive(self, this: Round) -> list[records.Record]:
        """Episodes until the round's rows are used up; what was asked in those on disk counts."""
        from bc_bringup.virtual.expert import SimulatedExpert
        from bc_bringup.virtual.practice import Teacher
        from bc_core.dagger.mixture import RowBudget

        world, beta = self.world, self.asking.beta
        budget = RowBudget(self.asking.rows, self._asked(records.finished(this.episodes)))
        expert = SimulatedExpert(world.robot, world.contract, world.task, world.hand)
        teacher = Teacher(expert, budget, beta, this.number)
        metadata = {"expert": expert.NAME, "beta": f"{beta.of(this.number):g}"}
        chosen = seeds(this, self.plan.episodes)
        return self._play(f"round {this.number}", this.before.checkpoint, this.episodes, chosen, metadata, teacher)

    def evaluate(self, this: Round) -> list[records.Record]:
        chosen = range(rollout.FIRST_SEED, rollout.FIRST_SEED + self.plan.trials)
        metadata = {"mode": FOLDER}
        return self._play(f"trials {this.number}", this.checkpoint, this.evaluation / FOLDER, chosen, metadata, None)

    def account(self, driven: Sequence[records.Record]) -> dict[str, Any]:
        from bc_core.dagger.asked import read_labels

        labels = [read_labels(record.path, self.world.contract) for record in driven]
        answers = sum(len(each) for each in labels if each is not None)
        drove = sum(int(each.provenance["drove"]) for each in labels if each is not None)
        return {
            "episodes": len(driven),
            "successes": sum(record.outcome == "success" for record in driven),
            "answers": answers,
            "expert_rows": sum(each.expert_rows for each in labels if each is not None),
            "share": drove / answers if answers else None,
        }

    def _asked(self, driven: Sequence[records.Record]) -> int:
        return int(self.account(driven)["expert_rows"])

    def _play(
        self,
        title: str,
        checkpoint: Path,
        directory: Path,
        chosen: range,
        metadata: dict[str, str],
        teacher: "Teacher | None",
    ) -> list[records.Record]:
        import torch

        from bc_bringup.virtual.practice import Practice
        from bc_core.checkpoint import load_policy

        weights = checkpoint / rollout.WEIGHTS
        metadata = {**metadata, "task": self.setup.task, "checkpoint": records.fingerprint(weights)}
        done = records.finished(directory)
        records.refuse_other(done, metadata)
        missing = records.remaining(chosen, done)
        with EpisodeProgress(title, len(chosen), len(chosen) - len(missing)) as progress:
            if missing:
                torch.set_num_threads(1)
                with Practice(self.world, load_policy(checkpoint), teacher) as practice:
                    for played in practice.play(directory, missing, metadata):
                        progress.add(*played)
        return [record for record in records.finished(directory) if record.seed in chosen]


def load_world(setup: Setup) -> "World":
    """The simulated cell of a setup, with the hand of the scripted expert. BcError: a file is wrong."""
    from bc_bringup.virtual.practice import World
    from bc_controllers import load_robot
    from bc_core.contract import Contract
    from bc_sim.task_config import load_task
    from bc_teleop.settings import load_settings

    contract = Contract.load(resources.config_path("contract", setup.contract))
    return World(
        robot=load_robot(resources.config_path("robot", setup.robot), contract.groups),
        contract=contract,
        task=load_task(resources.config_path("task", setup.task)),
        hand=load_settings(resources.config_path("teleop", HAND), HAND),
    )
