"""robot.launch.yaml under `ros2 launch`, from nothing to a robot that follows chunks, and to nothing on Ctrl-C."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("controller_manager_msgs", reason="ros2_control is not installed: its plugins are not built")
from ament_index_python.packages import PackageNotFoundError, get_package_prefix
from control_rig import CONFIG, TIMEOUT, ControlRig
from sensor_msgs.msg import JointState
from test_plugins import ramp, reference

from bc_controllers import load_robot
from bc_msgs.msg import ChunkAck, ControlMode

START = 60.0
"""Until the controller is active [s]; nothing is measured with it."""


def installed(*packages: str) -> bool:
    try:
        return all(get_package_prefix(package) for package in packages)
    except PackageNotFoundError:
        return False


pytestmark = [
    pytest.mark.usefixtures("context", "descriptions"),
    pytest.mark.skipif(
        not installed("ros2launch", "robot_state_publisher"),
        reason="`ros2 launch` or robot_state_publisher is not installed",
    ),
]


@contextmanager
def launched(robot: str, folder: Path, **arguments: str) -> Iterator[ControlRig]:
    """The graph, and whoever commands it; Ctrl-C ends it, and everything that it started."""
    log = folder / "launch.log"
    words = [f"{key}:={value}" for key, value in {"robot": robot, **arguments}.items()]
    command = ["ros2", "launch", "--noninteractive", "bc_bringup", "robot.launch.yaml", *words]
    environment = os.environ | {"ROS_LOG_DIR": str(folder)}
    with log.open("w") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, env=environment, start_new_session=True
        )
        rig = ControlRig(load_robot(CONFIG / "robots" / f"{robot}.yaml"), log, namespace=arguments.get("namespace", ""))
        try:
            yield rig
            process.send_signal(signal.SIGINT)  # launch, without a terminal, tells the others: two may kill one
            process.wait(TIMEOUT)
            with pytest.raises(ProcessLookupError):
                os.killpg(process.pid, 0)
            assert "process has died" not in rig.said()
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            rig.destroy()


@pytest.mark.parametrize(
    ("robot", "arguments"),
    [
        ("panda", {"hardware": "mock"}),
        ("panda", {"hardware": "sim", "controller": "JointImpedanceController"}),
        ("fr3", {"hardware": "sim", "controller": "CartesianImpedanceController"}),
        ("ur5e", {"hardware": "mock"}),
        ("so101", {"hardware": "mock", "namespace": "left"}),
    ],
)
def test_a_robot_comes_up_follows_a_chunk_and_goes_down(robot: str, arguments: dict[str, str], tmp_path: Path) -> None:
    with launched(robot, tmp_path, **arguments) as rig:
        heard: list[JointState] = []
        rig.node.create_subscription(JointState, "joint_states", heard.append, 10)
        rig.until(lambda: rig.lifecycle("controller") == "active", "the controller is active", START)
        assert rig.lifecycle("joint_state_broadcaster") == "active"
        rig.until(lambda: heard, "joint_states")
        assert set(heard[-1].name) == {*rig.robot.arm, *rig.robot.fingers}
        start = reference(rig)
        np.testing.assert_allclose(start, rig.robot.home, atol=2e-3)
        ack = rig.ack_of(rig.send("human", ramp(start, 0, 0.2)))
        assert (ack.verdict, ack.source) == (ChunkAck.IN_FORCE, "human")
        rig.until(lambda: rig.mode() == ControlMode.HUMAN, "HUMAN")
        rig.until(lambda: rig.mode() == ControlMode.HOLD, "HOLD")
        target = ramp(start, 0, 0.2)[-1]
        rig.until(lambda: np.allclose(rig.position(), target, atol=2e-2), "the arm follows")
        column = list(heard[-1].name).index(rig.robot.arm[0])
        rig.until(lambda: abs(heard[-1].position[column] - target[0]) < 2e-2, "joint_states follow")
