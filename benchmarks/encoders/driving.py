"""Judging a trained policy in scenes of one look, in virtual time and without latency."""

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from bc_bringup.commands.common import Setup
from bc_bringup.virtual.trials import VirtualTask
from bc_core.checkpoint import load_policy
from benchmarks.encoders.plan import JUDGED, LOOKS, TASK, Budget, Trials


def drive(trials: Trials, budget: Budget, checkpoints: Path) -> dict[str, Any]:
    """`solved`: one character by scene, 1 where it was solved."""
    setup = Setup(task=TASK)
    task = VirtualTask.named(setup.robot, setup.contract, setup.task)
    task = replace(task, task=replace(task.task, appearance=LOOKS[trials.look]))
    begun = time.process_time()
    solved = task.play(load_policy(checkpoints / trials.learner.name), range(JUDGED, JUDGED + budget.trials))
    return {
        "solved": "".join("1" if good else "0" for good in solved),
        "drive_cpu_seconds": time.process_time() - begun,
    }
