"""Train a policy on recorded episodes: bags -> frames -> policy -> checkpoint."""

import argparse
import json
from pathlib import Path
from typing import Any

import yaml

from bc_bringup import resources
from bc_bringup.episodes import records
from bc_core.errors import BcError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("episodes", type=Path, nargs="+", metavar="DIR", help="episodes, or folders that hold them")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the checkpoint; replaced")
    parser.add_argument("--policy", default="flow", help="name of a policy configuration (%(default)s)")
    parser.add_argument("--config", type=Path, metavar="FILE", help="a policy configuration file, instead of --policy")
    parser.add_argument("--contract", default="panda_conveyor", help="name of a contract (%(default)s)")
    parser.add_argument("--steps", type=int, help="training steps, instead of the configured ones")
    parser.add_argument("--seed", type=int, help="of weights and batches, instead of the configured one: for ensembles")


def policy_config(name: str, training: dict[str, Any], file: Path | None = None) -> dict[str, Any]:
    """A policy's configuration document, by name or from a file; `training` replaces keys of its section of that name.

    BcError: there is no such file.
    """
    path = file or resources.config_path("policy", name)
    if not path.is_file():
        raise BcError(
            f"policy configuration '{path}' does not exist: give the path of a file like config/policies/flow.yaml"
        )
    document: dict[str, Any] = yaml.safe_load(path.read_text())
    document["training"] = {**document.get("training", {}), **training}
    return document


def train(
    bags: list[Path], contract_name: str, config: dict[str, Any], out: Path, start: Path | None = None
) -> dict[str, Any]:
    """Train, from a checkpoint or from scratch, and write the checkpoint; returns the training's summary."""
    from bc_core import training
    from bc_core.contract import Contract

    return training.train(bags, Contract.load(resources.config_path("contract", contract_name)), config, out, start)


def train_once(
    bags: list[Path],
    names: list[str],
    contract_name: str,
    config: dict[str, Any],
    checkpoint: Path,
    start: Path | None = None,
    stale: Path | None = None,
) -> dict[str, Any]:
    """Train unless the checkpoint was trained on these episodes in this way already; the summary that it holds.

    names: of the episodes, as noted beside the checkpoint. start: a checkpoint to go on from. stale: results of
    a checkpoint that is replaced: set aside, so that those of two policies are not mixed.
    """
    weights, note = checkpoint / "model.safetensors", checkpoint.parent / "training.json"
    inputs: dict[str, Any] = {"episodes": names, "contract": contract_name, "config": config}
    if start is not None:
        inputs["start"] = records.fingerprint(start / weights.name)
    if weights.is_file() and note.is_file():
        before = json.loads(note.read_text())
        if {key: before.get(key) for key in (*inputs, "checkpoint")} == {
            **inputs,
            "checkpoint": records.fingerprint(weights),
        }:
            print(f"train: {checkpoint} was trained on these {len(bags)} episodes already")
            return dict(before.get("summary", {}))
    if stale is not None:
        set_aside(stale)
    summary = train(bags, contract_name, config, checkpoint, start)
    kept = {key: value for key, value in summary.items() if isinstance(value, int | float | str)}
    written = {**inputs, "checkpoint": records.fingerprint(weights), "summary": kept}
    note.write_text(json.dumps(written, indent=1))
    return kept


def set_aside(folder: Path) -> None:
    """Rename a folder to the first free `<name>.before-N`; nothing is lost."""
    if folder.exists():
        number = 1
        while (target := folder.with_name(f"{folder.name}.before-{number}")).exists():
            number += 1
        folder.rename(target)
        print(f"{folder} belongs to another checkpoint: it is now {target}")


def run(args: argparse.Namespace) -> int:
    given = {key: value for key in ("steps", "seed") if (value := getattr(args, key)) is not None}
    config = policy_config(args.policy, given, args.config)
    summary = train(args.episodes, args.contract, config, args.out)
    print(f"checkpoint in {args.out}")
    for key, value in summary.items():
        if isinstance(value, int | float | str):
            print(f"  {key}: {value:.4g}" if isinstance(value, float) else f"  {key}: {value}")
    return 0
