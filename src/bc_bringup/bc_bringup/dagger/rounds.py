"""One round: drive with corrections, aggregate, train, evaluate, write the account. What is on disk is not repeated."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bc_bringup.commands import rollout, train
from bc_bringup.commands.common import Setup
from bc_bringup.dagger.plan import Plan, Round
from bc_bringup.episodes import records, session
from bc_core.errors import BcError

FIRST_SEED = 2_000_000  # of corrected episodes: far from demonstrations and from trials
SEEDS_PER_ROUND = 10_000


def run_round(setup: Setup, plan: Plan, this: Round, demonstrations: Path, device: str) -> dict[str, Any]:
    """Bring one round to its end and return its account, which is also in round.json."""
    corrected = drive(setup, plan, this, device) if this.number else []
    aggregated = demonstrations_of(demonstrations)
    for number in range(1, this.number + 1):
        aggregated += records.finished(Round(this.root, number).episodes)
    summary = fit(setup, plan, this, aggregated)
    trials = rollout.rollout(setup, this.checkpoint, this.evaluation, plan.mode, plan.trials)
    account = {
        "round": this.number,
        "episodes": len(aggregated),
        "trials": {str(trial.seed): trial.outcome == "success" for trial in trials},
        "corrected": interventions(setup, corrected),
        "frames": summary.get("frames"),
        "train_loss": summary.get("train_loss"),
    }
    this.account.write_text(json.dumps(account, indent=1) + "\n", encoding="utf-8")
    return account


def demonstrations_of(folder: Path) -> list[records.Record]:
    found = records.finished(folder)
    if not found:
        raise BcError(f"no finished demonstration in '{folder}': record some with bcros collect")
    return found


def drive(setup: Setup, plan: Plan, this: Round, device: str) -> list[records.Record]:
    """The episodes of a round: the policy of the round before drives, someone corrects."""
    checkpoint = this.before.checkpoint
    first = FIRST_SEED + SEEDS_PER_ROUND * this.number
    arguments = {
        **setup.launch_arguments(),
        "checkpoint": str(checkpoint.resolve()),
        "directory": str(this.episodes.resolve()),
        "device": device,
    }
    metadata = {
        "device": device,
        "task": setup.task,
        "checkpoint": records.fingerprint(checkpoint / rollout.WEIGHTS),
    }
    return session.run(
        session.Session(
            title=f"round {this.number}", launch_file="dagger", arguments=arguments, directory=this.episodes,
            seeds=range(first, first + plan.episodes), operator=device, metadata=metadata, is_policy=True,
            lockstep=False, namespace=setup.namespace, verbose=setup.verbose,
        )
    )  # fmt: skip


def fit(setup: Setup, plan: Plan, this: Round, aggregated: Sequence[records.Record]) -> dict[str, Any]:
    """The round's policy, trained on everything so far; the summary in its checkpoint."""
    warm = plan.start == "warm" and this.number > 0
    config = train.policy_config(plan.policy, {**plan.training, **({"steps": plan.warm_steps} if warm else {})})
    config["data"] = {**config.get("data", {}), **plan.data}
    paths = [record.path for record in aggregated]
    names = [f"{path.parent.parent.name}/{path.parent.name}/{path.name}" for path in paths]
    start = this.before.checkpoint if warm else None
    return train.train_once(paths, names, setup.contract, config, this.checkpoint, start, stale=this.evaluation)


def interventions(setup: Setup, corrected: Sequence[records.Record]) -> dict[str, Any] | None:
    """How much of the round's episodes a human drove: what should fall from round to round. None without episodes."""
    from bc_bringup import resources
    from bc_core.contract import Contract
    from bc_core.dagger.labels import Part, parts
    from bc_core.dagger.labels import interventions as intervals
    from bc_core.dataset import read_episode

    if not corrected:
        return None
    contract = Contract.load(resources.config_path("contract", setup.contract))
    stream = next(name for name, observation in contract.observations.items() if not observation.is_image)
    episodes = [read_episode(record.path, contract, (stream,), 1) for record in corrected]
    found = [intervals(episode) for episode in episodes]
    labels = [parts(episode) for episode in episodes]
    human = sum(int((label == str(Part.INTERVENTION)).sum()) for label in labels)
    commanded = human + sum(int((label == str(Part.POLICY)).sum()) for label in labels)
    return {
        "episodes": len(episodes),
        "successes": sum(record.outcome == "success" for record in corrected),
        "with_intervention": sum(bool(each) for each in found),
        "interventions": sum(len(each) for each in found),
        "expert_ticks": human,
        "commanded_ticks": commanded,
    }
