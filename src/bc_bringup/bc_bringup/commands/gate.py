"""Find the disagreement from which on a policy asks for help: what an ensemble would have asked of recorded episodes.

    bcros train out/episodes --seed 1 --out out/members/1      # the same data, other weights; two or three of them
    bcros gate out/policy out/members out/episodes --share 0.05
    bcros launch rollout checkpoint:=out/policy ensemble:=out/members help_threshold:=...

Episodes that no member was trained on say most: in those that they were, all agree.
"""

import argparse
from pathlib import Path

from bc_bringup.commands.common import positive


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("checkpoint", type=Path, help="the policy that drives")
    parser.add_argument("ensemble", type=Path, help="folder of checkpoints, one in each of its folders")
    parser.add_argument("episodes", type=Path, nargs="+", metavar="DIR", help="episodes, or folders that hold them")
    parser.add_argument("--share", type=float, default=0.05, help="of these frames at which it would ask (%(default)s)")
    parser.add_argument("--every", type=positive, default=4, metavar="N", help="look at each N-th frame (%(default)s)")


def run(args: argparse.Namespace) -> int:
    import numpy as np
    import torch

    from bc_core.bags import find_episodes
    from bc_core.checkpoint import load_policy
    from bc_core.dagger.ensemble import disagreements, load_ensemble
    from bc_core.dagger.gate import Gate
    from bc_core.dataset import read_episode
    from bc_core.errors import BcError
    from bc_core.training.progress import track

    if not 0.0 < args.share < 1.0:
        raise BcError(f"--share {args.share:g}: give a part of the frames, above 0 and below 1")
    torch.set_num_threads(1)
    policy = load_policy(args.checkpoint)
    ensemble = load_ensemble(policy, args.ensemble)
    bags = [path for root in args.episodes for path in find_episodes(root)]
    found: list[float] = []
    for bag in track("asking the ensemble", bags):
        episode = read_episode(bag, policy.contract, policy.streams, policy.n_obs_steps)
        found.extend(disagreements(ensemble, episode, args.every))
    if not found:
        raise BcError(f"no frame with a command in {', '.join(map(str, args.episodes))}: record some episodes first")
    for share in (0.5, 0.9, 0.99):
        print(f"disagreement at most {np.quantile(found, share):.3f} at {100 * share:g} % of {len(found)} frames")
    print(f"help_threshold:={Gate.at_share(np.array(found), args.share).threshold:.3f} asks at {100 * args.share:g} %")
    return 0
