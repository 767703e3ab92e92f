"""From device commands to action chunks: the part of teleoperation that keeps state, without ROS and without a clock.

While the dead-man is held, every period gives one short chunk whose first row continues the reference in force at the
chunk's stamp; when it is let go, one last chunk brings the motion to rest and gives the lease back.
"""

from collections import deque
from dataclasses import dataclass, field

import numpy as np
from scipy.spatial.transform import Rotation

from bc_core.chunks import ActionChunk, ActionGroup, Space
from bc_core.errors import BcError
from bc_core.grid import NANOSECONDS, to_nanoseconds
from bc_teleop.command import Array, DeviceCommand, Pose
from bc_teleop.ik import DifferentialIk
from bc_teleop.limiter import Twist, TwistLimits, approach


@dataclass(frozen=True)
class Reference:
    """The controller's reference at stamp_ns: joints [rad] and velocities [rad/s], shape (n,), gripper opening [m].

    mode_epoch: newest known. human: a human has the lease. stopped: the controller takes no chunk.
    """

    stamp_ns: int
    joints: Array
    velocity: Array
    gripper: float
    mode_epoch: int
    human: bool = False
    stopped: bool = False


@dataclass(frozen=True)
class SessionConfig:
    """row_dt: time between rows [s]; rows: per chunk; lead: from now to row 0 [s]; max_age: of the reference [s].

    tolerance: a reference further than this [rad] from what the last chunk says is not behind by a controller's limits,
    it was replaced: the next chunk starts from the reference itself. max_opening: of the gripper [m].
    """

    row_dt: float = 0.05
    rows: int = 4
    lead: float = 0.0
    max_age: float = 0.2
    tolerance: float = 0.1
    max_opening: float = 0.08
    limits: TwistLimits = field(default_factory=TwistLimits)

    def __post_init__(self) -> None:
        if self.rows < 3:
            raise BcError(f"teleop rows: {self.rows} is too few, a human's chunk needs at least 3")
        if not 0.001 <= self.row_dt <= 1.0:
            raise BcError(f"teleop row_dt: {self.row_dt} s is outside 0.001 ... 1 s: choose e.g. the contract's dt")
        if not 0.0 <= self.lead <= 0.5:
            raise BcError(f"teleop lead: {self.lead} s is outside 0 ... 0.5 s: choose a little more than the latency")


@dataclass(frozen=True)
class _Sent:
    chunk: ActionChunk
    twists: tuple[Twist, ...]  # from row i to row i + 1

    def twist_before(self, time_ns: int) -> Twist:
        """The twist with which the chunk arrives at a time."""
        segment = (time_ns - self.chunk.stamp_ns - 1) // self.chunk.dt_ns
        return self.twists[max(segment, 0)] if segment < len(self.twists) else Twist.zero()


