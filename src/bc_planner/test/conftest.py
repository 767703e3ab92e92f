"""The Panda's cell, and planners in it."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pinocchio as pin
import pytest

from bc_controllers import Robot, load_robot
from bc_core.contract import Contract
from bc_planner.planner import MotionPlanner, Settings
from bc_planner.workspace import Obstacle, Workspace, load_workspace

CONFIG = Path(__file__).resolve().parents[3] / "config"


@pytest.fixture(scope="session")
def robot() -> Robot:
    return load_robot(CONFIG / "robots" / "panda.yaml")


@pytest.fixture(scope="session")
def contract() -> Contract:
    return Contract.load(CONFIG / "contracts" / "panda_conveyor.yaml")


@pytest.fixture(scope="session")
def workspace() -> Workspace:
    return load_workspace(CONFIG / "workspaces" / "panda_conveyor.yaml")


@pytest.fixture(scope="session")
def make_planner(robot: Robot, contract: Contract, workspace: Workspace) -> Callable[..., MotionPlanner]:
    """A planner in the cell with more boxes: (name, edges, centre)."""

    def make(*boxes: tuple[str, tuple[float, float, float], tuple[float, float, float]]) -> MotionPlanner:
        more = tuple(Obstacle(name, "box", edges, pin.SE3(np.eye(3), np.array(at))) for name, edges, at in boxes)
        crowded = replace(workspace, obstacles=workspace.obstacles + more)
        return MotionPlanner(robot, crowded, contract.groups, contract.grid, Settings())

    return make


@pytest.fixture(scope="session")
def planner(make_planner: Callable[..., MotionPlanner]) -> MotionPlanner:
    return make_planner()


@pytest.fixture(scope="session")
def start(workspace: Workspace) -> np.ndarray:
    """The row at which episodes begin."""
    return np.append(workspace.configurations["start"].arm, 0.08)
