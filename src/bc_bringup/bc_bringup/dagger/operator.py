"""The expert who corrects: the policy drives the real graph, someone takes over and gives back (HG-DAgger)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bc_bringup import resources
from bc_bringup.commands import rollout, teleop
from bc_bringup.commands.common import Setup
from bc_bringup.dagger.expert import seeds
from bc_bringup.dagger.plan import Plan, Round
from bc_bringup.episodes import records, session


@dataclass(frozen=True)
class Operator:
    """device: of whoever corrects, as teleop_node names it; layout: of its pad, empty: as its settings say."""

    setup: Setup
    plan: Plan
    device: str
    layout: str = ""

    def drive(self, this: Round) -> list[records.Record]:
        setup, checkpoint = self.setup, this.before.checkpoint
        arguments = {
            **setup.launch_arguments(),
            "checkpoint": str(checkpoint.resolve()),
            "directory": str(this.episodes.resolve()),
            **teleop.launched(self.device, self.layout),
        }
        metadata = {
            "device": self.device,
            "task": setup.task,
            "checkpoint": records.fingerprint(checkpoint / rollout.WEIGHTS),
        }
        return session.run(
            session.Session(
                title=f"round {this.number}", launch_file="dagger", arguments=arguments, directory=this.episodes,
                seeds=seeds(this, self.plan.episodes), operator=self.device, metadata=metadata, is_policy=True,
                lockstep=False, namespace=setup.namespace, verbose=setup.verbose,
                by_hand=teleop.by_hand(setup, self.device), return_to=setup.return_to,
            )
        )  # fmt: skip

    def evaluate(self, this: Round) -> list[records.Record]:
        return rollout.rollout(self.setup, this.checkpoint, this.evaluation, self.plan.mode, self.plan.trials)

    def account(self, driven: Sequence[records.Record]) -> dict[str, Any]:
        """How much of the episodes a human drove: what should fall from round to round."""
        from bc_core.contract import Contract
        from bc_core.dagger.labels import Part, interventions, parts
        from bc_core.dataset import read_episode

        contract = Contract.load(resources.config_path("contract", self.setup.contract))
        stream = next(name for name, observation in contract.observations.items() if not observation.is_image)
        episodes = [read_episode(record.path, contract, (stream,), 1) for record in driven]
        found = [interventions(episode) for episode in episodes]
        labels = [parts(episode) for episode in episodes]
        human = sum(int((label == str(Part.INTERVENTION)).sum()) for label in labels)
        commanded = human + sum(int((label == str(Part.POLICY)).sum()) for label in labels)
        return {
            "episodes": len(episodes),
            "successes": sum(record.outcome == "success" for record in driven),
            "with_intervention": sum(bool(each) for each in found),
            "interventions": sum(len(each) for each in found),
            "expert_rows": human,
            "commanded_ticks": commanded,
            "share": human / commanded if commanded else None,
        }
