"""The MuJoCo scene of a task: the robot from its URDF, torque motors, belt, cube and camera (MjSpec).

The world frame is the robot's base frame. Contacts: the robot with everything but itself, the cube with everything;
cones are elliptic with a stiff tangential part (impratio), so that a grasped cube does not creep out of the fingers.
"""

import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass

import mujoco
import numpy as np
import numpy.typing as npt

from bc_controllers import Robot
from bc_core.errors import BcError
from bc_sim.appearance import AS_BUILT, BELT, CUBE, FLOOR, LAMP, RAILS, add_patterns
from bc_sim.tagged_cube import cover
from bc_sim.task_config import TaskConfig

Array = npt.NDArray[np.float64]

TIMESTEP = 0.001  # [s], one control period

# (contype, conaffinity) by who may touch whom
_ROBOT_CONTACT = (1, 0)
_FIXED_CONTACT = (2, 1)
_CUBE_CONTACT = (4, 3)

_ARM_STIFFNESS = 10000.0  # [Nm/rad]: of the drives of an arm that takes positions
_FINGER_STIFFNESS = 4000.0  # [N/m]: 5 mm of squeeze reach any sensible force limit
_FINGER_FORCE = 35.0  # [N]: half of the hand's continuous grasping force
_FINGER_ARMATURE = 0.15  # [kg]: spindle drive of the hand, felt at one finger
_FINGER_FRICTION = 1.5  # rubber pads
_GRASP_SOLREF = [0.004, 1.0]  # stiff: with MuJoCo's default a light cube sinks 2.5 mm into each pad
_GRASP_SOLIMP = [0.95, 0.99, 0.001, 0.5, 2.0]
_BELT_THICKNESS = 0.02
_BELT_DRIVE = 5000.0  # [N s/m]: the drive holds the speed to 1 % under a pressing hand
_BELT_SIGHT = 0.9  # the belt must reach this far from the base, as far as the camera sees

_LIGHT, _DARK = [0.92, 0.92, 0.90, 1.0], [0.22, 0.23, 0.26, 1.0]
_STEEL = [*AS_BUILT.colours[RAILS[0]], 1.0]


@dataclass(frozen=True)
class SceneIds:
    """Where things lie in MuJoCo's arrays; joint arrays in the robot file's order.

    arm_qpos, arm_qvel, arm_actuators: (7,). finger_qpos, finger_qvel, finger_actuators: (2,). cube_qpos: first of
    7 (x y z qw qx qy qz); cube_qvel: first of 6 (linear in the world frame, angular in the cube's). belt_qpos,
    belt_qvel: travel along +y [m]. belt_actuator: its control is the speed of the belt [m/s].
    finger_geoms: those of each finger.
    """

    arm_qpos: tuple[int, ...]
    arm_qvel: tuple[int, ...]
    arm_actuators: tuple[int, ...]
    finger_qpos: tuple[int, ...]
    finger_qvel: tuple[int, ...]
    finger_actuators: tuple[int, ...]
    finger_geoms: tuple[frozenset[int], ...]
    cube_body: int
    cube_geom: int
    cube_qpos: int
    cube_qvel: int
    belt_qpos: int
    belt_qvel: int
    belt_actuator: int
    tcp_site: int
    camera: int


@dataclass(frozen=True)
class Scene:
    """A compiled scene. `data` belongs to whoever steps it."""

    model: mujoco.MjModel
    data: mujoco.MjData
    ids: SceneIds


def build(robot: Robot, task: TaskConfig) -> Scene:
    """The scene of a task; `data` is fresh: bring it into a start state with ConveyorPick.reset.

    BcError if the URDF lacks what the robot file names.
    """
    spec = robot_spec(robot)
    _set_looks(spec, task)
    _add_surroundings(spec)
    _add_belt(spec, task)
    _add_cube(spec, task)
    _add_camera(spec, task)
    model = spec.compile()
    return Scene(model, mujoco.MjData(model), _ids(model, robot, task))


def robot_spec(robot: Robot) -> mujoco.MjSpec:
    """The robot with its actuators in an empty world, ready for whatever stands around it. BcError as `build`."""
    spec = _description(robot)
    spec.option.timestep = TIMESTEP
    spec.option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    spec.option.cone = mujoco.mjtCone.mjCONE_ELLIPTIC
    spec.option.impratio = 10.0
    _dress_robot(spec, robot)
    _add_actuators(spec, robot)
    if robot.controller.output == "position":
        for body in spec.bodies:
            body.gravcomp = 1.0  # such drives carry their own arm
    return spec


