"""Look at an episode in Rerun: cameras, joints, commands, chunks, acknowledgements and modes on one time line.

bcros view out/episodes/episode_000003
bcros view out/episodes/episode_000003 --save episode.rrd     # for `rerun episode.rrd`, here or elsewhere
"""

import argparse
from pathlib import Path

from bc_bringup import resources


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("bag", type=Path, help="an episode's directory or file")
    parser.add_argument("--save", type=Path, metavar="FILE", help="write an .rrd file instead of opening the viewer")
    parser.add_argument("--contract", help="name of a contract, instead of the one in the bag")


def run(args: argparse.Namespace) -> int:
    from bc_core.bags import open_episode
    from bc_core.contract import Contract
    from bc_core.viewing import view

    contract = Contract.load(resources.config_path("contract", args.contract)) if args.contract else None
    view(open_episode(args.bag), contract, args.save)
    if args.save:
        print(f"written to {args.save}: open it with 'rerun {args.save}'")
    return 0
