"""An expert at picking a cube from a running belt, who does it another way each time.

It sees what a person sees (tool and cube) and answers with what a person does (velocity of the tool, gripper opening).
The ways differ in discrete choices that are all equally good but must not be mixed: which of the two pairs of faces is
gripped, so which way the wrist turns, and on which side of the direct path the tool swings out.
"""

import math
from dataclasses import dataclass
from enum import Enum

import numpy as np
from scipy.interpolate import BPoly

from bc_teleop.command import Array, DeviceCommand, Observation, Pose
from bc_teleop.devices import motion


@dataclass(frozen=True)
class ConveyorPickConfig:
    """Times [s], lengths [m], gains [1/s], speeds [m/s, rad/s], angles [rad]."""

    approach_time: float = 1.3  # until the tool is above the cube
    descend_time: float = 0.6  # from the start of the descent to the grasp
    overlap: float = 0.25  # how long before the end of the approach the descent begins
    tempo: float = 0.1  # relative spread of these times from episode to episode
    swing: float = 0.12  # lateral distance of the arc from the direct path
    hover_height: float = 0.08  # of the tool centre point above the cube's centre
    grasp_height: float = 0.0
    position_tolerance: float = 0.012
    yaw_tolerance: float = 0.12
    patience: float = 0.6  # for the tolerances, after the planned time
    close_time: float = 0.35  # least time given to the gripper
    close_limit: float = 0.8  # most time
    open_width: float = 0.08
    missed_width: float = 0.015  # a gripper closed further than this holds nothing
    lift_height: float = 0.16
    lift_time: float = 0.8
    linear_gain: float = 4.0
    angular_gain: float = 4.0
    linear_tremor: float = 0.02
    angular_tremor: float = 0.06
    tremor_correlation: float = 0.25


class Stage(Enum):
    APPROACH = "approach"
    CLOSE = "close"
    LIFT = "lift"


@dataclass(frozen=True)
class Way:
    """How it is done this time. turn: +1 or -1, the wrist's direction (counter-clockwise seen from above is +1).

    side: +1 or -1, the arc passes left or right of the direct path. tempo: factor on the times.
    """

    turn: int
    side: int
    tempo: float

    def __str__(self) -> str:
        return f"turn {'left' if self.turn > 0 else 'right'}, arc {'left' if self.side > 0 else 'right'}"


@dataclass(frozen=True)
class _Approach:
    """Plan relative to the cube: offset of the tool in the plane, height and yaw error over time."""

    start_ns: int
    duration: float
    offset: BPoly
    normal: Array
    swing: float
    above: BPoly
    descent: BPoly
    descent_start: float
    yaw_error: BPoly
    quarter: float  # grasp yaw less the cube's yaw

    @property
    def end(self) -> float:
        return self.descent_start + float(self.descent.x[-1])


