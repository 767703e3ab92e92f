"""A controller_manager with a robot's description and parameters, and whoever speaks to it."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
import yaml
from ament_index_python.packages import get_package_prefix
from builtin_interfaces.msg import Duration
from control_msgs.action import FollowJointTrajectory
from controller_manager_msgs.srv import (
    ConfigureController,
    ListControllers,
    ListControllerTypes,
    LoadController,
    SwitchController,
)
from rclpy.action import ActionClient
from rclpy.node import Node
from std_msgs.msg import String
from trajectory_msgs.msg import JointTrajectoryPoint

from bc_controllers import Robot, load_robot
from bc_controllers.description import robot_description
from bc_msgs.msg import ActionChunk, ActionGroup, ChunkAck, ControllerState, ControlMode
from bc_msgs.srv import ChangeMode
from bc_nodes import qos

CONFIG = Path(__file__).parents[4] / "config"
RATE = 500  # of the control loop [Hz]
TIMEOUT = 20.0  # for whatever is awaited; nothing is measured with it [s]


class ControlRig:
    """A node that commands, and remembers what it hears of a controller."""

    def __init__(self, robot: Robot, log: Path, controller: str = "controller", namespace: str = "") -> None:
        self.robot, self._log = robot, log
        self.node = Node(f"rig_of_{controller}", namespace=namespace)
        self.acks: list[ChunkAck] = []
        self.modes: list[ControlMode] = []
        self.state: ControllerState | None = None
        self._sequence = 0
        self._description = self.node.create_publisher(String, "robot_description", qos.LATCHED)
        self._commands = {
            source: self.node.create_publisher(ActionChunk, f"command/{source}", qos.COMMAND)
            for source in ("human", "policy", "planner")
        }
        self.node.create_subscription(ChunkAck, f"{controller}/ack", self.acks.append, qos.EVENT)
        self.node.create_subscription(ControlMode, f"{controller}/mode", self.modes.append, qos.LATCHED)
        self.node.create_subscription(ControllerState, f"{controller}/state", self._heard, qos.STATE)
        self.follow = ActionClient(self.node, FollowJointTrajectory, f"{controller}/follow_joint_trajectory")

    def _heard(self, state: ControllerState) -> None:
        self.state = state

    def describe(self, hardware: str) -> None:
        self._description.publish(String(data=robot_description(self.robot, hardware)))

    def until(self, condition: Callable[[], Any], what: str, timeout: float = TIMEOUT) -> Any:
        """Spin until a condition holds, and return its value."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            if result := condition():
                return result
            rclpy.spin_once(self.node, timeout_sec=0.02)
        raise AssertionError(f"{what}: not within {timeout} s; the process said:\n{self.said()[-3000:]}")

    def spin(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            rclpy.spin_once(self.node, timeout_sec=0.02)

    @contextmanager
    def beside(self, controller: str) -> Iterator["ControlRig"]:
        """A rig for another controller of the same manager."""
        rig = ControlRig(self.robot, self._log, controller)
        try:
            yield rig
        finally:
            rig.destroy()

    def destroy(self) -> None:
        self.follow.destroy()
        self.node.destroy_node()

    def said(self) -> str:
        return self._log.read_text()

    def result(self, future: Any, what: str) -> Any:
        self.until(future.done, what)
        return future.result()

    def call(self, kind: Any, service: str, /, **fields: Any) -> Any:
        client = self.node.create_client(kind, service)
        try:
            self.until(client.service_is_ready, f"service {service}")
            return self.result(client.call_async(kind.Request(**fields)), f"answer of {service}")
        finally:
            self.node.destroy_client(client)

    def controller_types(self) -> list[str]:
        return list(self.call(ListControllerTypes, "controller_manager/list_controller_types").types)

    def load(self, name: str) -> bool:
        return bool(self.call(LoadController, "controller_manager/load_controller", name=name).ok)

    def configure(self, name: str) -> bool:
        return bool(self.call(ConfigureController, "controller_manager/configure_controller", name=name).ok)

    def switch(self, activate: Sequence[str] = (), deactivate: Sequence[str] = ()) -> bool:
        fields = {"activate_controllers": list(activate), "deactivate_controllers": list(deactivate)}
        strict = SwitchController.Request.STRICT
        timeout = Duration(sec=5)
        name = "controller_manager/switch_controller"
        return bool(self.call(SwitchController, name, strictness=strict, timeout=timeout, **fields).ok)

    def lifecycle(self, name: str) -> str:
        listed = self.call(ListControllers, "controller_manager/list_controllers").controller
        return next((one.state for one in listed if one.name == name), "absent")

    def change_mode(self, request: int) -> ChangeMode.Response:
        return self.call(ChangeMode, "controller/change_mode", request=request, reason="test")

    def fresh_state(self) -> ControllerState:
        """One that was sent after this call."""
        self.state = None
        return self.until(lambda: self.state, "controller/state")

    def mode(self) -> int:
        return int(self.fresh_state().mode)

    def position(self) -> np.ndarray:
        return np.array(self.fresh_state().position)

    def send(self, source: str, rows: np.ndarray, epoch: int | None = None, dt: float = 0.05) -> int:
        """A chunk of arm positions (H, N), beginning now, with the gripper at its reference. Returns its sequence."""
        state = self.fresh_state()
        self._sequence += 1
        chunk = ActionChunk(
            dt=Duration(nanosec=round(dt * 1e9)),
            horizon=len(rows),
            producer="rig",
            producer_id=42,
            sequence=self._sequence,
            mode_epoch=state.mode_epoch if epoch is None else epoch,
        )
        chunk.header.stamp = self.node.get_clock().now().to_msg()
        width = len(self.robot.arm)
        chunk.groups = [ActionGroup(name="arm", space=1, names=list(self.robot.arm), offset=0, width=width)]
        if self.robot.gripper:
            chunk.groups.append(ActionGroup(name="gripper", space=3, names=[self.robot.gripper], offset=width, width=1))
            rows = np.hstack([rows, np.full((len(rows), 1), state.gripper_reference)])
        chunk.actions = np.asarray(rows, dtype=float).ravel().tolist()
        self._commands[source].publish(chunk)
        return self._sequence

    def ack_of(self, sequence: int) -> ChunkAck:
        return self.until(lambda: next((a for a in self.acks if a.sequence == sequence), None), "acknowledgement")

    def goal(
        self, points: Sequence[tuple[float, np.ndarray]], joints: Sequence[str] = ()
    ) -> FollowJointTrajectory.Goal:
        """A trajectory at rest at both ends, through points (time [s], positions (N,))."""
        goal = FollowJointTrajectory.Goal()
        goal.trajectory.joint_names = list(joints or self.robot.arm)
        for moment, positions in points:
            point = JointTrajectoryPoint(positions=positions.tolist(), velocities=[0.0] * len(positions))
            point.time_from_start = Duration(sec=int(moment), nanosec=round((moment % 1.0) * 1e9))
            goal.trajectory.points.append(point)
        return goal


@contextmanager
def running(name: str, hardware: str, parameters: dict[str, Any], folder: Path) -> Iterator[ControlRig]:
    """A controller_manager for a robot, on hardware that is not there; `parameters`: by node, over those of its file.

    `controller` in them takes the file's section; one of another name says all that it needs, or `like: controller`.
    """
    robot = load_robot(CONFIG / "robots" / f"{name}.yaml")
    told = yaml.safe_load((CONFIG / "ros2_control" / f"{name}.yaml").read_text())
    sections = {node.removeprefix("/**/"): entry["ros__parameters"] for node, entry in told.items()}
    sections["controller_manager"]["update_rate"] = RATE
    for node, values in parameters.items():
        own = {key: value for key, value in values.items() if key != "like"}
        base = deepcopy(sections.get(values.get("like", node), {}))  # shared, it would be a YAML alias: rcl reads none
        sections[node] = _merged(base, own)
    file = folder / "parameters.yaml"
    file.write_text(yaml.safe_dump({f"/**/{node}": {"ros__parameters": entry} for node, entry in sections.items()}))
    log = folder / "controller_manager.log"
    program = Path(get_package_prefix("controller_manager")) / "lib" / "controller_manager" / "ros2_control_node"
    command = [str(program), "--ros-args", "--params-file", str(file)]
    with log.open("w") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, env=dict(os.environ))
        rig = ControlRig(robot, log)
        try:
            rig.describe(hardware)
            yield rig
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(10.0)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            rig.destroy()


def _merged(base: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in own.items():
        known = merged.get(key)
        merged[key] = _merged(known, value) if isinstance(value, dict) and isinstance(known, dict) else value
    return merged
