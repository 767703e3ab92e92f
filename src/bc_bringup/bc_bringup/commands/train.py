"""Train a policy on recorded episodes: bags -> frames -> flow-matching policy -> checkpoint."""

import argparse
from pathlib import Path
from typing import Any

import yaml

from bc_bringup import resources


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("episodes", type=Path, nargs="+", metavar="DIR", help="episodes, or folders that hold them")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the checkpoint; replaced")
    parser.add_argument("--policy", default="flow", help="name of a policy configuration (%(default)s)")
    parser.add_argument("--contract", default="panda_conveyor", help="name of a contract (%(default)s)")
    parser.add_argument("--steps", type=int, help="training steps, instead of the configured ones")


def policy_config(name: str, training: dict[str, Any]) -> dict[str, Any]:
    """A policy's configuration document; `training` replaces keys of its section of that name."""
    document: dict[str, Any] = yaml.safe_load(resources.config_path("policy", name).read_text())
    document["training"] = {**document.get("training", {}), **training}
    return document


def train(bags: list[Path], contract_name: str, config: dict[str, Any], out: Path) -> dict[str, Any]:
    """Train and write the checkpoint; returns the training's summary."""
    from bc_core import training
    from bc_core.contract import Contract

    return training.train(bags, Contract.load(resources.config_path("contract", contract_name)), config, out)


def run(args: argparse.Namespace) -> int:
    config = policy_config(args.policy, {} if args.steps is None else {"steps": args.steps})
    summary = train(args.episodes, args.contract, config, args.out)
    print(f"checkpoint in {args.out}")
    for key, value in summary.items():
        if isinstance(value, int | float | str):
            print(f"  {key}: {value:.4g}" if isinstance(value, float) else f"  {key}: {value}")
    return 0
