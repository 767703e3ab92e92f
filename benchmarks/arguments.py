"""Options that benchmarks have in common."""

import argparse


def make_parser(module: str, description: str | None) -> argparse.ArgumentParser:
    """For `python -m benchmarks.MODULE`, with --jobs, --out and --publish."""
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks.{module}", description=description)
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    parser.add_argument("--out", default="out/bench", help="folder of the results (out/bench)")
    parser.add_argument("--publish", action="store_true", help="write page and pictures into docs/benchmarks")
    return parser
