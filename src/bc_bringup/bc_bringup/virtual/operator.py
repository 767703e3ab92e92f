"""A graph in processes of its own, and an operator who is a program: Joy messages, as joy_node sends them."""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
from lifecycle_msgs.msg import State
from lifecycle_msgs.srv import GetState
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from sensor_msgs.msg import Joy

from bc_bringup.episodes.manager import SETTLE_SECONDS
from bc_core.checkpoint import save_policy
from bc_core.contract import Contract
from bc_core.errors import BcError
from bc_core.normalisation import Normaliser
from bc_core.policies.chunk_policy import ChunkPolicy, input_layout
from bc_core.policies.config import TrainConfig
from bc_msgs.msg import ActionChunk, ChunkAck, ControllerState, ControlMode, TaskState
from bc_msgs.srv import ChangeMode, ResetScene, StartEpisode, StopEpisode
from bc_nodes import qos
from bc_nodes.transport import repair_promptly

PATIENCE = 60.0  # [s] before something counts as not happening; never waited for in a test that passes
ANSWER = 3.0  # [s] before a node is asked again how it is
DEAD_MAN, RESUME, STOP, RESET = 4, 5, 3, 8  # buttons of config/teleop/joy.yaml
_JOY_RATE = 50.0  # [Hz]
AXES, BUTTONS = 8, 11  # as joy_node counts those of an Xbox pad; triggers are 0 until they are first touched
NODES = ("sim", "policy_node", "chunk_scheduler", "recorder", "teleop")


def drifting_policy(contract_file: Path, policy_file: Path, folder: Path) -> Path:
    """A checkpoint that has learnt nothing but to turn the first joint slowly, with a network of the usual size.

    contract_file, policy_file: in config/contracts and config/policies.
    """
    contract = Contract.load(contract_file)
    config = TrainConfig.load(policy_file).policy
    encoder, features, streams, _ = input_layout(contract, config)
    widths = {name: len(o.fields) * max(1, len(o.names)) for name, o in contract.observations.items()}
    size = features({stream: np.ones((config.n_obs_steps, widths[stream])) for stream in streams}).size
    mean = np.zeros((config.horizon, encoder.width))
    mean[:, 0] = 0.01 * np.arange(config.horizon)
    actions = Normaliser(mean, np.full((config.horizon, encoder.width), 1e-4))
    save_policy(ChunkPolicy(contract, config, Normaliser(np.zeros(size), np.ones(size)), actions), folder, {})
    return folder


