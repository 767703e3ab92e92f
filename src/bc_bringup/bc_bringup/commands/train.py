"""Train a policy on recorded episodes: bags -> frames -> policy -> checkpoint.

The checkpoint's folder also holds summary.html. Beside it, in a folder named after it with .run at the end, are
TensorBoard's files, and until the run is finished its state: after a kill, the same command with --resume goes on as
if nothing had happened. The same command trains on a CPU, on a GPU where there is one, and with --devices 0 on all.
"""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from bc_bringup import resources
from bc_bringup.commands.common import Setup, add_hardware_arguments, positive
from bc_bringup.episodes import records
from bc_core.errors import BcError

if TYPE_CHECKING:
    from bc_core.training.train import Rollouts

TRIAL_SEED = 3_000_000  # first scene of the roll-outs that choose a checkpoint: none that it is judged on later


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("episodes", type=Path, nargs="+", metavar="DIR", help="episodes, or folders that hold them")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the checkpoint; replaced")
    parser.add_argument("--policy", default="flow", help="name of a policy configuration (%(default)s)")
    parser.add_argument("--config", type=Path, metavar="FILE", help="a policy configuration file, instead of --policy")
    parser.add_argument("--contract", default="panda_conveyor", help="name of a contract (%(default)s)")
    parser.add_argument("--steps", type=int, help="training steps, instead of the configured ones")
    parser.add_argument("--seed", type=int, help="of weights and batches, instead of the configured one: for ensembles")
    parser.add_argument("--resume", action="store_true", help="go on with the interrupted training of this checkpoint")
    add_hardware_arguments(parser)
    parser.add_argument(
        "--rollouts", type=int, default=0, metavar="N",
        help="keep the weights that solve most of N simulated scenes, instead of the last (0: the last)",
    )  # fmt: skip
    parser.add_argument("--rollouts-every", type=positive, metavar="STEPS", help="how often (a tenth of the steps)")
    parser.add_argument("--task", default=Setup.task, help="of the roll-outs: name of a task (%(default)s)")
    parser.add_argument("--robot", default=Setup.robot, help="of the roll-outs: name of a robot (%(default)s)")


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
    bags: list[Path], contract_name: str, config: dict[str, Any], out: Path, start: Path | None = None, **options: Any
) -> dict[str, Any]:
    """Train, from a checkpoint or from scratch, and write the checkpoint; returns the training's summary.

    options: of bc_core.training.train.train.
    """
    from bc_core.contract import Contract
    from bc_core.training.train import train as train_policy

    contract = Contract.load(resources.config_path("contract", contract_name))
    return train_policy(bags, contract, config, out, start, **options)


def rollouts_of(args: argparse.Namespace, steps: int) -> "Rollouts | None":
    """How the best weights are chosen; None: the last are kept."""
    if not args.rollouts:
        return None
    from bc_bringup.virtual.trials import VirtualTask
    from bc_core.training.train import Rollouts

    task = VirtualTask.named(args.robot, args.contract, args.task)
    scenes = range(TRIAL_SEED, TRIAL_SEED + args.rollouts)
    every = args.rollouts_every or max(1, steps // 10)
    return Rollouts(every, lambda policy, step: sum(task.play(policy, scenes)) / len(scenes))


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
    summary = train(bags, contract_name, config, checkpoint, start, resume=None)
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
    from bc_core.training.hardware import Hardware

    given = {key: value for key in ("steps", "seed") if (value := getattr(args, key)) is not None}
    config = policy_config(args.policy, given, args.config)
    summary = train(
        args.episodes, args.contract, config, args.out,
        hardware=Hardware(args.accelerator, args.devices), resume=args.resume,
        rollouts=rollouts_of(args, int(config["training"].get("steps", 1))),
    )  # fmt: skip
    if not summary:  # a further device's process
        return 0
    print(f"checkpoint in {args.out}, {args.out / 'summary.html'}")
    for key, value in summary.items():
        if isinstance(value, int | float | str):
            print(f"  {key}: {value:.4g}" if isinstance(value, float) else f"  {key}: {value}")
    return 0
