"""Mend bags that were cut off: every whole message in a bag that any tool opens; the damaged file is kept beside it."""

import argparse
import sys
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("bag", type=Path, nargs="+", help="an episode's directory, or a folder that holds episodes")


def run(args: argparse.Namespace) -> int:
    from bc_core.bags import find_episodes
    from bc_core.errors import BcError
    from bc_core.repair import repair

    mended = hopeless = 0
    for root in args.bag:
        for path in find_episodes(root) if root.is_dir() else [root]:
            try:
                result = repair(path)
            except BcError as error:  # the others can still be mended
                print(f"error: {error}", file=sys.stderr)
                hopeless += 1
                continue
            if result.damage:
                mended += 1
                print(f"{result.path}: {result.messages} messages recovered, {result.lost} lost ({result.damage})")
    print(f"{mended} bags mended, {hopeless} could not be")
    return 1 if hopeless else 0
