"""Shared by the tests of bc_sim: the configurations of the repository."""

import sys
from pathlib import Path

import pytest

from bc_controllers import Robot, load_robot
from bc_sim.task_config import TaskConfig, load_task

sys.path.insert(0, str(Path(__file__).parent))  # helpers beside the tests

CONFIG = Path(__file__).parents[3] / "config"


@pytest.fixture(scope="session")
def robot() -> Robot:
    return load_robot(CONFIG / "robots" / "panda.yaml")


@pytest.fixture(scope="session")
def task() -> TaskConfig:
    return load_task(CONFIG / "tasks" / "conveyor_pick.yaml")
