"""From device commands to action chunks: the part of teleoperation that keeps state, without ROS and without a clock.

While the dead-man is held, every period gives one short chunk whose first row continues the reference in force at the
chunk's stamp; when it is let go, one last chunk brings the motion to rest and gives the lease back.
"""

from collections import deque
from dataclasses import dataclass, field

import numpy as np
from scipy.interpolate import CubicHermiteSpline

from bc_core.chunks import ActionChunk, ActionGroup, Space
from bc_core.errors import BcError
from bc_core.grid import NANOSECONDS, to_nanoseconds
from bc_teleop.command import Array, DeviceCommand
from bc_teleop.courses import Bounds, course
from bc_teleop.ik import DifferentialIk
from bc_teleop.layout import commanded, in_joints
from bc_teleop.limiter import TwistLimits

_REST = 1e-3  # [rad/s]: slower joints stand
MAX_ROWS = 256  # of a chunk (docs/protocol.md, "Action chunk")


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
    """knot_dt: time between knots, where the inverse kinematics are solved [s]; knots: per chunk; row_dt: time between
    rows, which follow a smooth curve through the knots [s]; lead: from now to the first knot [s]; max_age: of the
    reference [s].

    tolerance: a reference further than this [rad] from what the last chunk says is not behind by a controller's limits,
    it was replaced: the next chunk starts from the reference itself. max_opening: of the gripper [m].
    joint_acceleration: greatest, per joint [rad/s^2]; empty: as great as the hand's limits make it.
    """

    knot_dt: float = 0.05
    knots: int = 4
    row_dt: float = 0.002
    lead: float = 0.0
    max_age: float = 0.2
    tolerance: float = 0.1
    max_opening: float = 0.08
    limits: TwistLimits = field(default_factory=TwistLimits)
    joint_acceleration: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if self.knots < 3:
            raise BcError(f"teleop knots: {self.knots} is too few: the curve through them needs at least 3")
        if not 0.001 <= self.row_dt <= self.knot_dt <= 1.0:
            raise BcError(
                f"teleop row_dt {self.row_dt} s and knot_dt {self.knot_dt} s must satisfy 0.001 <= row_dt <= knot_dt "
                "<= 1: choose e.g. 0.002 s and the contract's dt"
            )
        if not 0.0 <= self.lead <= 0.5:
            raise BcError(f"teleop lead: {self.lead} s is outside 0 ... 0.5 s: choose a little more than the latency")
        stop = max(self.limits.stopping_time, (self.knots - 1) * self.knot_dt) + self.knot_dt + self.lead
        if stop > (MAX_ROWS - 1) * self.row_dt:
            raise BcError(
                f"teleop: a chunk of {stop:.2f} s, long enough to stop in, has more than {MAX_ROWS} rows of "
                f"{self.row_dt} s: raise row_dt or the accelerations of `limits`"
            )

    @property
    def patience_ns(self) -> int:
        """How long a takeover waits for the new mode before it sends on all the same: less than its chunk lasts."""
        return to_nanoseconds((self.knots - 2) * self.knot_dt)

    @property
    def rows_per_knot(self) -> int:
        return round(self.knot_dt / self.row_dt)


