"""Labels for a recorded episode: its scenes restored, and the expert asked there as in one that is under way."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bc_bringup.virtual.expert import Answer, SimulatedExpert
from bc_bringup.virtual.restore import restore, scenes
from bc_core.bags import open_episode
from bc_core.contract import Contract
from bc_core.dagger.asked import AskedLabels
from bc_core.dataset import read_episode
from bc_core.errors import BcError


def ticks_of(bag: Path, contract: Contract, every: int, sources: Sequence[str]) -> list[int]:
    """Each `every`-th tick of an episode at which one of the sources commanded and there is a frame."""
    stream = next(name for name, observation in contract.observations.items() if not observation.is_image)
    episode = read_episode(bag, contract, (stream,), 1)
    chosen = np.flatnonzero(episode.has_frame & episode.has_command & np.isin(episode.source, sources))
    return [episode.first_tick + int(index) for index in chosen[::every]]


def label_bag(
    bag: Path, contract: Contract, expert: SimulatedExpert, ticks: Sequence[int], horizon: int, about: Mapping[str, Any]
) -> AskedLabels:
    """What the expert would do at these ticks of a bag; where a scene cannot be restored, or nothing is left to do,
    there is no label.

    about: more for the provenance. BcError: the bag is not of this task, or lacks a topic.
    """
    episode = open_episode(bag)
    task = episode.info.get("task")
    if task != expert.simulation.task_config.task:
        raise BcError(f"episode '{bag}' is of task '{task}': give the task file it was made with (--task)")
    answers: dict[int, Answer] = {}
    for scene in scenes(episode, contract, ticks, tuple(expert.simulation.robot.arm)):
        restore(expert.simulation, scene, contract)
        answer = expert.ask(horizon)
        if answer is not None:
            answers[scene.tick] = answer
    width = contract.width
    rows = np.array([answer.rows for answer in answers.values()]).reshape(-1, horizon, width)
    valid = np.array([answer.valid for answer in answers.values()], dtype=np.bool_).reshape(-1, horizon)
    provenance = {"expert": expert.NAME, "restored": True, "drove": 0, "asked": len(ticks), **about}
    return AskedLabels(np.array(list(answers), dtype=np.int64), rows, valid, provenance)
