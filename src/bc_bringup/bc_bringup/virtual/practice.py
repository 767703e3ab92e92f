"""DAgger's episodes in virtual time: student and expert drive in turns, and the expert is asked where the student asks.

Without an expert, the student's trials alone. Every episode is a bag; labels lie beside it (bc_core.dagger.asked).
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

import numpy as np

from bc_bringup.virtual.cell import VirtualCell
from bc_bringup.virtual.episodes import HAND_ID, make_episodes
from bc_bringup.virtual.expert import Answer, SimulatedExpert
from bc_bringup.virtual.recorder import VirtualRecorder
from bc_bringup.virtual.sources import PolicySource
from bc_bringup.virtual.streams import VirtualStreams
from bc_bringup.virtual.student import Student, sees_camera
from bc_controllers import Robot
from bc_core.chunks import Array
from bc_core.contract import Contract
from bc_core.cycle import Request, SchedulerConfig
from bc_core.dagger.asked import AskedLabels, write_labels
from bc_core.dagger.mixture import Beta, RowBudget
from bc_core.delay import make_estimator
from bc_core.policies.base import Policy
from bc_core.scheduler import Scheduler
from bc_core.strategies.registry import STRATEGIES
from bc_sim.camera import OffscreenCamera
from bc_sim.simulation import Simulation
from bc_sim.task_config import TaskConfig
from bc_teleop.build import make_session
from bc_teleop.command import DeviceCommand, Observation
from bc_teleop.settings import Settings

S_MIN = 8  # rows executed between two requests, as the scheduler's node does by default


@dataclass(frozen=True)
class World:
    """The simulated cell by its files. hand: settings of the device `scripted`, whose expert can be asked."""

    robot: Robot
    contract: Contract
    task: TaskConfig
    hand: Settings


class Nobody:
    """A device without a hand."""

    def command(self, seen: Observation) -> DeviceCommand:
        return DeviceCommand()


@dataclass
class Teacher:
    """Asks the expert while the budget lasts. beta: how likely its chunk is executed in place of the student's in round
    `number`; such a chunk is a label like any other, and costs as much.
    """

    expert: SimulatedExpert
    budget: RowBudget
    beta: Beta
    number: int
    _answers: dict[int, Answer] = field(default_factory=dict)
    _drove: int = 0
    _rng: np.random.Generator = field(default_factory=np.random.default_rng)

    def begin(self, seed: int) -> None:
        """A new episode: what its coin says depends on its seed alone."""
        self._answers, self._drove, self._rng = {}, 0, np.random.default_rng(seed)

    def consider(self, request: Request, simulation: Simulation, horizon: int) -> Array | None:
        """Ask at the request's tick; the expert's chunk if it is to be executed."""
        drives = self.beta.expert_drives(self.number, self._rng)
        if not self.budget.affords(horizon):
            return None
        self.expert.simulation.copy_from(simulation)
        answer = self.expert.ask(horizon)
        if answer is None:
            return None
        self.budget.spend(horizon)
        self._answers[request.tick] = answer
        self._drove += drives
        return answer.rows if drives else None

    def labels(self, provenance: Mapping[str, Any]) -> AskedLabels | None:
        """Of this episode so far, with how many of the chunks were executed; None: the expert was not asked."""
        answers = self._answers
        if not answers:
            return None
        ticks = np.array(sorted(answers), dtype=np.int64)
        rows = np.stack([answers[tick].rows for tick in ticks])
        valid = np.stack([answers[tick].valid for tick in ticks])
        return AskedLabels(ticks, rows, valid, {**provenance, "drove": self._drove})


class Played(NamedTuple):
    """An episode that is over, with its bag and labels on disk. outcome: "success" or "failure"; seconds: simulated."""

    seed: int
    outcome: str
    reason: str
    seconds: float


class Practice:
    """A student on the simulated robot. teacher: who is asked; None: nobody. Close it where the student has a camera:
    it lives in the thread that made it.
    """

    def __init__(self, world: World, policy: Policy, teacher: Teacher | None = None) -> None:
        robot, contract = world.robot, world.contract
        self._world, self._teacher, self._horizon = world, teacher, policy.horizon
        self._cell = VirtualCell(Simulation(robot, world.task, 0))
        self._open = ExitStack()
        eye = None
        if sees_camera(policy):
            eye = self._open.enter_context(OffscreenCamera(self._cell.simulation.scene.model, world.task.camera))
        streams = VirtualStreams(self._cell, contract.grid, eye)
        self._student = Student(policy, contract, self._cell, streams)
        self._recorder = VirtualRecorder(streams, contract)
        scheduler = Scheduler(
            SchedulerConfig(
                STRATEGIES["rtc"], policy.horizon, s_min=min(S_MIN, policy.horizon - 2), n_obs_steps=policy.n_obs_steps
            ),
            contract.grid,
            make_estimator("quantile", 1, 20, 0.9),
            contract.groups,
        )
        source = PolicySource(self._cell, scheduler, contract.groups, self._infer, lambda: 0.0)
        nobody = make_session(robot, contract, world.hand, "nobody", HAND_ID, lead=0.0)
        self._episodes = make_episodes(self._cell, contract, Nobody(), nobody, source)

    def play(self, directory: Path, seeds: Iterable[int], metadata: Mapping[str, Any]) -> Iterator[Played]:
        """Drive and record an episode per seed; an episode depends on its seed alone. A teacher's budget may end it."""
        for seed in seeds:
            if self._teacher is not None and not self._teacher.budget.affords(self._horizon):
                return
            yield self._play(directory, seed, metadata)

    def close(self) -> None:
        self._open.close()

    def __enter__(self) -> "Practice":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _play(self, directory: Path, seed: int, metadata: Mapping[str, Any]) -> Played:
        cell, teacher = self._cell, self._teacher
        self._episodes.reset(seed)
        self._student.begin(seed)
        if teacher is not None:
            teacher.begin(seed)
        with self._recorder.episode(directory, cell.now_ns, self._world.task.task, seed, metadata) as writer:
            task = self._episodes.run(resume=True)
            if teacher is not None and (labels := teacher.labels({"expert": teacher.expert.NAME, **metadata})):
                write_labels(writer.path, labels, self._world.contract)
            outcome = "success" if task.success else "failure"
            writer.close(outcome, task.detail, cell.now_ns)
        return Played(seed, outcome, task.detail, task.elapsed)

    def _infer(self, request: Request) -> Array:
        """The student's chunk, or the expert's in its place."""
        mine = self._student(request)
        if self._teacher is None:
            return mine
        other = self._teacher.consider(request, self._cell.simulation, self._horizon)
        return mine if other is None else other
