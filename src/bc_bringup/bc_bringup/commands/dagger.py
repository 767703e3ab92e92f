"""Rounds of DAgger: the policy drives, someone corrects, what they did is added to the data, a new policy is trained.

Round 0 trains on the demonstrations alone. Each later round drives with the policy of the round before under
launch/dagger.launch.yaml, trains on everything so far, and is evaluated without corrections on the same scenes. Stop at
any time: a second run goes on where the first was stopped.
"""

import argparse
from pathlib import Path

from bc_bringup import resources
from bc_bringup.commands import rollout
from bc_bringup.commands.common import add_setup_arguments, positive, setup_of
from bc_bringup.dagger.plan import Round, load_plan


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("demonstrations", type=Path, metavar="DIR", help="episodes of the expert alone")
    parser.add_argument("--rounds", type=positive, default=3, metavar="N", help="rounds after round 0 (%(default)s)")
    parser.add_argument("--directory", type=Path, default=Path("out/dagger"), help="a folder per round (%(default)s)")
    parser.add_argument("--plan", type=Path, help="what a round holds, instead of config/dagger.yaml")
    parser.add_argument(
        "--device", default="intervening", choices=("intervening", "joy"), help="who corrects (%(default)s)"
    )
    add_setup_arguments(parser)


def run(args: argparse.Namespace) -> int:
    from bc_bringup.dagger.rounds import run_round
    from bc_core.dagger.curve import format_table, write_curve

    plan = load_plan(args.plan or resources.share() / "config" / "dagger.yaml", tuple(rollout.MODES))
    setup = setup_of(args)
    accounts = []
    for number in range(args.rounds + 1):
        accounts.append(run_round(setup, plan, Round(args.directory, number), args.demonstrations, args.device))
        print(format_table(accounts))
        write_curve(accounts, args.directory / "learning_curve.svg")
    print(f"learning curve: {args.directory / 'learning_curve.svg'}")
    return 0