class TeleopSession:
    """Makes the chunks of one producer.

    groups: the contract's layout: one group for the arm, its joints or the pose of its tool, and one GRIPPER group
    (BcError otherwise). The session thinks in joints, whichever it is; only what it gives is of that layout.
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
        self._commanded = groups
        self._groups = in_joints(groups, ik)
        self._arm = _one(self._groups, Space.JOINT_POSITION)
        self._gripper = _one(self._groups, Space.GRIPPER)
        self._width = sum(group.width for group in self._groups)
        self._producer = producer
        self._producer_id = producer_id
        self._config = config
        self._row_ns = to_nanoseconds(config.knot_dt) // config.rows_per_knot
        self._lead_rows = to_nanoseconds(config.lead) // self._row_ns
        bound = np.array(config.joint_acceleration or [np.inf] * self._arm.width)
        self._bounds = Bounds(config.knot_dt, bound * config.knot_dt, config.limits)
        self._by_joints = False  # the hand drives joints, not the tool
        self._sent: deque[ActionChunk] = deque(maxlen=8)
        self.armed = False  # the dead-man was seen released since start, stop or refusal
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
        if self.engaged and self._takes_over(now_ns, reference):
            return None  # what follows must name the new epoch: a release, too, waits for it
        if not wanted and not (self.engaged and reference.human):
            self.engaged = False
            return None
        if self._sent and self._lost(now_ns, self._sent[-1], reference):
            self.engaged = False  # what was sent says nothing of where the robot is now
        if not self.engaged:
            self._sent.clear()
        if wanted:
            self._by_joints = command.joints is not None or command.posture is not None
        chunk = self._chunk(now_ns, command if wanted else self._still(), reference, release=not wanted)
        self.engaged = wanted
        return commanded(chunk, self._commanded, self._ik)

    def refused(self, sequence: int, disarm: bool) -> bool:
        """Chunk `sequence` was refused: go on from the reference; disarm: not before the dead-man is let go.

        True where the operator should know: a refused release only means that there was nothing left to release.
        """
        was_release = any(sent.sequence == sequence and sent.release for sent in self._sent)
        self._sent = deque((sent for sent in self._sent if sent.sequence < sequence), maxlen=self._sent.maxlen)
        if disarm:
            self.armed = False
        if disarm or not self._sent:
            self.engaged = False  # the next chunk would be a takeover again
        return not was_release

    def _blocked(self, now_ns: int, reference: Reference | None) -> str:
        if reference is None:
            return "no controller state since the last HOLD: is the controller running?"
        age = (now_ns - reference.stamp_ns) / NANOSECONDS
        if abs(age) > self._config.max_age:
            return f"controller state is {age:.3f} s old (limit {self._config.max_age} s): is the controller running?"
        return "the controller is stopped: reset it" if reference.stopped else ""

    def _takes_over(self, now_ns: int, reference: Reference) -> bool:
        """Is the takeover under way: its chunk sent a moment ago, and the new mode not heard of yet?"""
        since = now_ns - self._sent[0].stamp_ns if len(self._sent) == 1 else self._config.patience_ns
        return not reference.human and since < self._config.patience_ns

    def _lost(self, now_ns: int, newest: ActionChunk, reference: Reference) -> bool:
        """Has the robot gone its own way: this node was late, or HUMAN ended (a reset, a release by the controller)?"""
        left = not reference.human and reference.mode_epoch > newest.mode_epoch
        return left or newest.end_ns < now_ns

    def _still(self) -> DeviceCommand:
        """Nothing is wanted any more: tool or joints come to rest, whichever was driven."""
        return DeviceCommand(joints=np.zeros(self._arm.width) if self._by_joints else None)

    def _chunk(self, now_ns: int, command: DeviceCommand, reference: Reference, release: bool) -> ActionChunk:
        config = self._config
        stamp_ns = now_ns + to_nanoseconds(config.lead)
        row, velocity = self._start(stamp_ns, reference)
        opening = row[self._gripper.offset] if command.gripper is None else command.gripper
        opening = float(np.clip(opening, 0.0, config.max_opening))
        ahead = course(self._ik, row[self._arm.columns], velocity, command, self._bounds, config.knots)
        knots, speed = [row], velocity
        while len(knots) < config.knots or (release and (ahead.moves or np.any(np.abs(speed) > _REST))):
            if (len(knots) + 1) * config.rows_per_knot + self._lead_rows > MAX_ROWS:
                break  # not at rest yet: the controller stops what is left
            share = 0.5 if len(knots) == 1 else 1.0  # from the speed at row 0, not from a mean
            wanted = ahead.speed(knots[-1][self._arm.columns], speed, share)
            knot, speed = self._next_knot(knots[-1], wanted, opening)
            knots.append(knot)
        rows = self._rows(np.stack(knots), velocity, stands=release)
        if not self.engaged and not release:
            # Takes over at its arrival: until the lead is over it goes on as the reference does, which cannot stop.
            rows, stamp_ns = self._coast(rows, velocity), stamp_ns - self._lead_rows * self._row_ns
        self.sequence += 1
        chunk = ActionChunk(
            stamp_ns=stamp_ns,
            dt_ns=self._row_ns,
            groups=self._groups,
            actions=rows,
            producer=self._producer,
            producer_id=self._producer_id,
            sequence=self.sequence,
            mode_epoch=reference.mode_epoch,
            release=release,
        )
        self._sent.append(chunk)
        return chunk

    def _start(self, stamp_ns: int, reference: Reference) -> tuple[Array, Array]:
        """Row 0 and the joint velocity there, shape (n,): what will be in force at stamp_ns."""
        begun = [chunk for chunk in self._sent if chunk.stamp_ns <= reference.stamp_ns]
        if self._sent and (not begun or self._agree(begun[-1], reference)):
            newest = self._sent[-1]
            place = int(np.clip(newest.row(stamp_ns), 0, newest.horizon - 2))
            velocity = (newest.actions[place + 1] - newest.actions[place]) * (NANOSECONDS / newest.dt_ns)
            return newest.sample(stamp_ns), velocity[self._arm.columns]
        row = np.empty(self._width)
        ahead = max(stamp_ns - reference.stamp_ns, 0) / NANOSECONDS
        row[self._arm.columns] = reference.joints + reference.velocity * ahead
        row[self._gripper.columns] = reference.gripper
        return row, reference.velocity

    def _agree(self, chunk: ActionChunk, reference: Reference) -> bool:
        """Does the controller follow the chunk?"""
        error = chunk.sample(reference.stamp_ns)[self._arm.columns] - reference.joints
        return bool(np.max(np.abs(error)) <= self._config.tolerance)

    def _next_knot(self, row: Array, speed: Array, opening: float) -> tuple[Array, Array]:
        """The knot after `row` at a joint velocity, and what the joints' limits leave of that velocity, shape (n,)."""
        dt = self._config.knot_dt
        joints = row[self._arm.columns]
        result = row.copy()
        result[self._arm.columns] = np.clip(joints + speed * dt, *self._ik.bounds(joints))
        grip = self._config.limits.gripper_velocity * dt
        result[self._gripper.columns] += np.clip(opening - row[self._gripper.columns], -grip, grip)
        return result, (result[self._arm.columns] - joints) / dt

    def _rows(self, knots: Array, velocity: Array, stands: bool) -> Array:
        """Rows on a curve through knots (K, D) whose joints start with `velocity` and end at rest if it `stands`.

        The controller's curve through rows knows only its neighbours; close rows tell it this one.
        """
        dt, count = self._config.knot_dt, self._config.rows_per_knot
        joints = knots[:, self._arm.columns]
        steps = np.diff(joints, axis=0) / dt
        last = np.zeros_like(velocity) if stands else 1.5 * steps[-1] - 0.5 * steps[-2]
        slopes = np.concatenate([velocity[None], 0.5 * (steps[1:] + steps[:-1]), last[None]])
        places = np.arange(count * (len(knots) - 1) + 1) / count
        rows = np.empty((len(places), self._width))
        rows[:, self._arm.columns] = CubicHermiteSpline(dt * np.arange(len(knots)), joints, slopes)(dt * places)
        gripper = self._gripper.offset
        rows[:, gripper] = np.interp(places, np.arange(len(knots)), knots[:, gripper])
        rows[::count] = knots  # exactly
        return rows

    def _coast(self, rows: Array, velocity: Array) -> Array:
        """The rows with those of the lead before them, which arrive at the first with its velocity."""
        before = np.repeat(rows[:1], self._lead_rows, axis=0)
        times = np.arange(-self._lead_rows, 0)[:, None] * (self._row_ns / NANOSECONDS)
        before[:, self._arm.columns] += times * velocity
        return np.concatenate([before, rows])


def _one(groups: tuple[ActionGroup, ...], space: Space) -> ActionGroup:
    found = [group for group in groups if group.space == space]
    if len(found) != 1:
        raise BcError(
            f"teleoperation needs exactly one {space.name} group, the contract has {len(found)} of "
            f"{', '.join(group.name for group in groups)}: choose a contract for one arm with a gripper"
        )
    return found[0]
