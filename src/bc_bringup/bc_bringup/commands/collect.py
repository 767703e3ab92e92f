"""Collect demonstrations: episodes of the scripted expert (or a human) through the teleoperation path.

Episodes that are in the directory already are kept and not repeated: stop at any time, and go on later.
"""

import argparse
from pathlib import Path

from bc_bringup.commands import teleop
from bc_bringup.commands.common import Setup, add_setup_arguments, positive, setup_of
from bc_bringup.episodes import records, session
from bc_teleop.device_names import HANDS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--episodes", type=positive, required=True, metavar="N", help="episodes in all, one seed each")
    parser.add_argument("--directory", type=Path, default=Path("out/episodes"), help="where the bags go (%(default)s)")
    parser.add_argument("--first-seed", type=int, default=0, metavar="SEED", help="first scene (%(default)s)")
    parser.add_argument("--device", default="scripted", choices=("scripted", *HANDS), help="who drives (%(default)s)")
    teleop.add_layout_argument(parser)
    add_setup_arguments(parser)


def collect(
    setup: Setup, directory: Path, episodes: int, first_seed: int = 0, device: str = "scripted", layout: str = ""
) -> list[records.Record]:
    """All finished episodes of these seeds, after running those that were missing."""
    lockstep = device == "scripted"  # a human needs real time
    participants = ["teleop", "recorder", session.PARTICIPANT, *(["planner"] if setup.return_to else [])]
    participants += ["tag_detector"] if setup.tags else []
    arguments = {
        **setup.launch_arguments(),
        "directory": str(directory.resolve()),
        **teleop.launched(device, layout),
        "lockstep": str(lockstep).lower(),
        "participants": f"[{', '.join(participants)}]",
    }
    return session.run(
        session.Session(
            title="collect", launch_file="collect", arguments=arguments, directory=directory,
            seeds=range(first_seed, first_seed + episodes), operator=device,
            metadata={"device": device, "task": setup.task}, is_policy=False, lockstep=lockstep,
            namespace=setup.namespace, verbose=setup.verbose, by_hand=teleop.by_hand(setup, device),
            return_to=setup.return_to,
        )
    )  # fmt: skip


def run(args: argparse.Namespace) -> int:
    done = collect(setup_of(args), args.directory, args.episodes, args.first_seed, args.device, args.layout)
    successes = sum(record.outcome == "success" for record in done)
    print(f"{len(done)} episodes in {args.directory}, {successes} of them successful")
    return 0
