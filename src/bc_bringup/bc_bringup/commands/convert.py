"""Convert bags to data sets, LeRobot (format v3.0) or Zarr (diffusion_policy's ReplayBuffer), and back from LeRobot.

    bcros convert out/episodes --to lerobot --out out/dataset
    bcros convert out/episodes --to zarr --out out/dataset.zarr --cut-idle 0.5 --idle-weight 0.2
    bcros convert out/dataset --from lerobot --out out/bags --contract panda_conveyor

Several bags are converted at once, here or on a Ray cluster; interrupted, the same command goes on where it was.
"""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from bc_bringup import resources
from bc_bringup.commands.common import add_worker_arguments, workers_of

if TYPE_CHECKING:
    from bc_core.contract import Contract
    from bc_core.conversion.run import Request


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", type=Path, nargs="+", help="folders of episodes (--to), or a data set (--from)")
    way = parser.add_mutually_exclusive_group(required=True)
    way.add_argument("--to", choices=("lerobot", "zarr"), help="write a data set of this format")
    way.add_argument("--from", dest="origin", choices=("lerobot",), help="read a data set of this format")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="where the result goes")
    parser.add_argument("--contract", help="name of a contract; --to: instead of the one in the bags")
    parser.add_argument("--streams", nargs="+", default=(), metavar="NAME", help="observations to take (all)")
    parser.add_argument("--outcomes", nargs="+", default=(), metavar="OUTCOME", help="only episodes with these (all)")
    parser.add_argument("--sources", nargs="+", default=(), metavar="SOURCE", help="only ticks commanded so (all)")
    parser.add_argument("--cut-idle", type=float, metavar="S", help="leave out stands of so long and more")
    parser.add_argument(
        "--idle-weight", type=float, default=0.0, metavar="W", help="keep them, with this weight (0 to 1) each"
    )
    parser.add_argument("--codec", default="av1", choices=("av1", "h264"), help="of LeRobot's videos (%(default)s)")
    parser.add_argument("--crf", type=int, default=30, help="quality of the videos, lower is better (%(default)s)")
    parser.add_argument("--preset", default="", help="the encoder's preset")
    add_worker_arguments(parser)


def run(args: argparse.Namespace) -> int:
    from bc_core.contract import Contract

    contract = Contract.load(resources.config_path("contract", args.contract)) if args.contract else None
    counts = _to(args, contract) if args.to else _from_lerobot(args, contract)
    print(f"{args.out}: " + ", ".join(f"{value} {key.replace('_', ' ')}" for key, value in counts.items()))
    return 0


def _to(args: argparse.Namespace, contract: "Contract | None") -> dict[str, int]:
    from rich.progress import MofNCompleteColumn, Progress, TimeRemainingColumn

    from bc_core.lerobot.convert import to_lerobot
    from bc_core.lerobot.video import VideoSettings
    from bc_core.replay_buffer.convert import to_zarr

    with Progress(*Progress.get_default_columns()[:2], MofNCompleteColumn(), TimeRemainingColumn()) as progress:
        task = progress.add_task("bags")
        request = _request(args, contract, lambda done, total: progress.update(task, completed=done, total=total))
        if args.to == "zarr":
            return to_zarr(request, args.out)
        return to_lerobot(request, args.out, VideoSettings(args.codec, args.crf, args.preset))


def _request(
    args: argparse.Namespace, contract: "Contract | None", on_progress: Callable[[int, int], None]
) -> "Request":
    from bc_core.conversion.run import Request
    from bc_core.conversion.segments import Choice
    from bc_core.errors import BcError
    from bc_core.idle import IdleRule

    if not 0.0 <= args.idle_weight <= 1.0 or (args.idle_weight and args.cut_idle is None):
        raise BcError(f"--idle-weight {args.idle_weight:g}: give a weight from 0 to 1, and --cut-idle with it")
    idle = None if args.cut_idle is None else IdleRule(seconds=args.cut_idle, weight=args.idle_weight)
    choice = Choice(tuple(args.outcomes), tuple(args.sources), idle)
    return Request(args.source, contract, tuple(args.streams), choice, workers_of(args), on_progress)


def _from_lerobot(args: argparse.Namespace, contract: "Contract | None") -> dict[str, int]:
    from bc_core.errors import BcError
    from bc_core.lerobot.read import from_lerobot

    if len(args.source) != 1:
        raise BcError(f"{len(args.source)} data sets are named: convert one at a time")
    return from_lerobot(args.source[0], args.out, contract)
