"""The whole loop: collect, train, roll out in four modes, report.

What a run has finished is on disk; a second run goes on from there. config/demo.yaml says how much of everything.
"""

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from bc_bringup import resources
from bc_bringup.commands import collect, rollout, train
from bc_bringup.commands.common import Setup, add_setup_arguments, setup_of
from bc_bringup.episodes import records
from bc_core.errors import BcError
from bc_core.schema import Section

TIMER_SECONDS = 20.0
TASK = "conveyor_fast"  # on a slower belt, naive switching has time to correct itself


@dataclass(frozen=True)
class Size:
    """How much of everything. training: replaces keys of the policy's training section."""

    episodes: int
    trials: int
    policy: str
    training: dict[str, Any]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--quick", action="store_true", help="a smoke run of a few minutes; its figures mean nothing")
    parser.add_argument("--directory", type=Path, help="folder of the run (out/demo)")
    add_setup_arguments(parser, TASK)


def load_size(file: Path, name: str) -> Size:
    """One section ("full" or "quick") of config/demo.yaml. BcError names what is wrong in it."""
    root = Section(yaml.safe_load(file.read_text()), f"demo file '{file}'")
    section = root.section(name)
    size = Size(
        episodes=section.integer("episodes", minimum=1),
        trials=section.integer("trials", minimum=1),
        policy=section.text("policy"),
        training=section.section("training", {}).document,
    )
    section.finish()
    return size


def run(args: argparse.Namespace) -> int:
    from bc_core.report import format_table, write_report
    from bc_core.training.progress import track

    size = load_size(resources.share() / "config" / "demo.yaml", "quick" if args.quick else "full")
    root = args.directory or default_root(size)
    setup = setup_of(args)
    collect.collect(setup, root / "episodes", size.episodes)
    checkpoint = train_if_needed(root, size, setup)
    measure_timer(root / "timer.json")
    for mode in rollout.MODES:
        rollout.rollout(setup, checkpoint, root / "rollout", mode, size.trials)
    report = write_report(root, root, lambda sequence, description: track(description, sequence))
    print(format_table(report))
    print(f"report: {root / 'report.html'} and {root / 'report.json'}")
    return 0


def default_root(size: Size) -> Path:
    """out/demo; out/demo-quick where out/demo holds more than this run would use: a smoke run must not replace it."""
    root = Path("out/demo")
    if len(records.finished(root / "episodes")) <= size.episodes:
        return root
    print(f"{root} holds a longer run and is left alone")
    return Path("out/demo-quick")


def measure_timer(file: Path) -> None:
    """How punctual this machine is for a thread that does nothing, once per run: what a late control loop is to be
    judged by."""
    if file.exists():
        return
    from bc_sim._plant import timer_lateness

    timer = timer_lateness(TIMER_SECONDS)
    keys = ("periods", "late_over_1ms", "late_p99_us", "late_max_us", "scheduling")
    file.write_text(json.dumps({key: getattr(timer, key) for key in keys}, indent=2) + "\n")


def train_if_needed(root: Path, size: Size, setup: Setup) -> Path:
    """root/checkpoint, trained on the successful episodes unless it was already, on the same ones in the same way.

    Trials of a checkpoint that is replaced are set aside: results of two policies must not be mixed.
    """
    episodes = [record.path for record in records.finished(root / "episodes") if record.outcome == "success"]
    if not episodes:
        raise BcError(f"no successful episode in {root / 'episodes'}: see the logs in {root / 'logs'}")
    config = train.policy_config(size.policy, size.training)
    checkpoint = root / "checkpoint"
    train.train_once(
        episodes, [path.name for path in episodes], setup.contract, config, checkpoint, stale=root / "rollout"
    )
    return checkpoint
