"""Export a policy to LeRobot: of a checkpoint in LeRobot's architecture (types lerobot_act, lerobot_diffusion).

bcros train out/episodes --policy lerobot_act --out out/policy
bcros export lerobot out/policy --out out/pretrained_model
"""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("format", choices=("lerobot",), help="for whom")
    parser.add_argument("checkpoint", type=Path, metavar="CHECKPOINT", help="folder of our checkpoint")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="of theirs; an export there is replaced")


def run(args: argparse.Namespace) -> int:
    from bc_core.lerobot.policy.export import export_policy

    export_policy(args.checkpoint, args.out)
    print(f"{args.out}: config.json, model.safetensors, policy_preprocessor.json, policy_postprocessor.json")
    return 0
