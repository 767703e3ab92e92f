"""Show what a bag holds: topics, rates, losses, who commanded, how it ended."""

import argparse
import json
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("bag", type=Path, help="an episode's directory, or an MCAP file")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    from bc_core.inspection import format_text, inspect

    account = inspect(args.bag)
    print(json.dumps(account, indent=1) if args.json else format_text(account))
    return 0
