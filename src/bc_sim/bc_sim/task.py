"""Task conveyor_pick: grasp a cube that rides on a moving belt and lift it."""

from dataclasses import dataclass

import mujoco
import numpy as np
import numpy.typing as npt

from bc_core.errors import BcError
from bc_sim.scene import Scene, SceneIds
from bc_sim.task_config import TaskConfig

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class StartState:
    """What a seed means. arm [rad], gripper opening [m], cube position [m] and yaw about z [rad], belt speed [m/s]."""

    seed: int
    arm: Array
    gripper: float
    cube_position: Array
    cube_yaw: float
    belt_speed: float


@dataclass(frozen=True)
class TaskOutcome:
    """State of the task: elapsed [s] since the reset; success and failure are final, at most one is true."""

    elapsed: float
    success: bool
    failure: bool
    detail: str

    @property
    def finished(self) -> bool:
        return self.success or self.failure


def draw_start(task: TaskConfig, seed: int) -> StartState:
    """The start state of a seed: the same seed, the same state, on every machine (NumPy's PCG64)."""
    rng = np.random.default_rng(seed)
    ranges = task.randomisation
    speed, lateral, yaw, upstream = (
        rng.uniform(*limits) for limits in (ranges.belt_speed, ranges.lateral_offset, ranges.yaw, ranges.upstream)
    )
    arm = np.asarray(task.start.arm) + rng.uniform(*ranges.arm, size=len(task.start.arm))
    position = np.array([task.belt.centre_x + lateral, task.belt.spawn_y - upstream, task.ride_height])
    # yaw counts from the direction of travel, +y
    return StartState(seed, arm, task.start.gripper, position, float(np.pi / 2 + yaw), float(speed))


class ConveyorPick:
    """Resets a scene to seeded start states and judges what becomes of the cube.

    Success: cube lifted by `success.lift` and gripped by both fingers for `success.hold` without a break. Failure: cube
    fell off the belt, or rode out of reach, or time is up. Time is that of the MjData: no clock is read.
    """

    def __init__(self, config: TaskConfig, ids: SceneIds) -> None:
        self.config = config
        self.start: StartState | None = None
        self._ids = ids
        self._start_time = 0.0
        self._held_since: float | None = None
        self._final: TaskOutcome | None = None

    def reset(self, scene: Scene, seed: int) -> StartState:
        """Bring scene.data into the start state of a seed (at rest but for belt and cube). BcError on a bad arm."""
        start = draw_start(self.config, seed)
        write_start(scene, start)
        self.begin(start, float(scene.data.time))
        return start

    def begin(self, start: StartState, time: float) -> None:
        """Judge from here on: for callers whose plant writes the start state itself. time: MjData.time [s]."""
        self.start = start
        self._start_time = time
        self._held_since = None
        self._final = None

    def copy_from(self, other: "ConveyorPick") -> None:
        """Go on judging where another judge of the same task stands."""
        self.start, self._start_time = other.start, other._start_time
        self._held_since, self._final = other._held_since, other._final

    def evaluate(self, data: mujoco.MjData) -> TaskOutcome:
        """Judge the state of `data` (kinematics and contacts up to date, as after a step). Call it at every tick."""
        elapsed = float(data.time) - self._start_time
        if self._final is not None:
            return TaskOutcome(elapsed, self._final.success, self._final.failure, self._final.detail)
        outcome = self._judge(data, elapsed)
        if outcome.finished:
            self._final = outcome
        return outcome

    def _judge(self, data: mujoco.MjData, elapsed: float) -> TaskOutcome:
        config, belt = self.config, self.config.belt
        y, z = data.qpos[self._ids.cube_qpos + 1 : self._ids.cube_qpos + 3]
        lifted = z - config.ride_height >= config.success.lift and grasped(data, self._ids)
        if not lifted:
            self._held_since = None
        elif self._held_since is None:
            self._held_since = elapsed
        held = 0.0 if self._held_since is None else elapsed - self._held_since
        if lifted and held >= config.success.hold - 1e-6:
            return TaskOutcome(elapsed, True, False, f"cube lifted and held for {held:.2f} s")
        failure = ""
        if z < belt.top - config.cube.edge / 2:
            failure = "cube fell off the belt"
        elif y > belt.exit_y and not lifted:
            failure = f"cube rode out of reach (y > {belt.exit_y} m)"
        elif elapsed >= config.time_limit - 1e-6:
            failure = f"time limit of {config.time_limit} s"
        if failure:
            return TaskOutcome(elapsed, False, True, failure)
        return TaskOutcome(elapsed, False, False, "lifted" if lifted else "")


def write_start(scene: Scene, start: StartState) -> None:
    """Write a start state into scene.data and run the kinematics; data.time goes on."""
    model, data, ids = scene.model, scene.data, scene.ids
    if len(start.arm) != len(ids.arm_qpos):
        raise BcError(f"task start.arm has {len(start.arm)} joints, but the robot has {len(ids.arm_qpos)}")
    time = data.time
    mujoco.mj_resetData(model, data)
    data.time = time
    data.qpos[list(ids.arm_qpos)] = start.arm
    data.qpos[list(ids.finger_qpos)] = start.gripper / 2
    data.ctrl[list(ids.finger_actuators)] = start.gripper / 2
    half = start.cube_yaw / 2
    data.qpos[ids.cube_qpos : ids.cube_qpos + 3] = start.cube_position
    data.qpos[ids.cube_qpos + 3 : ids.cube_qpos + 7] = [np.cos(half), 0.0, 0.0, np.sin(half)]
    data.qvel[ids.cube_qvel + 1] = start.belt_speed
    data.qvel[ids.belt_qvel] = start.belt_speed
    data.ctrl[ids.belt_actuator] = start.belt_speed
    mujoco.mj_forward(model, data)


def grasped(data: mujoco.MjData, ids: SceneIds) -> bool:
    """Does the cube touch both fingers?"""
    pairs = data.contact.geom[: data.ncon]
    others = {int(geom) for pair in pairs if ids.cube_geom in pair for geom in pair}
    return all(finger & others for finger in ids.finger_geoms)