def _description(robot: Robot) -> mujoco.MjSpec:
    """The URDF as it stands: inertias untouched, links kept (nothing fused), collision meshes as the only looks."""
    root = ElementTree.parse(robot.urdf).getroot()
    meshes = robot.urdf.parent.parent / "meshes" / "collision"
    compiler = {"meshdir": str(meshes), "strippath": "true", "fusestatic": "false", "discardvisual": "true"}
    ElementTree.SubElement(ElementTree.SubElement(root, "mujoco"), "compiler", compiler)
    spec = mujoco.MjSpec.from_string(ElementTree.tostring(root, encoding="unicode"))
    spec.compiler.discardvisual = False  # from here on: what the scene adds for the eye stays
    joints = {joint.name for joint in spec.joints}
    bodies = {body.name for body in spec.bodies}
    for name, there in [(joint, joints) for joint in (*robot.arm, *robot.fingers)] + [(robot.tcp, bodies)]:
        if name not in there:
            raise BcError(f"robot '{robot.name}': '{name}' is not in {robot.urdf}: it has {', '.join(sorted(there))}")
    return spec


def _set_looks(spec: mujoco.MjSpec, task: TaskConfig) -> None:
    spec.modelname = task.task
    spec.visual.quality.shadowsize = 0  # shadows cost 30 times the rest of a 96x96 frame
    spec.visual.quality.offsamples = 0
    spec.visual.map.znear = 0.02
    spec.visual.global_.offwidth = max(640, task.camera.width)
    spec.visual.global_.offheight = max(640, task.camera.height)
    spec.visual.headlight.ambient = [AS_BUILT.ambient] * 3
    spec.visual.headlight.diffuse = [0.45, 0.45, 0.45]
    spec.visual.headlight.specular = [0.0, 0.0, 0.0]
    spec.stat.center = [0.4, 0.0, 0.3]
    spec.stat.extent = 1.2
    if task.appearance is not None and task.appearance.patterns:
        add_patterns(spec)


def _dress_robot(spec: mujoco.MjSpec, robot: Robot) -> None:
    """Contacts and colours of the links, rubber on the fingers, a site at the tool centre point."""
    fingers = _finger_bodies(spec, robot)
    for body in spec.bodies:
        for geom in body.geoms:
            geom.contype, geom.conaffinity = _ROBOT_CONTACT
            on_finger = body.name in fingers
            geom.rgba = _DARK if on_finger else _LIGHT
            if on_finger:
                geom.condim = 4
                geom.friction = [_FINGER_FRICTION, 0.01, 0.0001]
                geom.solref, geom.solimp = _GRASP_SOLREF, _GRASP_SOLIMP
                geom.priority = 1  # the pad's friction counts, not the maximum of both
    spec.body(robot.tcp).add_site(name="tcp", size=[0.005, 0.005, 0.005], group=4)


def _finger_bodies(spec: mujoco.MjSpec, robot: Robot) -> list[str]:
    return [spec.joint(name).parent.name for name in robot.fingers]


def _add_actuators(spec: mujoco.MjSpec, robot: Robot) -> None:
    """Of the arm's joints torque motors, or position servos where the controller commands positions; position servos
    at the fingers (control: half of the opening [m]).
    """
    for name, armature in zip(robot.arm, robot.armature, strict=True):
        spec.joint(name).armature = armature
        motor = spec.add_actuator(name=name, target=name, trntype=mujoco.mjtTrn.mjTRN_JOINT)
        motor.ctrllimited = True
        if robot.controller.output == "position":
            motor.set_to_position(kp=_ARM_STIFFNESS, dampratio=1.0)
            motor.ctrlrange = spec.joint(name).range
        else:
            motor.set_to_motor()
            motor.ctrlrange = spec.joint(name).actfrcrange
    for name in robot.fingers:
        spec.joint(name).armature = _FINGER_ARMATURE
        servo = spec.add_actuator(name=name, target=name, trntype=mujoco.mjtTrn.mjTRN_JOINT)
        servo.set_to_position(kp=_FINGER_STIFFNESS, dampratio=1.0)
        servo.ctrllimited = True
        servo.ctrlrange = spec.joint(name).range
        servo.forcelimited = True
        servo.forcerange = [-_FINGER_FORCE, _FINGER_FORCE]


def _add_surroundings(spec: mujoco.MjSpec) -> None:
    world = spec.worldbody
    contype, conaffinity = _FIXED_CONTACT
    world.add_geom(
        name=FLOOR,
        type=mujoco.mjtGeom.mjGEOM_PLANE,
        size=[3.0, 3.0, 0.1],
        rgba=[*AS_BUILT.colours[FLOOR], 1.0],
        contype=contype,
        conaffinity=conaffinity,
    )
    world.add_light(name=LAMP, pos=AS_BUILT.lamp, dir=[-0.2, 0.3, -1.0], diffuse=AS_BUILT.diffuse, castshadow=False)


