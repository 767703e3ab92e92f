"""The simulated robot without ROS: scene, task, controller and plant put together.

Two ways to run, as bc_sim._plant.Plant has them: in lock step (`plant.advance`), or in real time (`start`). Everything
here is cheap next to the physics and safe to call while the plant's thread runs.
"""

import dataclasses
import threading
import time
from dataclasses import dataclass
from typing import Any

import mujoco
import numpy as np
import numpy.typing as npt

from bc_controllers import Controller, ModeResult, Robot
from bc_core.contract import Contract
from bc_core.errors import BcError
from bc_sim import scene as scenes
from bc_sim._plant import Plant
from bc_sim.appearance import draw_look, wear
from bc_sim.camera import DEPTH_TOPIC, IMAGE_TOPIC
from bc_sim.task import ConveyorPick, TaskOutcome, draw_start, write_start
from bc_sim.task_config import TaskConfig

Array = npt.NDArray[np.float64]

PERIOD_NS = 1_000_000
_ANSWER_TIME = 1.0  # [s] in which the control loop must have begun, or answered a request


@dataclass(frozen=True)
class ObjectState:
    """The cube at `stamp_ns`: position (3,) [m] and orientation (4,) x y z w in the base frame; linear (3,) [m/s] and
    angular (3,) [rad/s] velocity in the cube's own frame, as nav_msgs/Odometry wants them.
    """

    stamp_ns: int
    position: Array
    orientation: Array
    linear: Array
    angular: Array


