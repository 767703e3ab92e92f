"""Skills of a running graph (bcros launch skills): list them, run one by name, or let the selector choose.

`run` and `start` follow what comes of it and end with it: exit code 0 if the last skill was a success. Ctrl-C stops it,
and the robot holds. `list` and `diagram` read files only.
"""

import argparse
from pathlib import Path

from bc_bringup import resources
from bc_bringup.commands.common import add_namespace_argument


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    show = actions.add_parser("list", help="check a library against a contract and show it")
    show.add_argument("--skills", type=Path, help="folder of skills (the installed one)")
    show.add_argument("--contract", default="panda_conveyor", help="name of a contract (%(default)s)")
    draw = actions.add_parser("diagram", help="a state machine as a Mermaid state diagram")
    draw.add_argument("machine", nargs="?", default="conveyor_pick", help="its name or path (%(default)s)")
    draw.add_argument("--skills", type=Path, help="folder of skills (the installed one)")
    run_one = actions.add_parser("run", help="carry out one skill")
    run_one.add_argument("name", help="of the skill")
    start = actions.add_parser("start", help="let the selector choose")
    for action in (run_one, start):
        action.add_argument("--scene", type=int, metavar="SEED", help="of a simulation: a new scene first")
    for action in (run_one, start, actions.add_parser("stop", help="end what runs; the robot holds")):
        add_namespace_argument(action)


def run(args: argparse.Namespace) -> int:
    if args.action == "list":
        return _list(args.skills, args.contract)
    if args.action == "diagram":
        return _diagram(args.skills, args.machine)
    from bc_bringup.launching.signals import StopSignals
    from bc_bringup.skill_client import SkillClient

    with StopSignals() as stop:
        client = SkillClient(args.namespace, lambda line: print(line, flush=True), stop.check)
        try:
            if args.action == "stop":
                client.stop()
                return 0
            if args.scene is not None:
                client.reset_scene(args.scene)
            return 0 if (client.run(args.name) if args.action == "run" else client.start()) else 1
        finally:
            client.close()


def _folder(given: Path | None) -> Path:
    return given or resources.share() / "config" / "skills"


def _list(skills: Path | None, contract: str) -> int:
    from bc_core.contract import Contract
    from bc_core.skills.library import Library
    from bc_core.skills.world import World

    library = Library.load(_folder(skills))
    World(Contract.load(resources.config_path("contract", contract)), library)
    for skill in library.values():
        what = skill.checkpoint if skill.motion is None else f"motion: {skill.motion.kind} {skill.motion.name}".rstrip()
        print(f"{skill.name}  ({what}; at most {skill.timeout:g} s)\n    {skill.description}")
    return 0


def _diagram(skills: Path | None, machine: str) -> int:
    from bc_core.skills.library import Library
    from bc_core.skills.machine import Machine

    print(Machine.load(resources.config_path("machine", machine), Library.load(_folder(skills))).diagram())
    return 0
