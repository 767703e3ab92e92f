"""The launch files mean to ROS 2 launch what they mean to `bcros launch`: where ROS 2 launch is installed."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from bc_bringup import resources
from bc_bringup.launching.expand import Process, expand
from bc_bringup.launching.substitution import Context
from bc_core.errors import BcError

pytest.importorskip("launch_ros", reason="ROS 2 launch is not installed: only `bcros launch` can be tested here")
import launch

Started = tuple[tuple[str, ...], dict[str, Any]]
"""A command line without its parameters, and these."""

URDF = Path(__file__)  # any file: its text is the description


def installed(*packages: str) -> bool:
    try:
        return all(resources.InstalledPackages().prefix(package) for package in packages)
    except BcError:
        return False


UNDER_CONTROL = pytest.mark.skipif(
    not installed("controller_manager", "robot_state_publisher"), reason="ros2_control is not installed"
)
WITH_MOVEIT = pytest.mark.skipif(not installed("moveit_ros_move_group"), reason="MoveIt is not installed")
GRAPHS = [
    ("collect", {}),
    ("collect", {"namespace": "left", "device": "none", "lockstep": "false", "seed": "7", "camera": "false"}),
    ("rollout", {"checkpoint": "a policy", "strategy": "naive", "beta": "2", "device": "joy"}),
    ("dagger", {"checkpoint": "/policy", "namespace": "right", "directory": "out/x"}),
    ("dagger", {"checkpoint": "/policy", "tags": "cube"}),
    ("skills", {"namespace": "left", "selector": "machine", "device": "joy"}),
    ("skills", {"tags": "cube"}),
    pytest.param("robot", {}, marks=UNDER_CONTROL),
    pytest.param("robot", {"robot": "ur5", "namespace": "left"}, marks=UNDER_CONTROL),
    pytest.param("robot", {"hardware": "sim", "controller": "JointImpedanceController"}, marks=UNDER_CONTROL),
    pytest.param("robot", {"hardware": "real", "description": str(URDF)}, marks=UNDER_CONTROL),
    pytest.param("moveit", {"namespace": "left", "hardware": "sim"}, marks=WITH_MOVEIT),
]


@pytest.fixture
def started_by_ros2(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[list[Started]]:
    """What ROS 2 launch would start, in order; nothing is started."""
    from launch.actions import ExecuteLocal

    monkeypatch.setenv("ROS_LOG_DIR", str(tmp_path))
    commands: list[Started] = []

    def record(action: Any, context: Any) -> None:
        action.prepare(context)
        commands.append(from_command_line(action.process_description.final_cmd))

    monkeypatch.setattr(ExecuteLocal, "execute", record)
    yield commands


def from_command_line(command: list[str]) -> Started:
    """Parameters come as files, one per mapping; what comes later wins. The launch file's own are told apart."""
    plain, parameters = [], {}
    words = iter(command)
    for word in words:
        if word == "--params-file":
            file = Path(next(words))
            entries = list(yaml.safe_load(file.read_text()).values())
            made = file.name.startswith("launch_params_")
            parameters.update(entries[0]["ros__parameters"] if made else {"file": entries})
        elif word != "--ros-args":  # as often as there are things to say
            plain.append(word)
    return tuple(plain), parameters


def from_process(process: Process) -> Started:
    parameters: dict[str, Any] = {}
    for entry in process.parameters:
        if isinstance(entry, Mapping):
            parameters.update(entry)
        else:
            parameters["file"] = list(yaml.safe_load(entry.read_text()).values())
    return tuple(word for word in process.command if word != "--ros-args"), parameters


@pytest.mark.parametrize(("name", "arguments"), GRAPHS)
def test_both_start_the_same_processes(name: str, arguments: dict[str, str], started_by_ros2: list[Started]) -> None:
    from launch.launch_description_sources import AnyLaunchDescriptionSource

    file = resources.launch_path(name)
    ours = [from_process(p) for p in expand(file, arguments, Context(resources.InstalledPackages())).processes]
    source = AnyLaunchDescriptionSource(str(file))
    include = launch.actions.IncludeLaunchDescription(source, launch_arguments=list(arguments.items()))
    service = launch.LaunchService(noninteractive=True)
    service.include_launch_description(launch.LaunchDescription([include]))
    assert service.run() == 0
    assert started_by_ros2 == ours
    assert len(ours) >= 2
