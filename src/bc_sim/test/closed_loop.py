"""A Panda in an empty world, one output at a time, in closed loop with MuJoCo and in virtual time."""

from functools import cache
from pathlib import Path
from typing import Any

import mujoco
import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation

from bc_controllers import Controller, ControllerState, Robot, load_robot
from bc_controllers._binding import GroupLayout
from bc_core.chunks import ActionChunk, ActionGroup, Space
from bc_sim import scene as scenes
from bc_sim._plant import Plant

Array = npt.NDArray[np.float64]
PERIOD, DT = 1_000_000, 50_000_000
OPENING = 0.04
ROBOT_FILE = Path(__file__).parents[3] / "config" / "robots" / "panda.yaml"


def panda() -> Robot:
    """The repository's own, fresh: its configuration may be changed."""
    return load_robot(ROBOT_FILE)


@cache
def build(
    position: bool = False, load: float = 0.0, wall: float | None = None, friction: float = 0.0
) -> mujoco.MjModel:
    """The world of a Cell. position: the drives take positions."""
    robot = panda()
    robot.controller.output = "position" if position else "joint_impedance"
    spec = scenes.robot_spec(robot)
    for name in robot.arm:
        spec.joint(name).frictionloss = friction
        spec.joint(name).solimp_friction = [0.9999, 0.9999, 0.001, 0.5, 2.0]  # MuJoCo's own is soft: a joint creeps
    if load > 0.0:
        body = spec.body(robot.tcp).add_body(name="load")
        body.add_geom(type=mujoco.mjtGeom.mjGEOM_SPHERE, size=[0.01] * 3, mass=load, contype=0, conaffinity=0)
    if wall is not None:  # nothing but the hand may touch it
        for geom in (geom for body in spec.bodies if body.name != "panda_hand" for geom in body.geoms):
            geom.contype = geom.conaffinity = 0
        spec.worldbody.add_geom(
            name="wall",
            type=mujoco.mjtGeom.mjGEOM_BOX,
            pos=[reach(robot) + wall + 0.05, 0.0, 0.5],
            size=[0.05, 1.0, 1.0],
            contype=2,
            conaffinity=1,
            condim=1,  # without friction
            priority=2,
        )
    return spec.compile()


def reach(robot: Robot) -> float:
    """The greatest x of the hand's geometry at home [m]."""
    model = build()
    data = mujoco.MjData(model)
    for name, value in zip(robot.arm, robot.home, strict=True):
        data.joint(name).qpos[0] = value
    mujoco.mj_forward(model, data)
    hand = model.body("panda_hand").id
    farthest = -np.inf
    for geom in range(model.ngeom):
        if int(model.geom_bodyid[geom]) != hand or int(model.geom_dataid[geom]) < 0:
            continue
        mesh = int(model.geom_dataid[geom])
        first, count = int(model.mesh_vertadr[mesh]), int(model.mesh_vertnum[mesh])
        vertices = model.mesh_vert[first : first + count] @ data.geom_xmat[geom].reshape(3, 3).T
        farthest = max(farthest, float((vertices + data.geom_xpos[geom])[:, 0].max()))
    return farthest


