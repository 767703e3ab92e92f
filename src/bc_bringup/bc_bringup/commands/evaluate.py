"""How far a policy's chunks are from recorded episodes that it was not trained on, row by row, and how long they take.

bcros eval out/policy out/episodes             # those of the episodes that were kept out of its training
bcros eval out/policy out/others --out out/eval --rollouts 50   # and at the simulated task
"""

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bc_bringup.commands.common import Setup, positive

SEED = 4_000_000  # first scene of the roll-outs: none that a checkpoint was chosen by


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("checkpoint", type=Path, metavar="CHECKPOINT", help="folder of a trained policy")
    parser.add_argument(
        "episodes", type=Path, nargs="+", metavar="EPISODES", help="episodes, or folders that hold them"
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="for summary.html and eval.json (CHECKPOINT.eval)")
    parser.add_argument("--all", action="store_true", help="look at episodes of the training too")
    parser.add_argument(
        "--frames", type=positive, default=512, metavar="N", help="most that are looked at (%(default)s)"
    )
    parser.add_argument("--threads", type=positive, default=1, metavar="N", help="of torch (%(default)s)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument(
        "--rollouts", type=int, default=0, metavar="N", help="also N scenes in virtual time, without latency (0)"
    )
    parser.add_argument("--task", default=Setup.task, help="of the roll-outs: name of a task (%(default)s)")
    parser.add_argument("--robot", default=Setup.robot, help="of the roll-outs: name of a robot (%(default)s)")
    parser.add_argument("--contract", default=Setup.contract, help="of the roll-outs: name of a contract (%(default)s)")


def rollouts(args: argparse.Namespace) -> dict[str, Any]:
    """How many of the scenes the checkpoint solves, with the 95 % interval."""
    from bc_bringup.virtual.trials import VirtualTask
    from bc_core.checkpoint import load_policy
    from bc_core.report.statistics import wilson
    from bc_core.training.progress import progress_bar

    task, scenes = VirtualTask.named(args.robot, args.contract, args.task), range(SEED, SEED + args.rollouts)
    with progress_bar("roll-outs", len(scenes)) as update:
        solved = task.play(load_policy(args.checkpoint), scenes, lambda done: update(done, ""))
    return {"task": args.task, "first_seed": SEED, **asdict(wilson(sum(solved), len(solved)))}


def run(args: argparse.Namespace) -> int:
    from bc_core.evaluation.evaluate import evaluate_checkpoint, format_text
    from bc_core.evaluation.page import PAGE

    found = evaluate_checkpoint(args.checkpoint, args.episodes, args.all, args.frames, args.threads)
    if args.rollouts:
        found.document["rollouts"] = rollouts(args)
    out = args.out or args.checkpoint.with_name(f"{args.checkpoint.name}.eval")
    out.mkdir(parents=True, exist_ok=True)
    (out / "eval.json").write_text(json.dumps(found.document, indent=1) + "\n", encoding="utf-8")
    (out / PAGE).write_text(found.page, encoding="utf-8")
    if args.json:
        print(json.dumps(found.document, indent=1))
    else:
        print(format_text(found.document))
        if args.rollouts:
            told = found.document["rollouts"]
            interval = f"{told['rate']:.0%} ({told['low']:.0%}-{told['high']:.0%})"
            print(f"  {args.task} in virtual time: {told['successes']} of {told['trials']} scenes, {interval}")
        print(f"page in {out / PAGE}")
    return 0
