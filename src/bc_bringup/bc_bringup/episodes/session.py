"""A launch file with an episode manager, over many seeds: what `bcros collect` and `bcros rollout` do."""

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bc_bringup import resources
from bc_bringup.episodes import records
from bc_bringup.episodes.progress import EpisodeProgress
from bc_bringup.launching import domain
from bc_bringup.launching.console import Console
from bc_bringup.launching.expand import expand
from bc_bringup.launching.graph import ProcessGraph
from bc_bringup.launching.signals import StopSignals
from bc_bringup.launching.substitution import Context
from bc_core.errors import BcError

PARTICIPANT = "manager"  # the episode manager's name in lock step
BY_HAND_SECONDS = 600.0  # until a node is there that somebody has to start


@dataclass(frozen=True)
class Session:
    """What to run.

    title: for the progress. arguments: of the launch file. directory: of the bags; the logs go beside it. seeds: one
    per episode. return_to: where the arm is brought after every episode, by a motion; empty: the scene's reset puts it
    there. metadata: stored with every episode; episodes already in the directory must agree with it. by_hand: nodes
    that the launch file does not start, and somebody must: fully qualified name -> what to type.
    """

    title: str
    launch_file: str
    arguments: Mapping[str, str]
    directory: Path
    seeds: Sequence[int]
    operator: str
    metadata: Mapping[str, str]
    is_policy: bool
    lockstep: bool
    namespace: str = ""
    verbose: bool = False
    by_hand: Mapping[str, str] = field(default_factory=dict)
    return_to: str = ""


def run(session: Session) -> list[records.Record]:
    """Run the episodes that are missing, and return all that are finished. BcError and StopRequested end it early.

    Simulated robots need no one beyond this machine: discovery stays on it unless the environment says otherwise.
    """
    done = records.finished(session.directory)
    records.refuse_other(done, dict(session.metadata))
    missing = records.remaining(session.seeds, done)
    with EpisodeProgress(session.title, len(session.seeds), len(session.seeds) - len(missing)) as progress:
        if not missing:
            progress.write(f"{session.title}: all {len(session.seeds)} episodes are in {session.directory}")
        else:
            os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
            _run_missing(session, missing, progress)
    wanted = set(session.seeds)
    return [record for record in records.finished(session.directory) if record.seed in wanted]


def _run_missing(session: Session, seeds: Sequence[int], progress: EpisodeProgress) -> None:
    with _running(session, progress) as manager:
        for seed in seeds:
            verdict = manager.run_episode(seed, session.operator, session.metadata, session.is_policy)
            while verdict.outcome not in records.JUDGED:  # the operator threw it away: the same scene once more
                verdict = manager.run_episode(seed, session.operator, session.metadata, session.is_policy)
            progress.add(seed, verdict.outcome, verdict.reason, verdict.seconds)


@contextmanager
def _running(session: Session, progress: EpisodeProgress) -> Iterator[Any]:
    """The graph and its manager; both are gone at the end, whatever ends it."""
    from bc_bringup.episodes.manager import EpisodeManager

    file = resources.launch_path(session.launch_file)
    expansion = expand(file, dict(session.arguments), Context(resources.InstalledPackages()))
    names = [process.node_name for process in expansion.processes]
    domain.refuse_if_in_use(names)
    console = Console(progress.write, quiet=not session.verbose, colour=None)
    logs = session.directory.parent / "logs" / f"{session.directory.name}-{time.strftime('%Y%m%d-%H%M%S')}"
    with StopSignals() as stop, ProcessGraph(expansion.processes, logs, console) as graph:

        def check() -> None:
            stop.check()
            graph.check()

        try:
            participant = PARTICIPANT if session.lockstep else None
            manager = EpisodeManager(session.namespace, participant, check, return_to=session.return_to)
            try:
                manager.wait_for_nodes(names)
                for name, words in session.by_hand.items():
                    progress.write(f"{session.title}: waits for node {name}: in another terminal type\n    {words}")
                    manager.wait_for_nodes([name], BY_HAND_SECONDS)
                yield manager
            finally:
                manager.close()
        except BcError as error:
            raise BcError(f"{error} (logs: {logs})") from error
