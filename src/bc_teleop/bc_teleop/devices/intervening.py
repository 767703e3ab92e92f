"""A scripted operator who watches the policy, takes over when it is about to fail, and gives back what it can finish.

It stands in for the human of HG-DAgger, so that rounds run without hardware: it judges as a person would, by tool, cube
and gripper, and its corrections pass through the same path as those of a joystick.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from bc_teleop.command import Button, DeviceCommand, Observation
from bc_teleop.devices.scripted import Expert, ExpertMaker


@dataclass(frozen=True)
class InterventionConfig:
    """When an operator sees a failure coming. Times [s], lengths [m].

    reaction: from seeing it to taking over. last_grasp: this long before the cube leaves the reach it must be in the
    hand, or the tool as close to it as `underway`. exit: where the reach ends, along the belt (+y). missed_width: a
    gripper closed further holds nothing. beside: the tool is this far from the cube's centre, across, though `low`
    above it or lower. held_width: openings, least and most, at which the cube is in the hand; held_distance: and the
    tool this close to it. give_back: hand control back to the policy when the cube has been held for `settle`; else
    stay until the episode is decided.
    """

    reaction: float = 0.2
    last_grasp: float = 2.7
    underway: float = 0.08
    exit: float = 0.35
    missed_width: float = 0.015
    beside: float = 0.03
    low: float = 0.02
    held_width: float = 0.03
    held_width_most: float = 0.05
    held_distance: float = 0.03
    settle: float = 0.4
    give_back: bool = True


class Judge(Protocol):
    """Sees failures coming, and when they are averted."""

    def failing(self, seen: Observation) -> str:
        """Why the episode is about to fail; empty while it is not."""
        ...

    def safe(self, seen: Observation) -> bool:
        """Can the policy be trusted with what is left?"""
        ...


class ConveyorPickJudge:
    """Of conveyor_pick: the cube must be in the hand before the belt has carried it away."""

    def __init__(self, config: InterventionConfig) -> None:
        self._config = config

    def failing(self, seen: Observation) -> str:
        config, cube = self._config, seen.object
        if cube is None or self.safe(seen):
            return ""
        if seen.gripper < config.missed_width:
            return "the gripper closed on nothing"
        offset = seen.tcp.position - cube.pose.position
        across, above = float(np.linalg.norm(offset[:2])), float(offset[2])
        if above < config.low and across > config.beside:
            return "the tool is beside the cube"
        if float(np.linalg.norm(offset)) < config.underway:
            return ""
        speed = float(cube.velocity[1])
        if speed > 0.0 and (config.exit - float(cube.pose.position[1])) / speed < config.last_grasp:
            return "the cube leaves before it can be grasped"
        return ""

    def safe(self, seen: Observation) -> bool:
        config, cube = self._config, seen.object
        if cube is None:
            return False
        near = float(np.linalg.norm(seen.tcp.position - cube.pose.position)) < config.held_distance
        return near and config.held_width <= seen.gripper <= config.held_width_most


class InterveningDevice:
    """An operator with an expert's hands.

    experts, judges: by task name. seed: with the episode's, of the expert. Observation.held: nobody commands.
    """

    def __init__(
        self, experts: dict[str, ExpertMaker], judges: dict[str, Judge], config: InterventionConfig, seed: int
    ) -> None:
        self._experts, self._judges, self._config, self._seed = experts, judges, config, seed
        self._episode: tuple[str, int] | None = None
        self._elapsed = 0.0
        self._expert: Expert | None = None
        self._since: float | None = None  # elapsed time from which a failure, or safety, has been seen without a break
        self._gives_back = False
        self.reasons: list[str] = []  # of the interventions of this episode

    def command(self, seen: Observation) -> DeviceCommand:
        """The expert's command while it intervenes, else none; RESUME once after every intervention that is over."""
        task = seen.task
        if task is None or task.name not in self._judges:
            return DeviceCommand()
        if (task.name, task.seed) != self._episode or task.elapsed < self._elapsed:
            self._episode, self._expert, self._since, self._gives_back = (task.name, task.seed), None, None, False
            self.reasons = []
        self._elapsed = task.elapsed
        if task.success or task.failure:
            self._expert, self._gives_back = None, False
            return DeviceCommand()
        if self._gives_back:
            self._gives_back = not seen.held
            return DeviceCommand(pressed=frozenset({Button.RESUME}) if seen.held else frozenset())
        judge = self._judges[task.name]
        if self._expert is None:
            return self._watch(seen, judge)
        return self._correct(seen, judge, self._expert)

    def _watch(self, seen: Observation, judge: Judge) -> DeviceCommand:
        reason = judge.failing(seen) or ("the policy asks for help" if seen.asked else "")
        if self._lasts(bool(reason), seen, self._config.reaction) and seen.task is not None:
            rng = np.random.default_rng([self._seed, seen.task.seed, len(self.reasons)])
            self._expert, self._since = self._experts[seen.task.name](rng), None
            self.reasons.append(reason)
        return DeviceCommand()

    def _correct(self, seen: Observation, judge: Judge, expert: Expert) -> DeviceCommand:
        if self._config.give_back and self._lasts(judge.safe(seen), seen, self._config.settle):
            self._expert, self._since, self._gives_back = None, None, True
            return DeviceCommand()
        return expert.command(seen)

    def _lasts(self, true: bool, seen: Observation, seconds: float) -> bool:
        """Has it been true for so long?"""
        assert seen.task is not None
        if not true:
            self._since = None
        elif self._since is None:
            self._since = seen.task.elapsed
        return self._since is not None and seen.task.elapsed - self._since >= seconds