class Cell:
    """Controller and plant of one robot. pose: chunks hold a pose of the tool, otherwise joints.

    load: mass welded to the tool [kg]. wall: a plate across x, whose face is so far ahead of the hand [m].
    friction: dry, of every joint of the arm [Nm].
    """

    def __init__(
        self,
        robot: Robot,
        output: str,
        pose: bool = False,
        load: float = 0.0,
        wall: float | None = None,
        friction: float = 0.0,
    ) -> None:
        self.robot = robot
        config = robot.controller
        config.output = output
        gripper = next(group for group in config.groups if group.space == int(Space.GRIPPER))
        if pose:
            config.groups = [
                GroupLayout("tool", int(Space.CARTESIAN_POSE), [], robot.tcp, robot.base_frame),
                gripper,
            ]
            first = ActionGroup("tool", Space.CARTESIAN_POSE, (), 0, 7, robot.tcp, robot.base_frame)
        else:
            config.groups = [GroupLayout("arm", int(Space.JOINT_POSITION), list(robot.arm)), gripper]
            first = ActionGroup("arm", Space.JOINT_POSITION, robot.arm, 0, 7)
        self.groups = (first, ActionGroup("gripper", Space.GRIPPER, (robot.gripper,), 7, 1))
        self.controller = Controller(config, str(robot.urdf))
        self.model = build(robot.controller.output == "position", load, wall, friction)
        self.data = mujoco.MjData(self.model)
        for name, value in zip(robot.arm, robot.home, strict=True):
            self.data.joint(name).qpos[0] = value
        for name in robot.fingers:
            self.data.joint(name).qpos[0] = OPENING / 2
        mujoco.mj_forward(self.model, self.data)
        self.plant = Plant(
            self.controller,
            self.model._address,
            self.data._address,
            arm_joints=robot.arm,
            arm_actuators=robot.arm,
            finger_joints=robot.fingers,
            finger_actuators=robot.fingers,
        )
        self.hand = self.model.body("panda_hand").id
        self.arm = [int(self.model.joint(name).dofadr[0]) for name in robot.arm]
        self._probe = mujoco.MjData(self.model)
        self._sequence = 0
        self.plant.advance(5)
        self.start = self.state.tcp if pose else np.array(robot.home)  # what a row says of the robot as it stands

    @property
    def state(self) -> ControllerState:
        return self.controller.state()

    def run(self, periods: int, every: int = 1) -> list[ControllerState]:
        """States after every so many periods."""
        states = []
        for _ in range(periods // every):
            self.plant.advance(every)
            states.append(self.state)
        return states

    def chunk(self, rows: Array, **fields: Any) -> ActionChunk:
        """rows: (H, 7) of joints or of a pose; the gripper keeps its opening."""
        self._sequence += 1
        values = np.hstack([rows, np.full((len(rows), 1), OPENING)])
        defaults: dict[str, Any] = {
            "stamp_ns": self.plant.now_ns,
            "dt_ns": DT,
            "groups": self.groups,
            "producer": "test",
            "producer_id": 1,
            "sequence": self._sequence,
            "mode_epoch": self.state.mode_epoch,
        }
        return ActionChunk(actions=values, **{**defaults, **fields})

    def send(self, rows: Array, source: str = "human", **fields: Any) -> None:
        self.controller.submit(source, self.chunk(rows, **fields))

    def moved(self, translation: Array, turn: Array | None = None) -> Array:
        """Rows (H, 7) of poses: the start, moved by (H, 3) [m] and turned by (H, 3) about the base's axes [rad]."""
        rows = np.tile(self.start, (len(translation), 1))
        rows[:, :3] += translation
        if turn is not None:
            rows[:, 3:] = (Rotation.from_rotvec(turn) * Rotation.from_quat(self.start[3:])).as_quat()
        return rows

    def push(self, force: Array) -> None:
        """A force on the hand's centre of mass, along the base's axes [N], until the next call."""
        self.data.xfrc_applied[self.hand, :3] = force

    def wall_force(self) -> float:
        """What the wall takes along x [N]."""
        wall, total, force = self.model.geom("wall").id, 0.0, np.zeros(6)
        for index in range(self.data.ncon):
            contact = self.data.contact[index]
            if wall not in (contact.geom1, contact.geom2):
                continue
            mujoco.mj_contactForce(self.model, self.data, index, force)
            total += abs(float(force[0] * contact.frame[0]))
        return total

    def kinetic_energy(self) -> float:
        """Of the arm, rotors included [J]."""
        momentum = np.zeros(self.model.nv)
        mujoco.mj_mulM(self.model, self.data, momentum, self.data.qvel)
        return float(0.5 * self.data.qvel @ momentum)

    def hand_position(self) -> Array:
        """Of the hand's centre of mass, as the joints stand now."""
        self._probe.qpos[:] = self.data.qpos
        mujoco.mj_kinematics(self.model, self._probe)
        return np.array(self._probe.xipos[self.hand])
