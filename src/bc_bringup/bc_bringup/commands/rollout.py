"""Roll out a policy: trials in real time on fresh initial states, with the latency that the mode says.

Trials that are in the directory already are kept and not repeated.
"""

import argparse
from pathlib import Path
from typing import NamedTuple

from bc_bringup.commands.common import Setup, add_setup_arguments, positive, setup_of
from bc_bringup.episodes import records, session
from bc_core.errors import BcError

WEIGHTS = "model.safetensors"
FIRST_SEED = 1_000_000  # far from the seeds of demonstrations


class Mode(NamedTuple):
    """How chunks follow each other, and the latency injected into inference."""

    strategy: str
    latency: str


MODES = {
    "no_delay": Mode("rtc", "none"),
    "rtc": Mode("rtc", "jitter"),
    "naive": Mode("naive", "jitter"),
    "sync": Mode("sync", "jitter"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--checkpoint", type=Path, required=True, metavar="DIR", help="folder of a trained policy")
    parser.add_argument("--trials", type=positive, required=True, metavar="N", help="trials in all, one seed each")
    parser.add_argument("--mode", default="rtc", choices=MODES, help="%(default)s unless given")
    parser.add_argument(
        "--directory", type=Path, default=Path("out/rollout"), help="the bags go into a folder MODE in it (%(default)s)"
    )
    parser.add_argument("--first-seed", type=int, default=FIRST_SEED, metavar="SEED", help="first scene (%(default)s)")
    add_setup_arguments(parser)


def rollout(
    setup: Setup, checkpoint: Path, directory: Path, mode: str, trials: int, first_seed: int = FIRST_SEED
) -> list[records.Record]:
    """All finished trials of these seeds in this mode, after running those that were missing. Bags: directory/mode."""
    weights = checkpoint / WEIGHTS
    if not weights.is_file():
        raise BcError(f"no checkpoint in '{checkpoint}' ({WEIGHTS} is missing): train one with bcros train")
    bags = directory / mode
    arguments = {
        **setup.launch_arguments(),
        "checkpoint": str(checkpoint.resolve()),
        "directory": str(bags.resolve()),
        "strategy": MODES[mode].strategy,
        "inject_latency": MODES[mode].latency,
    }
    metadata = {"mode": mode, "task": setup.task, "checkpoint": records.fingerprint(weights)}
    return session.run(
        session.Session(
            title=f"rollout {mode}", launch_file="rollout", arguments=arguments, directory=bags,
            seeds=range(first_seed, first_seed + trials), operator="policy", metadata=metadata,
            is_policy=True, lockstep=False,
            namespace=setup.namespace, verbose=setup.verbose, return_to=setup.return_to,
        )
    )  # fmt: skip


def run(args: argparse.Namespace) -> int:
    done = rollout(setup_of(args), args.checkpoint, args.directory, args.mode, args.trials, args.first_seed)
    successes = sum(record.outcome == "success" for record in done)
    print(f"{args.mode}: {successes} of {len(done)} trials successful, bags in {args.directory / args.mode}")
    return 0
