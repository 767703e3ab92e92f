"""Show what a bag holds: topics, rates, losses, who commanded, how it ended. Of a folder: the whole data set.

bcros inspect out/episodes/episode_000003
bcros inspect out/episodes --html out/episodes.html     # with plots, and pictures of every episode
"""

import argparse
import json
from pathlib import Path

from bc_bringup import resources
from bc_bringup.commands.common import add_worker_arguments, workers_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("bag", type=Path, nargs="+", help="an episode's directory or file, or folders of episodes")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--html", type=Path, metavar="FILE", help="of a data set: write a page with plots and pictures")
    parser.add_argument("--contract", help="of a data set: name of a contract, instead of the one in each bag")
    add_worker_arguments(parser)


def run(args: argparse.Namespace) -> int:
    from bc_core.inspection import format_text, inspect, is_bag

    if len(args.bag) > 1 or args.html or (args.bag[0].is_dir() and not is_bag(args.bag[0])):
        return _survey(args)
    account = inspect(args.bag[0])
    print(json.dumps(account, indent=1) if args.json else format_text(account))
    return 0


def _survey(args: argparse.Namespace) -> int:
    from bc_core.contract import Contract
    from bc_core.survey.page import render_page
    from bc_core.survey.summary import format_totals, survey_bags, totals

    contract = Contract.load(resources.config_path("contract", args.contract)) if args.contract else None
    survey = survey_bags(args.bag, contract, workers_of(args))
    found = totals(survey)
    print(json.dumps(found, indent=1) if args.json else format_totals(found))
    if args.html:
        args.html.parent.mkdir(parents=True, exist_ok=True)
        args.html.write_text(render_page(survey), encoding="utf-8")
        if not args.json:
            print(f"page in {args.html}")
    return 0