def _add_belt(spec: mujoco.MjSpec, task: TaskConfig) -> None:
    """A slab on a slide joint with a speed drive: friction carries the cube as a real belt does.

    The slab is long enough to serve the longest episode at the highest speed, and then stops at the end of its joint.
    """
    belt = task.belt
    travel = task.randomisation.belt_speed[1] * (task.time_limit + 2.0)
    half_length = _BELT_SIGHT + travel / 2
    body = spec.worldbody.add_body(name="belt", pos=[belt.centre_x, -travel / 2, belt.top - _BELT_THICKNESS / 2])
    body.add_joint(name="belt", type=mujoco.mjtJoint.mjJNT_SLIDE, axis=[0, 1, 0], limited=True, range=[-0.01, travel])
    contype, conaffinity = _FIXED_CONTACT
    body.add_geom(
        name=BELT,
        type=mujoco.mjtGeom.mjGEOM_BOX,
        size=[belt.width / 2, half_length, _BELT_THICKNESS / 2],
        mass=20.0,
        rgba=[*AS_BUILT.colours[BELT], 1.0],
        friction=[belt.friction, 0.005, 0.0001],
        contype=contype,
        conaffinity=conaffinity,
    )
    pitch = 0.15
    for stripe in np.arange(-half_length + pitch / 2, half_length, pitch):
        body.add_geom(
            type=mujoco.mjtGeom.mjGEOM_BOX,
            pos=[0.0, float(stripe), _BELT_THICKNESS / 2],
            size=[belt.width / 2 - 0.002, 0.006, 0.0004],
            mass=0.0,
            rgba=_STEEL,
            contype=0,
            conaffinity=0,
        )
    drive = spec.add_actuator(name="belt", target="belt", trntype=mujoco.mjtTrn.mjTRN_JOINT)
    drive.set_to_velocity(kv=_BELT_DRIVE)
    drive.forcelimited, drive.forcerange = True, [-2000.0, 2000.0]
    for side, name in zip((-1, 1), RAILS, strict=True):
        spec.worldbody.add_geom(
            name=name,
            type=mujoco.mjtGeom.mjGEOM_BOX,
            pos=[belt.centre_x + side * (belt.width / 2 + 0.012), 0.0, belt.top / 2],
            size=[0.010, _BELT_SIGHT, belt.top / 2],
            rgba=[*AS_BUILT.colours[name], 1.0],
            contype=contype,
            conaffinity=conaffinity,
        )


def _add_cube(spec: mujoco.MjSpec, task: TaskConfig) -> None:
    cube, (contype, conaffinity) = task.cube, _CUBE_CONTACT
    body = spec.worldbody.add_body(name="cube", pos=[task.belt.centre_x, task.belt.spawn_y, task.ride_height])
    body.add_freejoint(name="cube")
    body.add_geom(
        name=CUBE,
        type=mujoco.mjtGeom.mjGEOM_BOX,
        size=[cube.edge / 2] * 3,
        mass=cube.mass,
        rgba=[*AS_BUILT.colours[CUBE], 1.0],
        condim=4,
        friction=[cube.friction, 0.005, 0.0001],
        contype=contype,
        conaffinity=conaffinity,
    )
    if cube.tags is not None:
        cover(spec, spec.geom("cube"), cube.edge, cube.tags)


def _add_camera(spec: mujoco.MjSpec, task: TaskConfig) -> None:
    position, target = np.asarray(task.camera.position), np.asarray(task.camera.look_at)
    spec.worldbody.add_camera(
        name=task.camera.name, pos=position, fovy=task.camera.fovy, quat=look_at_quaternion(position, target)
    )


def look_at_quaternion(position: Array, target: Array) -> Array:
    """Orientation (w x y z) of a camera that looks along its -z with +y up in the picture (MuJoCo's convention)."""
    backward = (position - target) / np.linalg.norm(position - target)
    right = np.cross([0.0, 0.0, 1.0], backward)
    right /= np.linalg.norm(right)
    rotation = np.stack([right, np.cross(backward, right), backward], axis=1)
    quaternion = np.zeros(4)
    mujoco.mju_mat2Quat(quaternion, rotation.ravel())
    return quaternion


def _ids(model: mujoco.MjModel, robot: Robot, task: TaskConfig) -> SceneIds:
    def qpos(names: tuple[str, ...]) -> tuple[int, ...]:
        return tuple(int(model.joint(name).qposadr[0]) for name in names)

    def qvel(names: tuple[str, ...]) -> tuple[int, ...]:
        return tuple(int(model.joint(name).dofadr[0]) for name in names)

    def actuators(names: tuple[str, ...]) -> tuple[int, ...]:
        return tuple(int(model.actuator(name).id) for name in names)

    def geoms(joint: str) -> frozenset[int]:
        body = model.body(int(model.joint(joint).bodyid[0]))
        return frozenset(range(int(body.geomadr[0]), int(body.geomadr[0] + body.geomnum[0])))

    return SceneIds(
        arm_qpos=qpos(robot.arm),
        arm_qvel=qvel(robot.arm),
        arm_actuators=actuators(robot.arm),
        finger_qpos=qpos(robot.fingers),
        finger_qvel=qvel(robot.fingers),
        finger_actuators=actuators(robot.fingers),
        finger_geoms=tuple(geoms(name) for name in robot.fingers),
        cube_body=int(model.body("cube").id),
        cube_geom=int(model.geom("cube").id),
        cube_qpos=qpos(("cube",))[0],
        cube_qvel=qvel(("cube",))[0],
        belt_qpos=qpos(("belt",))[0],
        belt_qvel=qvel(("belt",))[0],
        belt_actuator=actuators(("belt",))[0],
        tcp_site=int(model.site("tcp").id),
        camera=int(model.camera(task.camera.name).id),
    )