class Operator:
    """Starts `bcros launch`, watches the controller, and holds the joystick: 50 readings a second while plugged in.

    nodes: that the launch file starts. arguments: of the launch file.
    """

    def __init__(self, folder: Path, launch: str, nodes: tuple[str, ...] = NODES, **arguments: str) -> None:
        command = ["bcros", "launch", launch, *(f"{key}:={value}" for key, value in arguments.items())]
        self._log = folder / "launch.log"
        self.process = subprocess.Popen(
            [*command, "--log-dir", str(folder / "logs")],
            stdout=self._log.open("w"),
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        open_context()
        self.node = Node("operator")
        self.modes: list[ControlMode] = []
        self.acks: list[ChunkAck] = []
        self.states: list[ControllerState] = []
        self.chunks: list[ActionChunk] = []
        self.plugged = True
        self._nodes = nodes
        self._listens = arguments.get("device") == "joy"
        self._axes, self._buttons = [0.0] * AXES, [0] * BUTTONS
        self._joy = self.node.create_publisher(Joy, "joy", qos.stream_out(_JOY_RATE))
        self.node.create_subscription(ControlMode, "controller/mode", self.modes.append, qos.RECORD_LATCHED)
        self.node.create_subscription(ChunkAck, "controller/ack", self.acks.append, qos.RECORD)
        self.node.create_subscription(ControllerState, "controller/state", self.states.append, qos.RECORD)
        self.node.create_subscription(ActionChunk, "command/human", self.chunks.append, qos.RECORD)
        self.task_decided = False
        self.node.create_subscription(TaskState, "task/state", self._on_task, qos.STATE)
        self.node.create_timer(1 / _JOY_RATE, self._send)
        self._clients: dict[str, Any] = {}
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self.node)

    @property
    def mode(self) -> int:
        return int(self.modes[-1].mode) if self.modes else -1

    def wait_until_active(self) -> None:
        """Until every node is active, and has had the time to find the others' topics, and a stick that is let go."""
        for name in self._nodes:
            self.until(partial(self.is_active, name))
        self.until(lambda: bool(self.states) and bool(self.modes))
        if self._listens:
            self.until(lambda: self._joy.get_subscription_count() > 0)
        self.spin_for(SETTLE_SECONDS)

    def is_active(self, name: str) -> bool:
        """Whether the node says so. No answer counts as no: a killed node of that name is seen until its lease ends."""
        client = self._client(GetState, f"{name}/get_state")
        self.until(client.service_is_ready)
        future = client.call_async(GetState.Request())
        deadline = time.monotonic() + ANSWER
        while not future.done() and time.monotonic() < deadline:
            self._executor.spin_once(timeout_sec=0.02)
        return bool(future.done() and future.result().current_state.id == State.PRIMARY_STATE_ACTIVE)

    def press(self, *buttons: int, **axes: float) -> None:
        """Hold exactly these buttons from now on; axes by index, as a0=..., a1=..."""
        self._buttons = [int(index in buttons) for index in range(BUTTONS)]
        self._axes = [axes.get(f"a{index}", 0.0) for index in range(AXES)]
        self._send()

    def click(self, button: int) -> None:
        """Press a button and let it go."""
        self.press(button)
        self.spin_for(0.1)
        self.press()

    def call(self, kind: Any, name: str, **fields: Any) -> Any:
        client = self._client(kind, name)
        self.until(client.service_is_ready)
        future = client.call_async(kind.Request(**fields))
        self.until(future.done)
        return future.result()

    def _client(self, kind: Any, name: str) -> Any:
        if name not in self._clients:
            self._clients[name] = self.node.create_client(kind, name)
        return self._clients[name]

    def hold(self) -> None:
        """Bring the robot to HOLD from wherever it is."""
        requests = {
            ControlMode.POLICY: ChangeMode.Request.HOLD,
            ControlMode.PLANNER: ChangeMode.Request.HOLD,
            ControlMode.STOPPED: ChangeMode.Request.RESET,
        }
        request = requests.get(self.mode)
        if request is not None:
            self.call(ChangeMode, "controller/change_mode", request=request, reason="operator")
        self.until_mode(ControlMode.HOLD)

    def reset_scene(self, seed: int) -> None:
        self.accepted(ResetScene, "sim/reset", seed=seed)

    def start_episode(self, seed: int, task: str = "conveyor_pick") -> str:
        """Reset the scene and record; the bag's path."""
        self.reset_scene(seed)
        return str(self.accepted(StartEpisode, "episode/start", task=task, seed=seed).path)

    def stop_episode(self, outcome: int) -> None:
        self.accepted(StopEpisode, "episode/stop", outcome=outcome, reason="operator")

    def accepted(self, kind: Any, name: str, **fields: Any) -> Any:
        """As `call`, of a service that may refuse. BcError when it does."""
        answer = self.call(kind, name, **fields)
        if not answer.success:
            raise BcError(f"{name} was refused: {answer.message}")
        return answer

    def until_mode(self, mode: int) -> None:
        self.until(lambda: self.mode == mode)

    def until(self, condition: Callable[[], bool], meanwhile: Callable[[], None] = lambda: None) -> None:
        """Spin until it holds, and do `meanwhile` again and again.

        AssertionError: it did not come, or the graph has ended.
        """
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert self.process.poll() is None, f"the graph has ended:\n{self._log.read_text()[-2000:]}"
            assert time.monotonic() < deadline, f"what was waited for did not come; mode is {self.mode}"
            meanwhile()
            self._executor.spin_once(timeout_sec=0.02)

    def spin_for(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self._executor.spin_once(timeout_sec=0.005)

    def close(self) -> None:
        """End the graph as Ctrl-C does."""
        self._executor.shutdown()
        self.node.destroy_node()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(30)
        finally:
            if self.process.poll() is None:
                os.killpg(self.process.pid, signal.SIGKILL)

    def _on_task(self, msg: TaskState) -> None:
        self.task_decided = bool(msg.success or msg.failure)

    def _send(self) -> None:
        if self.plugged:
            self._joy.publish(Joy(axes=self._axes, buttons=self._buttons))


def open_context() -> None:
    """Initialise rclpy unless that has been done."""
    if not rclpy.ok():
        repair_promptly()
        rclpy.init(args=[])
