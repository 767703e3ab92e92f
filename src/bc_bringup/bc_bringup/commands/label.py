"""Label recorded episodes: restore their scenes in the simulation and ask the scripted expert what it would do there.

    bcros label out/dagger/round_01/episodes --every 8

The labels lie beside each bag (labels.npz), with who answered; training takes them where its sources name `label`, and
bcros convert writes them as columns of their own. Bags that have labels are left alone, unless --replace is given.
"""

import argparse
from pathlib import Path

from bc_bringup.commands.common import add_setup_arguments, positive, setup_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("episodes", type=Path, nargs="+", metavar="BAG", help="episodes, or folders that hold them")
    parser.add_argument("--every", type=positive, default=8, metavar="N", help="ask at each N-th tick (%(default)s)")
    parser.add_argument("--horizon", type=positive, default=24, metavar="H", help="rows of a label (%(default)s)")
    parser.add_argument("--sources", nargs="+", default=("policy",), help="at ticks that these commanded (policy)")
    parser.add_argument("--rows", type=positive, metavar="N", help="stop before the labels have cost more than so many")
    parser.add_argument("--replace", action="store_true", help="label bags anew that have labels")
    add_setup_arguments(parser)


def run(args: argparse.Namespace) -> int:
    from bc_bringup.dagger.simulated import load_world
    from bc_bringup.virtual.expert import SimulatedExpert
    from bc_bringup.virtual.labelling import label_bag, ticks_of
    from bc_core.bags import find_episodes
    from bc_core.dagger.asked import LABELS_FILE, write_labels
    from bc_core.dagger.mixture import RowBudget
    from bc_core.errors import BcError
    from bc_core.training.progress import track

    bags = [path for root in args.episodes for path in find_episodes(root)]
    if not bags:
        raise BcError(f"no episode in {', '.join(map(str, args.episodes))}: name a folder that holds recorded episodes")
    world = load_world(setup_of(args))
    expert = SimulatedExpert(world.robot, world.contract, world.task, world.hand)
    budget = RowBudget(2**62 if args.rows is None else args.rows)
    about = {"robot": args.robot, "task": args.task, "every": args.every, "sources": list(args.sources)}
    left_alone = answers = 0
    for bag in track("labelling", bags):
        if (bag / LABELS_FILE).is_file() and not args.replace:
            left_alone += 1
            continue
        ticks = ticks_of(bag, world.contract, args.every, args.sources)[: budget.left // args.horizon]
        labels = label_bag(bag, world.contract, expert, ticks, args.horizon, about)
        if len(labels):
            write_labels(bag, labels, world.contract)
        budget.spend(labels.expert_rows)
        answers += len(labels)
    print(f"{answers} labels of {args.horizon} rows beside {len(bags) - left_alone} of {len(bags)} bags")
    if left_alone:
        print(f"{left_alone} bags had labels already and were left alone (--replace labels them anew)")
    return 0