class ConveyorPickExpert:
    """One episode. rng draws the way and the tremor."""

    def __init__(self, config: ConveyorPickConfig, rng: np.random.Generator) -> None:
        self._config = config
        tempo = 1.0 + config.tempo * rng.uniform(-1.0, 1.0)
        self.way = Way(turn=int(rng.choice((-1, 1))), side=int(rng.choice((-1, 1))), tempo=tempo)
        self.stage = Stage.APPROACH
        self.attempts = 0
        self._plan: _Approach | None = None
        self._stage_ns = 0
        self._lift: BPoly | None = None
        self._grasp: Pose | None = None  # of the tool, when its closing or its rising began
        self._carry = np.zeros(3)  # velocity of the cube then
        self._opening = config.open_width
        deviation = np.array([config.linear_tremor] * 3 + [config.angular_tremor] * 3)
        self._tremor = motion.Tremor(deviation, config.tremor_correlation, rng)
        self._last_ns: int | None = None

    def command(self, seen: Observation) -> DeviceCommand:
        """What the hand does now; the dead-man is let go while the cube cannot be seen."""
        if seen.object is None:
            return DeviceCommand()
        if self._plan is None:
            self._begin_approach(seen)
        self._next_stage(seen)
        target, linear, angular = self._target(seen, self.stage)
        linear, angular = motion.servo(
            seen.tcp, target, linear, angular, self._config.linear_gain, self._config.angular_gain
        )
        dt = 0.0 if self._last_ns is None else (seen.time_ns - self._last_ns) * 1e-9
        noise = self._tremor.step(dt) if self.stage is Stage.APPROACH else np.zeros(6)
        self._last_ns = seen.time_ns
        return DeviceCommand(
            enabled=True,
            linear=linear + noise[:3],
            angular=angular + noise[3:],
            gripper=self._config.open_width if self.stage is Stage.APPROACH else 0.0,
        )

    def _begin_approach(self, seen: Observation) -> None:
        assert seen.object is not None
        config, cube = self._config, seen.object
        factor = self.way.tempo if self.attempts == 0 else 1.0
        duration = config.approach_time * factor
        offset = (seen.tcp.position - cube.pose.position)[:2]
        chord = cube.pose.position[:2] + cube.velocity[:2] * duration - seen.tcp.position[:2]
        length = float(np.linalg.norm(chord))
        ahead = chord / length if length > 0.02 else np.array([0.0, -1.0])
        tool_yaw, cube_yaw = motion.yaw_of(seen.tcp.rotation), motion.yaw_of(cube.pose.rotation)
        grasp_yaw = self._grasp_yaw(tool_yaw, cube_yaw)
        height = seen.tcp.position[2] - cube.pose.position[2]
        descend = config.descend_time * factor
        self._plan = _Approach(
            start_ns=seen.time_ns,
            duration=duration,
            offset=motion.quintic(duration, offset, -cube.velocity[:2], np.zeros(2)),
            normal=np.array([-ahead[1], ahead[0]]),
            swing=self.way.side * config.swing if self.attempts == 0 else 0.0,
            above=motion.quintic(duration, height, 0.0, config.hover_height),
            descent=motion.quintic(descend, 0.0, 0.0, config.grasp_height - config.hover_height),
            descent_start=duration - config.overlap * factor,
            yaw_error=motion.quintic(duration, tool_yaw - grasp_yaw, 0.0, 0.0),
            quarter=grasp_yaw - cube_yaw,
        )
        self.attempts += 1

    def _grasp_yaw(self, tool_yaw: float, cube_yaw: float) -> float:
        """A yaw of the tool at which two faces of the cube are gripped: every quarter turn from the cube's yaw."""
        quarter = math.pi / 2
        below = cube_yaw + quarter * math.floor((tool_yaw - cube_yaw) / quarter)
        if self.attempts == 0:
            return below + quarter if self.way.turn > 0 else below
        return below if tool_yaw - below < quarter / 2 else below + quarter  # a second try takes the nearest

    def _next_stage(self, seen: Observation) -> None:
        assert seen.object is not None and self._plan is not None
        config = self._config
        elapsed = (seen.time_ns - self._stage_ns) * 1e-9
        if self.stage is Stage.APPROACH:
            late = (seen.time_ns - self._plan.start_ns) * 1e-9 - self._plan.end
            if late >= 0.0 and (late > config.patience or self._aligned(seen)):
                self._enter(Stage.CLOSE, seen)
        elif self.stage is Stage.CLOSE:
            still = abs(seen.gripper - self._opening) < 5e-4
            self._opening = seen.gripper
            if elapsed > config.close_limit or (elapsed > config.close_time and still):
                self._enter(Stage.APPROACH if seen.gripper < config.missed_width else Stage.LIFT, seen)
        elif seen.gripper < config.missed_width:
            self._enter(Stage.APPROACH, seen)

    def _enter(self, stage: Stage, seen: Observation) -> None:
        elapsed = (seen.time_ns - self._stage_ns) * 1e-9
        self.stage = stage
        self._stage_ns = seen.time_ns
        if stage is Stage.APPROACH:
            self._begin_approach(seen)
            return
        if stage is Stage.CLOSE:  # from here on the cube moves with the fingers: following it would chase itself
            target, self._carry, _ = self._target(seen, Stage.APPROACH)
            self._grasp = target
        else:
            assert self._grasp is not None
            config = self._config
            start = self._grasp.position + self._carry * elapsed
            end = start + 0.5 * config.lift_time * self._carry + np.array([0.0, 0.0, config.lift_height])
            self._lift = motion.quintic(config.lift_time, start, self._carry, end)

    def _aligned(self, seen: Observation) -> bool:
        target, _, _ = self._target(seen, Stage.APPROACH)
        error = np.linalg.norm(target.position - seen.tcp.position)
        turn = (target.rotation * seen.tcp.rotation.inv()).magnitude()
        return bool(error < self._config.position_tolerance and turn < self._config.yaw_tolerance)

    def _target(self, seen: Observation, stage: Stage) -> tuple[Pose, Array, Array]:
        """Where the tool should be now, and its linear and angular velocity there."""
        if stage is Stage.APPROACH:
            return self._approach_target(seen)
        assert self._grasp is not None
        elapsed = (seen.time_ns - self._stage_ns) * 1e-9
        if stage is Stage.CLOSE:
            position, linear = self._grasp.position + self._carry * elapsed, self._carry
        else:
            assert self._lift is not None
            position, linear = motion.at(self._lift, elapsed)
        return Pose(position, self._grasp.rotation), linear, np.zeros(3)

    def _approach_target(self, seen: Observation) -> tuple[Pose, Array, Array]:
        assert seen.object is not None and self._plan is not None
        plan, cube = self._plan, seen.object
        time = (seen.time_ns - plan.start_ns) * 1e-9
        offset, offset_rate = motion.at(plan.offset, time)
        swing, swing_rate = motion.bump(time / plan.duration)
        above, above_rate = motion.at(plan.above, time)
        descent, descent_rate = motion.at(plan.descent, time - plan.descent_start)
        yaw_error, yaw_rate = motion.at(plan.yaw_error, time)
        relative = np.append(offset + plan.normal * plan.swing * swing, above + descent)
        rate = np.append(offset_rate + plan.normal * plan.swing * swing_rate / plan.duration, above_rate + descent_rate)
        yaw = motion.yaw_of(cube.pose.rotation) + plan.quarter + float(yaw_error)
        target = Pose(cube.pose.position + relative, motion.pointing_down(yaw))
        return target, cube.velocity + rate, np.array([0.0, 0.0, float(yaw_rate)])