class TeleopSession:
    """Makes the chunks of one producer.

    groups: the robot's layout, one JOINT_POSITION and one GRIPPER group (BcError otherwise).
    """

    def __init__(
        self,
        ik: DifferentialIk,
        groups: tuple[ActionGroup, ...],
        producer: str,
        producer_id: int,
        config: SessionConfig,
    ) -> None:
        self._ik = ik
        self._groups = groups
        self._arm = _one(groups, Space.JOINT_POSITION)
        self._gripper = _one(groups, Space.GRIPPER)
        self._width = sum(group.width for group in groups)
        self._producer = producer
        self._producer_id = producer_id
        self._config = config
        self._sent: deque[_Sent] = deque(maxlen=8)
        self.armed = False  # the dead-man was seen released since start, stop or refusal
        self._last_ns = 0
        self.engaged = False
        self.sequence = 0
        self.message = ""

    def step(self, now_ns: int, command: DeviceCommand, reference: Reference | None) -> ActionChunk | None:
        """The chunk to send now, if any. `message` says why a held dead-man has no effect."""
        blocked = self._blocked(now_ns, reference)
        if not command.enabled:
            self.armed = True
        elif blocked and reference is not None and reference.stopped:
            self.armed = False  # leaving a stop must not start motion with a dead-man that is still held
        wanted = command.enabled and self.armed
        self.message = (blocked or ("" if wanted else "let the dead-man go first")) if command.enabled else ""
        if blocked or reference is None:
            self.engaged = False
            self._sent.clear()
            return None
        if not wanted and not (self.engaged and self._has_lease(reference)):
            self.engaged = False
            return None
        if not self.engaged:
            self._sent.clear()
        chunk = self._chunk(now_ns, command if wanted else DeviceCommand(), reference, release=not wanted)
        self.engaged = wanted
        return chunk

    def refused(self, sequence: int, disarm: bool) -> bool:
        """Chunk `sequence` was refused: go on from the reference; disarm: not before the dead-man is let go.

        True where the operator should know: a refused release only means that there was nothing left to release.
        """
        was_release = any(sent.chunk.sequence == sequence and sent.chunk.release for sent in self._sent)
        self._sent = deque((sent for sent in self._sent if sent.chunk.sequence < sequence), maxlen=self._sent.maxlen)
        if disarm:
            self.armed = False
            self.engaged = False
        return not was_release

    def _blocked(self, now_ns: int, reference: Reference | None) -> str:
        if reference is None:
            return "no controller state yet: is the controller running?"
        age = (now_ns - reference.stamp_ns) / NANOSECONDS
        if abs(age) > self._config.max_age:
            return f"controller state is {age:.3f} s old (limit {self._config.max_age} s): is the controller running?"
        return "the controller is stopped: reset it" if reference.stopped else ""

    def _has_lease(self, reference: Reference) -> bool:
        """Is there anything to release? Until the first chunk has begun the mode cannot tell."""
        return reference.human or all(sent.chunk.stamp_ns > reference.stamp_ns for sent in self._sent)

    def _chunk(self, now_ns: int, command: DeviceCommand, reference: Reference, release: bool) -> ActionChunk:
        config = self._config
        stamp_ns = now_ns + to_nanoseconds(config.lead)
        row, twist = self._start(stamp_ns, reference)
        wanted = Twist(command.linear, command.angular)
        elapsed = (now_ns - self._last_ns) / NANOSECONDS if self.engaged else config.row_dt
        twist = approach(twist, wanted, config.limits, min(elapsed, config.row_dt))
        opening = row[self._gripper.offset] if command.gripper is None else command.gripper
        opening = float(np.clip(opening, 0.0, config.max_opening))
        rows, twists = [row], []
        while len(rows) < config.rows or (release and np.any(twist.linear) | np.any(twist.angular)):
            rows.append(self._next_row(rows[-1], twist, opening))
            twists.append(twist)
            twist = approach(twist, wanted, config.limits, config.row_dt)
        self.sequence += 1
        self._last_ns = now_ns
        chunk = ActionChunk(
            stamp_ns=stamp_ns,
            dt_ns=to_nanoseconds(config.row_dt),
            groups=self._groups,
            actions=np.stack(rows),
            producer=self._producer,
            producer_id=self._producer_id,
            sequence=self.sequence,
            mode_epoch=reference.mode_epoch,
            release=release,
        )
        self._sent.append(_Sent(chunk, tuple(twists)))
        return chunk

    def _start(self, stamp_ns: int, reference: Reference) -> tuple[Array, Twist]:
        """Row 0 and the twist there: what will be in force at stamp_ns."""
        begun = [sent for sent in self._sent if sent.chunk.stamp_ns <= reference.stamp_ns]
        if self._sent and (not begun or self._agree(begun[-1].chunk, reference)):
            newest = self._sent[-1]
            return newest.chunk.sample(stamp_ns), newest.twist_before(stamp_ns)
        row = np.empty(self._width)
        ahead = max(stamp_ns - reference.stamp_ns, 0) / NANOSECONDS
        row[self._arm.columns] = reference.joints + reference.velocity * ahead
        row[self._gripper.columns] = reference.gripper
        return row, Twist(*self._ik.twist(reference.joints, reference.velocity))

    def _agree(self, chunk: ActionChunk, reference: Reference) -> bool:
        """Does the controller follow the chunk?"""
        error = chunk.sample(reference.stamp_ns)[self._arm.columns] - reference.joints
        return bool(np.max(np.abs(error)) <= self._config.tolerance)

    def _next_row(self, row: Array, twist: Twist, opening: float) -> Array:
        dt = self._config.row_dt
        joints = row[self._arm.columns]
        pose = self._ik.forward(joints)
        target = Pose(pose.position + twist.linear * dt, Rotation.from_rotvec(twist.angular * dt) * pose.rotation)
        result = row.copy()
        result[self._arm.columns] = self._ik.step(joints, target, dt)
        reach = self._config.limits.gripper_velocity * dt
        result[self._gripper.columns] += np.clip(opening - row[self._gripper.columns], -reach, reach)
        return result


def _one(groups: tuple[ActionGroup, ...], space: Space) -> ActionGroup:
    found = [group for group in groups if group.space == space]
    if len(found) != 1:
        raise BcError(
            f"teleoperation needs exactly one {space.name} group, the contract has {len(found)} of "
            f"{', '.join(group.name for group in groups)}: choose a contract for one arm with a gripper"
        )
    return found[0]
