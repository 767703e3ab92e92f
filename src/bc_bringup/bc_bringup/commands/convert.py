"""Convert between bags and LeRobot data sets (format v3.0).

    bcros convert out/episodes --to lerobot --out out/dataset
    bcros convert out/dataset --from lerobot --out out/bags --contract panda_conveyor

Several bags are converted at once; interrupted, the same command goes on where it was.
"""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from bc_bringup import resources
from bc_bringup.commands.common import positive

if TYPE_CHECKING:
    from bc_core.contract import Contract


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", type=Path, nargs="+", help="bags or folders that hold them; or one LeRobot data set")
    direction = parser.add_mutually_exclusive_group(required=True)
    direction.add_argument("--to", choices=("lerobot",), help="write this format out of bags")
    direction.add_argument("--from", dest="origin", choices=("lerobot",), help="write bags out of this format")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="where the result goes")
    parser.add_argument("--contract", help="name of a contract; --to: instead of the one in the bags")
    parser.add_argument("--streams", nargs="+", default=(), metavar="NAME", help="observations to take (all)")
    parser.add_argument("--outcomes", nargs="+", default=(), metavar="OUTCOME", help="only episodes with these (all)")
    parser.add_argument("--sources", nargs="+", default=(), metavar="SOURCE", help="only ticks commanded so (all)")
    parser.add_argument("--cut-idle", type=float, default=0.0, metavar="S", help="leave out stands of so long and more")
    parser.add_argument("--codec", default="av1", choices=("av1", "h264"), help="of the videos (%(default)s)")
    parser.add_argument("--crf", type=int, default=30, help="quality of the videos, lower is better (%(default)s)")
    parser.add_argument("--preset", default="", help="the encoder's preset")
    parser.add_argument("--jobs", type=positive, default=None, metavar="N", help="bags at once (one per core)")


def run(args: argparse.Namespace) -> int:
    from bc_core.contract import Contract

    contract = Contract.load(resources.config_path("contract", args.contract)) if args.contract else None
    counts = _to_lerobot(args, contract) if args.to else _from_lerobot(args, contract)
    print(f"{args.out}: " + ", ".join(f"{value} {key.replace('_', ' ')}" for key, value in counts.items()))
    return 0


def _to_lerobot(args: argparse.Namespace, contract: "Contract | None") -> dict[str, int]:
    from rich.progress import MofNCompleteColumn, Progress, TimeRemainingColumn

    from bc_core.lerobot.convert import to_lerobot
    from bc_core.lerobot.segments import Choice
    from bc_core.lerobot.video import VideoSettings

    with Progress(*Progress.get_default_columns()[:2], MofNCompleteColumn(), TimeRemainingColumn()) as progress:
        task = progress.add_task("bags")
        return to_lerobot(
            args.source,
            args.out,
            contract=contract,
            streams=tuple(args.streams),
            choice=Choice(tuple(args.outcomes), tuple(args.sources), args.cut_idle),
            encoding=VideoSettings(args.codec, args.crf, args.preset),
            jobs=args.jobs or 0,
            on_progress=lambda done, total: progress.update(task, completed=done, total=total),
        )


def _from_lerobot(args: argparse.Namespace, contract: "Contract | None") -> dict[str, int]:
    from bc_core.errors import BcError
    from bc_core.lerobot.read import from_lerobot

    if len(args.source) != 1:
        raise BcError(f"{len(args.source)} data sets are named: convert one at a time")
    return from_lerobot(args.source[0], args.out, contract)
