"""What the tests of teleoperation share: the Panda's files, its kinematics, its layout."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from bc_controllers import Robot, load_robot
from bc_core.contract import Contract
from bc_teleop.ik import DifferentialIk

if TYPE_CHECKING:
    from teleop_graph import Graph

sys.path.insert(0, str(Path(__file__).parent))  # helpers beside the tests
CONFIG = Path(__file__).resolve().parents[3] / "config"


@pytest.fixture(scope="session")
def config_folder() -> Path:
    return CONFIG


@pytest.fixture(scope="session")
def contract() -> Contract:
    return Contract.load(CONFIG / "contracts" / "panda_conveyor.yaml")


@pytest.fixture(scope="session")
def robot() -> Robot:
    return load_robot(CONFIG / "robots" / "panda.yaml")


@pytest.fixture
def ik(robot: Robot) -> DifferentialIk:
    return DifferentialIk(robot.urdf, robot.arm, robot.tcp, np.array(robot.home))


@pytest.fixture
def graph(robot: Robot, config_folder: Path) -> "Iterator[Callable[..., Graph]]":
    """Makes graphs of teleop_node with these parameters; they are gone at the end."""
    from teleop_graph import Graph

    graphs: list[Graph] = []

    def make(**parameters: Any) -> Graph:
        graphs.append(Graph(robot, config_folder, **parameters))
        return graphs[-1]

    yield make
    for made in graphs:
        made.close()
