"""Play an episode's commands back on a running robot, after a slow approach to where it began.

The controller must be in HOLD; it is driven as PLANNER, so that a human takes over at any moment. Real time only.
"""

import argparse
from pathlib import Path

from bc_bringup.commands.common import add_namespace_argument


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("bag", type=Path, help="an episode's directory")
    parser.add_argument("--speed", type=float, default=0.5, help="of the approach, any joint's [rad/s] (%(default)s)")
    add_namespace_argument(parser)


def run(args: argparse.Namespace) -> int:
    from bc_bringup.episodes.replayer import Replayer
    from bc_bringup.launching.signals import StopSignals
    from bc_core.errors import BcError
    from bc_core.replay import recorded_runs

    if not 0.0 < args.speed <= 3.0:
        raise BcError(f"--speed {args.speed:g}: give a speed above 0 and up to 3 rad/s")
    runs, contract = recorded_runs(str(args.bag))
    with StopSignals() as stop:
        replayer = Replayer(args.namespace, stop.check)
        try:
            seconds = replayer.play(runs, contract, args.speed)
        finally:
            replayer.close()
    print(f"replayed {args.bag} in {seconds:.1f} s, approach included")
    return 0
