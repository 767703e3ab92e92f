"""The scripted expert as a device: starts with every new episode, lets the dead-man go when the episode is decided."""

from collections.abc import Callable
from typing import Protocol

import numpy as np

from bc_core.errors import BcError
from bc_teleop.command import DeviceCommand, Observation, TaskView
from bc_teleop.devices.conveyor_pick import ConveyorPickConfig, ConveyorPickExpert


class Expert(Protocol):
    """Drives one episode of one task."""

    def command(self, seen: Observation) -> DeviceCommand: ...


ExpertMaker = Callable[[np.random.Generator], Expert]


class ScriptedDevice:
    """An expert at the stick.

    experts: by task name. seed: of the expert; with it and the seed of the episode every episode can be repeated.
    await_recording: begin only when the recorder records, so that no demonstration lacks its beginning.
    """

    def __init__(self, experts: dict[str, ExpertMaker], seed: int, await_recording: bool) -> None:
        self._experts = experts
        self._seed = seed
        self._await_recording = await_recording
        self._episode: TaskView | None = None
        self._waiting = False
        self.expert: Expert | None = None

    def command(self, seen: Observation) -> DeviceCommand:
        """The expert's command; no dead-man outside episodes. BcError: no expert for the task."""
        task = seen.task
        if task is None:
            return DeviceCommand()
        if self._is_new(task):
            if task.name not in self._experts:
                raise BcError(f"no scripted expert for task '{task.name}': there is one for {', '.join(self._experts)}")
            self.expert = None
            self._waiting = True
        self._episode = task
        if task.success or task.failure:
            self.expert = None
            self._waiting = False
        elif self._waiting and (seen.recording or not self._await_recording):
            self.expert = self._experts[task.name](np.random.default_rng([self._seed, task.seed]))
            self._waiting = False
        return self.expert.command(seen) if self.expert is not None else DeviceCommand()

    def waits(self, task: TaskView, recording: bool) -> bool:
        """Would the expert have to wait for the recorder with this episode?"""
        begins = self._waiting or self._is_new(task)
        return self._await_recording and begins and not recording and not (task.success or task.failure)

    def _is_new(self, task: TaskView) -> bool:
        last = self._episode
        return last is None or task.seed != last.seed or task.elapsed < last.elapsed


def conveyor_pick_maker(config: ConveyorPickConfig) -> ExpertMaker:
    """Experts at conveyor_pick with this configuration."""
    return lambda rng: ConveyorPickExpert(config, rng)
