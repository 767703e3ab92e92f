"""Pre-train an image encoder on the unlabelled camera frames of recorded episodes, failures too.

What it writes is used by a policy's section `vision`: {default: {type: pretrained, path: OUT}}. The folder also holds
summary.html: curves, what the encoder keeps of an image (alone: reconstructions.png), and what it learnt from. After a
kill, the same command with --resume.
"""

import argparse
from pathlib import Path

from bc_bringup.commands.common import add_hardware_arguments


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("episodes", type=Path, nargs="+", metavar="DIR", help="episodes, or folders that hold them")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the encoder; replaced")
    parser.add_argument("--config", default="mae", help="name of a file in config/vision, or its path (%(default)s)")
    parser.add_argument("--contract", default="panda_conveyor", help="name of a contract (%(default)s)")
    parser.add_argument("--steps", type=int, help="training steps, instead of the configured ones")
    parser.add_argument("--seed", type=int, help="instead of the configured one")
    parser.add_argument("--resume", action="store_true", help="go on with the interrupted run of this folder")
    add_hardware_arguments(parser)


def run(args: argparse.Namespace) -> int:
    from bc_bringup import resources
    from bc_core.contract import Contract
    from bc_core.evaluation.page import PAGE
    from bc_core.pretraining.config import PretrainConfig
    from bc_core.pretraining.pretrain import pretrain
    from bc_core.training.hardware import Hardware

    given = {key: value for key in ("steps", "seed") if (value := getattr(args, key)) is not None}
    config = PretrainConfig.load(resources.config_path("vision", args.config), **given)
    contract = Contract.load(resources.config_path("contract", args.contract))
    hardware = Hardware(args.accelerator, args.devices)
    summary = pretrain(args.episodes, contract, config, args.out, hardware, args.resume)
    if not summary:  # a further device's process
        return 0
    print(f"encoder in {args.out}, {args.out / PAGE}")
    for key, value in summary.items():
        if isinstance(value, int | float):
            print(f"  {key}: {value:.4g}" if isinstance(value, float) else f"  {key}: {value}")
    return 0
