"""One round: drive with an expert, aggregate, train, evaluate, write the account. What is on disk is not repeated."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bc_bringup.commands import train
from bc_bringup.commands.common import Setup
from bc_bringup.dagger.expert import Expert
from bc_bringup.dagger.plan import Plan, Round
from bc_bringup.episodes import records
from bc_core.errors import BcError


def run_round(setup: Setup, plan: Plan, this: Round, demonstrations: Path, expert: Expert) -> dict[str, Any]:
    """Bring one round to its end and return its account, which is also in round.json."""
    driven = expert.drive(this) if this.number else []
    aggregated = demonstrations_of(demonstrations)
    for number in range(1, this.number + 1):
        aggregated += records.finished(Round(this.root, number).episodes)
    summary = fit(setup, plan, this, aggregated)
    trials = expert.evaluate(this)
    account = {
        "round": this.number,
        "episodes": len(aggregated),
        "trials": {str(trial.seed): trial.outcome == "success" for trial in trials},
        "corrected": expert.account(driven) if driven else None,
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


def fit(setup: Setup, plan: Plan, this: Round, aggregated: Sequence[records.Record]) -> dict[str, Any]:
    """The round's policy, trained on everything so far; the summary in its checkpoint."""
    warm = plan.start == "warm" and this.number > 0
    config = train.policy_config(plan.policy, {**plan.training, **({"steps": plan.warm_steps} if warm else {})})
    config["data"] = {**config.get("data", {}), **plan.data}
    paths = [record.path for record in aggregated]
    start = this.before.checkpoint if warm else None
    return train.train_once(
        paths, [_name(path) for path in paths], setup.contract, config, this.checkpoint, start, stale=this.evaluation
    )


def _name(path: Path) -> str:
    """Of an episode, with what was labelled in it: other labels are other data."""
    from bc_core.dagger.asked import fingerprint

    name = f"{path.parent.parent.name}/{path.parent.name}/{path.name}"
    labels = fingerprint(path)
    return f"{name}, labels {labels}" if labels else name
