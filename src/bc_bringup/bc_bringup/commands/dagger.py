"""Rounds of DAgger: the policy drives, an expert corrects or is asked, a new policy is trained on everything.

Round 0 trains on the demonstrations alone. Each later round drives with the policy of the round before and is
evaluated without an expert on the same scenes. The expert is an operator, who takes over under
launch/dagger.launch.yaml; or it is simulated: in virtual time the simulation is forked where the policy asks for a
chunk, and the scripted expert rolled from there, so that its answer is a chunk too. Stop at any time: a second run goes
on where the first was stopped.
"""

import argparse
from pathlib import Path

from bc_bringup import resources
from bc_bringup.commands import rollout, teleop
from bc_bringup.commands.common import add_setup_arguments, positive, setup_of
from bc_bringup.dagger.plan import Round, load_plan
from bc_teleop.device_names import HANDS

PLANS = {"operator": "config/dagger.yaml", "simulated": "config/dagger_simulated.yaml"}
OPERATORS = ("intervening", *HANDS)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("demonstrations", type=Path, metavar="DIR", help="episodes of the expert alone")
    parser.add_argument("--rounds", type=positive, default=3, metavar="N", help="rounds after round 0 (%(default)s)")
    parser.add_argument("--directory", type=Path, default=Path("out/dagger"), help="a folder per round (%(default)s)")
    parser.add_argument("--expert", default="operator", choices=tuple(PLANS), help="%(default)s unless given")
    parser.add_argument("--plan", type=Path, help=f"what a round holds, instead of {' or '.join(PLANS.values())}")
    parser.add_argument("--device", default=OPERATORS[0], choices=OPERATORS, help="the operator's (%(default)s)")
    teleop.add_layout_argument(parser)
    add_setup_arguments(parser)


def run(args: argparse.Namespace) -> int:
    from bc_bringup.dagger.operator import Operator
    from bc_bringup.dagger.rounds import run_round
    from bc_bringup.dagger.simulated import Simulated
    from bc_core.dagger.curve import format_table, write_curve

    plan = load_plan(args.plan or resources.share() / PLANS[args.expert], tuple(rollout.MODES))
    setup = setup_of(args)
    expert = Simulated(setup, plan) if args.expert == "simulated" else Operator(setup, plan, args.device, args.layout)
    accounts = []
    for number in range(args.rounds + 1):
        accounts.append(run_round(setup, plan, Round(args.directory, number), args.demonstrations, expert))
        print(format_table(accounts))
        write_curve(accounts, args.directory / "learning_curve.svg")
    print(f"learning curve: {args.directory / 'learning_curve.svg'}")
    return 0
