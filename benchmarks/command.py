"""What the commands of benchmarks have in common: options, and where results go."""

import argparse
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

DOCS = Path(__file__).parents[1] / "docs" / "benchmarks"


def make_parser(module: str, description: str | None) -> argparse.ArgumentParser:
    """For `python -m benchmarks.MODULE`, with --jobs, --out and --publish."""
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks.{module}", description=description)
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    parser.add_argument("--out", default="out/bench", help="folder of the results (out/bench)")
    parser.add_argument("--publish", action="store_true", help="write page and pictures into docs/benchmarks")
    return parser


def write_results(
    console: Console,
    name: str,
    document: Mapping[str, Any],
    folder: Path,
    publish: bool,
    write_page: Callable[[Mapping[str, Any], Path], None],
) -> None:
    """folder/NAME.json, its page beside it or, to publish, in docs; then where they are, and each claim's verdict.

    document: with "claims", each a benchmarks.claims.make_claim, or without.
    """
    (folder / f"{name}.json").write_text(json.dumps(document, indent=1), encoding="utf-8")
    written = DOCS if publish else folder
    write_page(document, written)
    console.print(f"{folder / f'{name}.json'}, {written / f'{name}.md'}")
    for claim in document.get("claims", ()):
        console.print(f"{claim['verdict']:9}  {claim['claim']}: {claim['figures']}", highlight=False, soft_wrap=True)
