"""Import a policy from elsewhere: LeRobot's ACT and diffusion checkpoints (LeRobot 0.4 and later) become ours.

    bcros import lerobot pretrained_model --contract my_robot --out out/policy
    bcros import lerobot pretrained_model --contract my_robot --out out/policy \\
      --state arm gripper --environment object --camera top=camera
    bcros rollout --checkpoint out/policy --trials 5 --mode naive

The contract's dt must be the period of the data set that the policy was trained on, its units those of the data set.
"""

import argparse
from pathlib import Path

from bc_bringup import resources
from bc_core.errors import BcError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("format", choices=("lerobot",), help="whose checkpoint it is")
    parser.add_argument("folder", type=Path, metavar="DIR", help="folder with config.json and model.safetensors")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of our checkpoint; replaced")
    parser.add_argument("--contract", help="name of the robot's contract (unless `bcros export` wrote the checkpoint)")
    parser.add_argument("--state", nargs="+", default=(), metavar="STREAM",
                        help="streams that are observation.state, in order (all numeric ones)")  # fmt: skip
    parser.add_argument("--environment", nargs="+", default=(), metavar="STREAM",
                        help="streams that are observation.environment_state, in order")  # fmt: skip
    parser.add_argument("--camera", nargs="+", default=(), metavar="NAME=STREAM",
                        help="which stream a camera of the policy is (the one of its name)")  # fmt: skip
    parser.add_argument("--constants", action="store_true",
                        help="take columns that never varied in training for what they were then")  # fmt: skip


def run(args: argparse.Namespace) -> int:
    from bc_core.contract import Contract
    from bc_core.lerobot.policy.load import import_policy
    from bc_core.lerobot.policy.streams import Streams
    from bc_core.strategies.registry import STRATEGIES, supports

    contract = Contract.load(resources.config_path("contract", args.contract)) if args.contract else None
    given = Streams(tuple(args.state), tuple(args.environment), dict(map(_pair, args.camera)))
    policy = import_policy(args.folder, args.out, contract, given, args.constants)
    able = [name for name, strategy in STRATEGIES.items() if supports(strategy, policy.masks, ())]
    head = policy.config.head
    print(f"{args.out}: {head.type}, {policy.horizon} rows of {1e3 * policy.contract.grid.dt:g} ms")
    print(f"  sees {', '.join(policy.streams)}; {policy.n_obs_steps} ticks")
    print(f"  strategies: {', '.join(able)}")
    return 0


def _pair(text: str) -> tuple[str, str]:
    name, _, stream = text.partition("=")
    if not name or not stream:
        raise BcError(f"--camera {text}: give the policy's name of the camera and the stream, as top=camera")
    return name, stream
