"""How far a policy's chunks are from recorded episodes that it was not trained on, row by row, and how long they take.

bcros eval out/policy out/episodes             # those of the episodes that were kept out of its training
bcros eval out/policy out/others --out out/eval
"""

import argparse
import json
from pathlib import Path

from bc_bringup.commands.common import positive


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("checkpoint", type=Path, metavar="CHECKPOINT", help="folder of a trained policy")
    parser.add_argument(
        "episodes", type=Path, nargs="+", metavar="EPISODES", help="episodes, or folders that hold them"
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="for summary.html and eval.json (CHECKPOINT.eval)")
    parser.add_argument("--all", action="store_true", help="look at episodes of the training too")
    parser.add_argument(
        "--frames", type=positive, default=512, metavar="N", help="most that are looked at (%(default)s)"
    )
    parser.add_argument("--threads", type=positive, default=1, metavar="N", help="of torch (%(default)s)")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    from bc_core.evaluation.evaluate import evaluate_checkpoint, format_text
    from bc_core.evaluation.page import PAGE

    found = evaluate_checkpoint(args.checkpoint, args.episodes, args.all, args.frames, args.threads)
    out = args.out or args.checkpoint.with_name(f"{args.checkpoint.name}.eval")
    out.mkdir(parents=True, exist_ok=True)
    (out / "eval.json").write_text(json.dumps(found.document, indent=1) + "\n", encoding="utf-8")
    (out / PAGE).write_text(found.page, encoding="utf-8")
    if args.json:
        print(json.dumps(found.document, indent=1))
    else:
        print(format_text(found.document))
        print(f"page in {out / PAGE}")
    return 0