class Simulation:
    """Builds everything and starts in the scene of `seed`. BcError for configurations that contradict each other."""

    def __init__(self, robot: Robot, task: TaskConfig, seed: int, start_ns: int = 1_000_000_000) -> None:
        self.robot, self.task_config = robot, task
        self.scene = scenes.build(robot, task)
        self.task = ConveyorPick(task, self.scene.ids)
        self.task.reset(self.scene, seed)
        self._dress(seed)
        self.controller = Controller(robot.controller, str(robot.urdf))
        self.plant = Plant(
            self.controller,
            self.scene.model._address,
            self.scene.data._address,
            arm_joints=robot.arm,
            arm_actuators=robot.arm,
            finger_joints=robot.fingers,
            finger_actuators=robot.fingers,
            period_ns=PERIOD_NS,
            start_ns=start_ns,
        )
        self._snapshot = mujoco.MjData(self.scene.model)
        self._results: dict[int, ModeResult] = {}
        self._lock = threading.Lock()  # of the snapshot: read by the publisher, written by a reset

    def start(self) -> None:
        """Let real time begin; returns when the control loop has run its first period."""
        self.plant.start()
        deadline = time.monotonic() + _ANSWER_TIME
        while self.plant.status().periods == 0:
            if time.monotonic() > deadline:
                self.plant.stop()
                raise RuntimeError(f"the control loop did not run a period within {_ANSWER_TIME} s")
            time.sleep(0.001)

    def new_data(self) -> mujoco.MjData:
        """Room for a snapshot of one's own, for `read`."""
        return mujoco.MjData(self.scene.model)

    def read(self, data: mujoco.MjData) -> int:
        """Copy the newest state into `data` (poses and contacts are left to the caller); its time in ns."""
        return int(self.plant.read(data._address).now_ns)

    def copy_from(self, other: "Simulation") -> None:
        """Fork: go on from where another simulation of the same robot and task stands, task's verdict included.

        In lock step only. From here on both do the same to the bit, given the same commands (Plant.copy_from).
        """
        with self._lock:
            self.plant.copy_from(other.plant)
            self.task.copy_from(other.task)

    def reset(self, seed: int, keep_robot: bool = False) -> int:
        """Put robot, belt and cube into the start state of a seed; time goes on. Returns the time of the reset in ns.

        keep_robot: the arm and the gripper stay where they are, at rest. The controller falls to HOLD at the new
        position and drops every chunk; in lock step one period is run for it.
        """
        with self._lock:
            start = draw_start(self.task_config, seed)
            self.read(self._snapshot)
            if keep_robot:
                ids, qpos = self.scene.ids, self._snapshot.qpos
                arm, opening = qpos[list(ids.arm_qpos)].copy(), float(qpos[list(ids.finger_qpos)].sum())
                start = dataclasses.replace(start, arm=arm, gripper=opening)
            write_start(dataclasses.replace(self.scene, data=self._snapshot), start)
            self.plant.write(self._snapshot._address)
            self.task.begin(start, float(self._snapshot.time))
            self._dress(seed)
            stamp = int(self.plant.now_ns)
        if not self.plant.running:
            self.plant.advance(1)
        return stamp

    def _dress(self, seed: int) -> None:
        """As the seed has it. The physics reads none of it, so that the plant may run meanwhile."""
        if self.task_config.appearance is not None:
            wear(self.scene.model, draw_look(self.task_config.appearance, seed))

    def outcome(self) -> TaskOutcome:
        """Judge the newest state; call it at every tick."""
        with self._lock:
            self.read(self._snapshot)
            mujoco.mj_forward(self.scene.model, self._snapshot)  # contacts
            return self.task.evaluate(self._snapshot)

    def object_state(self) -> ObjectState:
        """Where the cube is."""
        ids = self.scene.ids
        with self._lock:
            stamp = self.read(self._snapshot)
            qpos = self._snapshot.qpos[ids.cube_qpos : ids.cube_qpos + 7].copy()
            qvel = self._snapshot.qvel[ids.cube_qvel : ids.cube_qvel + 6].copy()
        inverse, linear = np.empty(4), np.empty(3)
        mujoco.mju_negQuat(inverse, qpos[3:])
        mujoco.mju_rotVecQuat(linear, qvel[:3], inverse)
        return ObjectState(stamp, qpos[:3], qpos[[4, 5, 6, 3]], linear, qvel[3:])

    def change_mode(self, request: int, reason: str) -> ModeResult:
        """Ask the controller for a mode and wait for its answer: one period. In lock step that period is run here."""
        ticket = self.controller.change_mode(request, reason)
        if not self.plant.running:
            self.plant.advance(1)
        deadline = time.monotonic() + _ANSWER_TIME
        while True:
            self._results.update((result.ticket, result) for result in self.controller.poll_results())
            if ticket in self._results:
                return self._results.pop(ticket)
            if time.monotonic() > deadline:
                raise RuntimeError(f"control loop did not answer mode request {request} within {_ANSWER_TIME} s")
            time.sleep(0.001)


def check_contract(contract: Contract, robot: Robot, task: TaskConfig, camera: bool) -> None:
    """BcError unless robot and task give what the contract promises; names both values."""

    def same(what: str, promised: Any, given: Any, where: str) -> None:
        if promised != given:
            raise BcError(
                f"contract '{contract.name}' says {what} = {promised}, but {where} gives {given}: "
                "use files that belong together"
            )

    same("robot.description", contract.robot.description, robot.name, "the robot file")
    same("robot.base_frame", contract.robot.base_frame, robot.base_frame, "the robot file")
    promised, given = (
        [(g.name, int(g.space), list(g.names), g.tip, g.frame_id) for g in groups]
        for groups in (contract.groups, robot.controller.groups)
    )
    same("actions", promised, given, "the robot")
    depth = task.camera.depth
    encodings = {IMAGE_TOPIC: "rgb8", DEPTH_TOPIC: depth.encoding if depth else "no depth (camera.depth is not set)"}
    for stream in contract.observations.values():
        if stream.is_image and stream.topic in encodings and camera:
            same(f"{stream.name}.encoding", stream.encoding, encodings[stream.topic], "the simulated camera")
            shape = (task.camera.height, task.camera.width, 1 if stream.is_depth else 3)
            same(f"{stream.name}.shape", tuple(stream.shape), shape, f"task '{task.task}'")
            same(f"{stream.name}.rate", stream.rate, task.camera.rate, f"task '{task.task}'")
