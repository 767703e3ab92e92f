"""A policy alone at the simulated task, in virtual time and without latency: whether it can do it at all."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bc_bringup import resources
from bc_bringup.virtual.cell import VirtualCell
from bc_bringup.virtual.episodes import HAND_ID, VirtualEpisodes, make_episodes
from bc_bringup.virtual.sources import PolicySource
from bc_bringup.virtual.streams import VirtualStreams
from bc_bringup.virtual.student import Student, sees_camera
from bc_controllers import Robot, load_robot
from bc_core.contract import Contract
from bc_core.cycle import SchedulerConfig
from bc_core.delay import make_estimator
from bc_core.policies.base import Policy
from bc_core.scheduler import Scheduler
from bc_core.strategies.registry import STRATEGIES
from bc_sim.camera import OffscreenCamera
from bc_sim.simulation import Simulation, check_contract
from bc_sim.task_config import TaskConfig, load_task
from bc_teleop.build import make_session
from bc_teleop.command import DeviceCommand, Observation
from bc_teleop.settings import load_settings

EXECUTED = 8
"""Most rows of a chunk that are executed before the next is asked for [ticks]: launch/rollout.launch.yaml's s_min."""


class NobodysHand:
    """A device that nobody touches."""

    def command(self, seen: Observation) -> DeviceCommand:
        return DeviceCommand()


@dataclass(frozen=True)
class VirtualTask:
    """The cell whose policies are tried. settings: of teleoperation, for the hand that stays away."""

    robot: Robot
    contract: Contract
    task: TaskConfig
    settings: Path

    @classmethod
    def load(cls, robot: Path, contract: Path, task: Path, settings: Path) -> "VirtualTask":
        """From files. BcError: they do not belong together."""
        read = Contract.load(contract)
        found = cls(load_robot(robot, read.groups), read, load_task(task), settings)
        check_contract(found.contract, found.robot, found.task, camera=False)
        return found

    @classmethod
    def named(cls, robot: str, contract: str, task: str) -> "VirtualTask":
        """By names of installed configuration files, or their paths."""
        files = [resources.config_path(*each) for each in (("robot", robot), ("contract", contract), ("task", task))]
        return cls.load(files[0], files[1], files[2], resources.config_path("teleop", "intervening"))

    def play(self, policy: Policy, seeds: range, on_trial: Callable[[int], None] = lambda done: None) -> list[bool]:
        """Which of the scenes of these seeds the policy solves; what it does in a scene depends on its seed alone.

        BcError: it needs what is not simulated.
        """
        solved = []
        with self.stage(policy) as stage:
            for done, seed in enumerate(seeds):
                stage.reset(seed)
                solved.append(bool(stage.episodes.run(resume=True).success))
                on_trial(done + 1)
        return solved

    @contextmanager
    def stage(self, policy: Policy) -> Iterator["Stage"]:
        """The cell with the policy in it. BcError: it needs what is not simulated."""
        cell = VirtualCell(Simulation(self.robot, self.task, 0))
        if not sees_camera(policy):
            yield self._stage(policy, cell, VirtualStreams(cell, self.contract.grid))
            return
        check_contract(self.contract, self.robot, self.task, camera=True)
        with OffscreenCamera(cell.simulation.scene.model, self.task.camera) as eye:
            yield self._stage(policy, cell, VirtualStreams(cell, self.contract.grid, eye))

    def _stage(self, policy: Policy, cell: VirtualCell, streams: VirtualStreams) -> "Stage":
        student = Student(policy, self.contract, cell, streams)
        config = SchedulerConfig(
            STRATEGIES["naive"], policy.horizon, min(EXECUTED, policy.horizon - 2), n_obs_steps=policy.n_obs_steps
        )
        scheduler = Scheduler(config, self.contract.grid, make_estimator("quantile", 1, 20, 0.9), self.contract.groups)
        source = PolicySource(cell, scheduler, self.contract.groups, student, lambda: 0.0)
        settings = load_settings(self.settings, "intervening")
        session = make_session(self.robot, self.contract, settings, "nobody", HAND_ID, lead=0.02)
        return Stage(student, make_episodes(cell, self.contract, NobodysHand(), session, source))


@dataclass(frozen=True)
class Stage:
    """Where a policy is tried, scene by scene: reset, then run the episodes."""

    student: Student
    episodes: VirtualEpisodes

    def reset(self, seed: int) -> None:
        """The scene of a seed, on which the policy's sampling noise depends too."""
        self.student.begin(seed)
        self.episodes.reset(seed)
