"""A recorded scene in the simulation again: robot, object and reference of a tick, out of a bag.

What the bag says of the tick is put into the physics as it is. The controller cannot be put anywhere: it is led there,
by a chunk that starts from rest and arrives at the recorded reference with the recorded velocity just at the tick.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from scipy.spatial.transform import Rotation

from bc_core.chunks import ActionChunk, Array, Space
from bc_core.contract import Contract
from bc_core.episode import Episode
from bc_core.errors import BcError
from bc_core.fields import stamp_ns
from bc_core.grid import NANOSECONDS
from bc_msgs.msg import ChunkAck, ControlMode
from bc_msgs.srv import ChangeMode
from bc_sim.simulation import PERIOD_NS, Simulation
from bc_sim.task import StartState, draw_start, write_start

TOPICS = ("joint_states", "controller/state", "object/odometry", "task/state")
MAX_AGE = 0.1  # of the samples that a scene is made of [s]
LEAD_IN = 0.3  # [s] in which the reference comes from rest to its recorded velocity
LEAD_OUT = 0.2  # [s] for which the chunk goes on past the tick: somebody takes over there
ROW = 0.01  # [s] between the rows of that chunk
LEADER_ID = 2**32 + 2  # producer id, of no node


@dataclass(frozen=True)
class Scene:
    """Everything at a tick. joints, velocity: measured (n,) [rad, rad/s]; gripper, gripper_velocity: of the opening.

    reference, reference_velocity (n,), gripper_reference: the controller's. position (3,), orientation (4,) x y z w,
    linear (3,), angular (3,): of the object, as bc_sim.simulation.ObjectState. elapsed: since the reset of `seed` [s].
    """

    tick: int
    seed: int
    elapsed: float
    joints: Array
    velocity: Array
    gripper: float
    gripper_velocity: float
    reference: Array
    reference_velocity: Array
    gripper_reference: float
    position: Array
    orientation: Array
    linear: Array
    angular: Array


class _Newest(NamedTuple):
    time_ns: int
    message: Any


def scenes(episode: Episode, contract: Contract, ticks: Iterable[int], arm: tuple[str, ...]) -> Iterator[Scene]:
    """The scenes of these ticks, ascending; a tick whose samples are missing, or older than MAX_AGE, is left out.

    arm: joints, in the simulation's order. BcError: the bag lacks a topic or a joint.
    """
    missing = [topic for topic in TOPICS if topic not in episode.topics or not episode.topics[topic].count]
    if missing:
        raise BcError(f"episode '{episode.path}' holds no {', '.join(missing)}: its scenes cannot be restored")
    newest: dict[str, _Newest] = {}
    waiting = sorted(ticks)
    stamped = ((stamp_ns(message), topic, message) for topic, _, message in episode.messages(TOPICS))
    for time_ns, topic, message in sorted(stamped, key=lambda each: each[0]):
        while waiting and contract.grid.time(waiting[0]) < time_ns:
            yield from _scene(episode, contract, waiting.pop(0), newest, arm)
        newest[topic] = _Newest(time_ns, message)
    for tick in waiting:
        yield from _scene(episode, contract, tick, newest, arm)


def _scene(
    episode: Episode, contract: Contract, tick: int, newest: dict[str, _Newest], arm: tuple[str, ...]
) -> Iterator[Scene]:
    """Of the newest samples, carried on to the tick by their velocities."""
    now_ns = contract.grid.time(tick)
    age = {topic: (now_ns - found.time_ns) / NANOSECONDS for topic, found in newest.items()}
    if len(newest) < len(TOPICS) or max(age.values()) > MAX_AGE:
        return
    joints, state, thing, task = (newest[topic].message for topic in TOPICS)
    column = {name: index for index, name in enumerate(joints.name)}
    gripper = contract.groups[-1].names[0]
    absent = [name for name in (*arm, gripper) if name not in column]
    if absent:
        raise BcError(
            f"episode '{episode.path}': joint_states lacks {', '.join(absent)}: give the robot it was made with"
        )
    place = [column[name] for name in arm]
    position, velocity = np.asarray(joints.position, dtype=np.float64), np.asarray(joints.velocity, dtype=np.float64)
    opening, opening_velocity = float(position[column[gripper]]), float(velocity[column[gripper]])
    pose, twist = thing.pose.pose, thing.twist.twist
    turned = Rotation.from_quat([*_xyz(pose.orientation), pose.orientation.w])
    linear, angular = np.array(_xyz(twist.linear)), np.array(_xyz(twist.angular))
    reference_velocity = np.asarray(state.velocity_reference, dtype=np.float64)
    yield Scene(
        tick=tick,
        seed=int(task.seed),
        elapsed=float(task.elapsed) + age["task/state"],
        joints=position[place] + age["joint_states"] * velocity[place],
        velocity=velocity[place],
        gripper=opening + age["joint_states"] * opening_velocity,
        gripper_velocity=opening_velocity,
        reference=np.asarray(state.position_reference) + age["controller/state"] * reference_velocity,
        reference_velocity=reference_velocity,
        gripper_reference=float(state.gripper_reference),
        position=np.array(_xyz(pose.position)) + age["object/odometry"] * turned.apply(linear),
        orientation=(turned * Rotation.from_rotvec(age["object/odometry"] * angular)).as_quat(),
        linear=linear,
        angular=angular,
    )


def _xyz(vector: Any) -> list[float]:
    return [float(vector.x), float(vector.y), float(vector.z)]


def restore(simulation: Simulation, scene: Scene, contract: Contract) -> None:
    """Put a simulation in lock step at a scene; it then stands at a tick of its own time, in POLICY.

    Nothing is known of for how long the task's conditions have held: what must last begins anew.
    BcError: the contract commands poses, or the controller does not follow to where the scene's reference is.
    """
    if any(group.space == Space.CARTESIAN_POSE for group in contract.groups):
        raise BcError(
            f"contract '{contract.name}' commands the pose of the tool, and a scene is restored joint by joint: ask "
            "while a policy drives (bcros dagger --expert simulated), or label bags of a contract of joints"
        )
    plant, dt_ns = simulation.plant, contract.grid.dt_ns
    start = draw_start(simulation.task_config, scene.seed)
    data = simulation.new_data()
    simulation.read(data)
    write_start(replace(simulation.scene, data=data), start)
    data.qpos[list(simulation.scene.ids.arm_qpos)] = scene.reference - 0.5 * LEAD_IN * scene.reference_velocity
    data.qpos[list(simulation.scene.ids.finger_qpos)] = scene.gripper_reference / 2
    if simulation.controller.state().mode == ControlMode.STOPPED:
        simulation.change_mode(ChangeMode.Request.RESET, "another scene")
    plant.write(data._address)
    plant.advance(1)
    resumed = simulation.change_mode(ChangeMode.Request.RESUME, "restored scene")
    if not resumed.success:
        raise BcError(f"tick {scene.tick} cannot be restored: {resumed.message}")
    lead_ns = round(LEAD_IN * NANOSECONDS)
    target_ns = -(-(int(plant.now_ns) + lead_ns) // dt_ns) * dt_ns
    simulation.controller.poll_acks()
    simulation.controller.submit("policy", _lead_in(simulation, scene, contract, target_ns - lead_ns))
    plant.advance((target_ns - int(plant.now_ns)) // PERIOD_NS)
    acks = simulation.controller.poll_acks()
    if not acks or acks[-1].verdict != ChunkAck.IN_FORCE:
        raise BcError(f"tick {scene.tick} cannot be restored: {acks[-1].detail if acks else 'no acknowledgement'}")
    _write_physics(simulation, scene, start)
    plant.advance(1)  # the period of the tick, with the recorded measurement


def _lead_in(simulation: Simulation, scene: Scene, contract: Contract, stamp_ns: int) -> ActionChunk:
    """From rest to the reference and its velocity in LEAD_IN, at constant acceleration, and on from there."""
    times = ROW * np.arange(round((LEAD_IN + LEAD_OUT) / ROW) + 1)[:, None]
    ahead = np.where(times < LEAD_IN, 0.5 * times**2 / LEAD_IN, times - 0.5 * LEAD_IN)
    joints = scene.reference + (ahead - 0.5 * LEAD_IN) * scene.reference_velocity
    state = simulation.controller.state()
    return ActionChunk(
        stamp_ns=stamp_ns,
        dt_ns=round(ROW * NANOSECONDS),
        groups=contract.groups,
        actions=np.hstack([joints, np.full((len(joints), 1), scene.gripper_reference)]),
        producer="restored scene",
        producer_id=LEADER_ID,
        sequence=stamp_ns,  # times of one simulation only increase
        mode_epoch=state.mode_epoch,
    )


def _write_physics(simulation: Simulation, scene: Scene, start: StartState) -> None:
    """What was measured at the tick, into the physics itself; the controller keeps its reference."""
    data, ids = simulation.scene.data, simulation.scene.ids
    data.qpos[list(ids.arm_qpos)], data.qvel[list(ids.arm_qvel)] = scene.joints, scene.velocity
    data.qpos[list(ids.finger_qpos)] = scene.gripper / 2
    data.qvel[list(ids.finger_qvel)] = scene.gripper_velocity / 2
    cube = data.qpos[ids.cube_qpos : ids.cube_qpos + 7]
    cube[:3], cube[3:] = scene.position, scene.orientation[[3, 0, 1, 2]]
    turned = Rotation.from_quat(scene.orientation)
    data.qvel[ids.cube_qvel : ids.cube_qvel + 3] = turned.apply(scene.linear)
    data.qvel[ids.cube_qvel + 3 : ids.cube_qvel + 6] = scene.angular
    data.qvel[ids.belt_qvel] = data.ctrl[ids.belt_actuator] = start.belt_speed
    simulation.task.begin(start, float(data.time) - scene.elapsed)
