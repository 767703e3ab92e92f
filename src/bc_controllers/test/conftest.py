"""Shared by the tests of bc_controllers: a two-joint arbiter, the Panda, and chunks in their layouts."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from bc_controllers import Arbiter, Controller, ControllerConfig, Robot, load_robot
from bc_core.chunks import ActionChunk, ActionGroup, Space

sys.path.insert(0, str(Path(__file__).parent))  # helpers beside the tests

Array = npt.NDArray[np.float64]
CONFIG = Path(__file__).parents[3] / "config"
ROBOT_FILE = CONFIG / "robots" / "panda.yaml"
STAND_INS = {"FR3_URDF": ("panda", "panda_", "fr3_"), "UR5E_URDF": ("ur5", "", "")}
"""Environment variable -> a robot of the same joints whose description is installed, and its names: theirs is not."""
START = 10_000_000_000  # [ns]
MakeChunk = Callable[..., ActionChunk]


@pytest.fixture
def program() -> Callable[[str], str]:
    """program(name): a test program of this package, as installed."""

    def find(name: str) -> str:
        for prefix in os.environ.get("AMENT_PREFIX_PATH", "").split(":"):
            path = Path(prefix) / "lib" / "bc_controllers" / name
            if path.is_file():
                return str(path)
        raise FileNotFoundError(f"{name}: build bc_controllers with BUILD_TESTING, and source the workspace")

    return find


@pytest.fixture
def descriptions(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Copies of the descriptions that the environment names; where it names none, of what stands in for them."""
    for variable, (name, old, new) in STAND_INS.items():
        stand_in = load_robot(CONFIG / "robots" / f"{name}.yaml").urdf.read_text().replace(old, new)
        text = Path(os.environ[variable]).read_text() if variable in os.environ else stand_in
        urdf = tmp_path / f"{variable}.urdf"
        urdf.write_text(text)
        monkeypatch.setenv(variable, str(urdf))


@pytest.fixture
def robot() -> Robot:
    return load_robot(ROBOT_FILE)


@pytest.fixture
def controller(robot: Robot) -> Controller:
    return Controller(robot.controller, str(robot.urdf))


@pytest.fixture
def config(robot: Robot) -> ControllerConfig:
    """The Panda's, with limits of its own, as an Arbiter wants it."""
    robot.controller.position_lower, robot.controller.position_upper = [-2.5] * 7, [2.5] * 7
    return robot.controller


@pytest.fixture
def arbiter(config: ControllerConfig) -> Arbiter:
    """In HOLD at START, standing at 0.1 rad in all joints with the gripper at 0.04 m."""
    arbiter = Arbiter(config, [0.1] * 7, 0.04)
    arbiter.advance(START)
    arbiter.poll_modes()
    return arbiter


@pytest.fixture
def make_chunk(robot: Robot) -> MakeChunk:
    """make_chunk(rows (H, 8), stamp_ns, ...): a sound chunk of the Panda's layout, sequences counting up."""
    groups = (
        ActionGroup("arm", Space.JOINT_POSITION, robot.arm, 0, 7),
        ActionGroup("gripper", Space.GRIPPER, (robot.gripper,), 7, 1),
    )
    sequence = 0

    def make(rows: Array, stamp_ns: int, **fields: Any) -> ActionChunk:
        nonlocal sequence
        sequence += 1
        values: dict[str, Any] = {
            "dt_ns": 50_000_000,
            "groups": groups,
            "producer": "test",
            "producer_id": 7,
            "sequence": sequence,
        }
        return ActionChunk(stamp_ns=stamp_ns, actions=np.asarray(rows, dtype=float), **{**values, **fields})

    return make


@pytest.fixture
def level() -> Callable[..., Array]:
    """level(value, rows, gripper): rows that stand at one value in all joints."""

    def make(value: float, rows: int = 8, gripper: float = 0.04) -> Array:
        return np.hstack([np.full((rows, 7), value), np.full((rows, 1), gripper)])

    return make


@pytest.fixture
def home(robot: Robot) -> Array:
    return np.array(robot.home)
