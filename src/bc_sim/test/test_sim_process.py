"""The process of sim_node: how it begins and how it ends."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import rclpy
from rclpy.node import Node

from bc_msgs.msg import TaskState
from bc_nodes import qos
from bc_nodes.testing import domain_of_its_own

CONFIG = Path(__file__).parents[3] / "config"


@pytest.fixture(scope="module", autouse=True)
def ros_domain() -> Iterator[None]:
    with domain_of_its_own():
        yield


def start_process(*parameters: str, **environment: str) -> subprocess.Popen[str]:
    """The node as a process of its own, with the repository's files."""
    files = [
        f"robot:={CONFIG}/robots/panda.yaml",
        f"contract:={CONFIG}/contracts/panda_conveyor.yaml",
        f"task:={CONFIG}/tasks/conveyor_pick.yaml",
    ]
    args = [item for value in [*files, *parameters] for item in ("-p", value)]
    command = [sys.executable, "-m", "bc_sim.sim_node", "--ros-args", *args]
    return subprocess.Popen(
        command, env=os.environ | environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_without_a_renderer_the_process_says_so_in_one_line_and_ends() -> None:
    process = start_process(MUJOCO_GL="egl", MUJOCO_EGL_DEVICE_ID="99")
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 2
    lines = [line for line in errors.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1
    assert "camera 'camera' cannot render off screen" in lines[0]
    assert "camera:=false" in lines[0]
    assert "Traceback" not in errors


@pytest.mark.parametrize(("number", "lockstep"), [(signal.SIGINT, "true"), (signal.SIGTERM, "false")])
def test_a_signal_ends_the_process_cleanly(number: int, lockstep: str) -> None:
    process = start_process(f"lockstep:={lockstep}", "participants:=[nobody]")
    rclpy.init()
    try:
        listener = Node("listener")
        heard: list[TaskState] = []
        listener.create_subscription(TaskState, "task/state", heard.append, qos.RECORD)
        while not heard and process.poll() is None:
            rclpy.spin_once(listener, timeout_sec=0.1)
        process.send_signal(number)
        _, errors = process.communicate(timeout=60)
        listener.destroy_node()
    finally:
        process.kill()
        rclpy.try_shutdown()
    assert heard
    assert process.returncode == 0, errors
    assert "Traceback" not in errors
