"""An expert at picking a cube from a running belt, who does it another way each time.

It sees what a person sees (tool and cube) and answers with what a person does (velocity of the tool, gripper opening).
The ways differ in discrete choices that are all equally good but must not be mixed: which of the two pairs of faces is
gripped, so which way the wrist turns, and on which side of the direct path the tool swings out. Which way to turn is
decided late, when the tool is almost there: what was seen before does not tell.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bc_core.grid import NANOSECONDS
from bc_teleop.command import DeviceCommand, ObjectView, Observation
from bc_teleop.devices import motion
from bc_teleop.devices.paths import Arc, Rise, Straight, grasp_yaw, left_of


@dataclass(frozen=True)
class ConveyorPickConfig:
    """Times [s], lengths [m], gains [1/s], speeds [m/s, rad/s], angles [rad]."""

    reaction_time: float = 0.1  # least time from the reset until the hand moves
    reaction_spread: float = 0.15  # and at most this much more
    approach_time: float = 1.4  # until the tool is above the cube
    turn_time: float = 0.6  # of these, at the end: only then the hand decides which way the wrist turns
    descend_time: float = 0.7  # from the start of the descent to the grasp
    overlap: float = 0.25  # how long before the end of the approach the descent begins
    tempo: float = 0.04  # relative spread of these times from episode to episode
    swing: float = 0.07  # lateral distance of the arc from the direct path
    hover_height: float = 0.08  # of the tool centre point above the cube's centre
    grasp_height: float = 0.008  # of the same, when the fingers close
    position_tolerance: float = 0.012  # error beyond which the grasp has to wait
    yaw_tolerance: float = 0.12
    patience: float = 0.6  # for the tolerances, after the planned time
    close_time: float = 0.35  # least time given to the gripper
    close_limit: float = 0.8  # most time
    open_width: float = 0.08
    missed_width: float = 0.015  # a gripper closed further than this holds nothing
    held_width: float = 0.03  # openings, least and most, at which the cube is in the hand
    held_width_most: float = 0.045
    held_distance: float = 0.03  # and the tool this close to the cube's centre
    lift_height: float = 0.16
    lift_time: float = 0.8
    linear_gain: float = 4.0
    angular_gain: float = 4.0
    linear_tremor: float = 0.04
    angular_tremor: float = 0.12
    tremor_correlation: float = 0.3


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


Path = Arc | Straight | Rise
Joining = Callable[[Observation, ObjectView], tuple[Path, float]]
"""Where an expert begins that is asked in the middle of an episode: its path, and how long it has been on it [s]."""


class ConveyorPickExpert:
    """One episode. rng draws the way, the reaction time and the tremor. join: begin there instead of at the start."""

    def __init__(self, config: ConveyorPickConfig, rng: np.random.Generator, join: Joining | None = None) -> None:
        self._config, self._join = config, join
        self._reaction = config.reaction_time + config.reaction_spread * rng.uniform()
        tempo = 1.0 + config.tempo * rng.uniform(-1.0, 1.0)
        self.way = Way(turn=int(rng.choice((-1, 1))), side=int(rng.choice((-1, 1))), tempo=tempo)
        self.attempts = 0
        self.path: Path | None = None  # coming down, closing, lifting
        self._path_ns = 0
        self._opening = config.open_width
        deviation = np.array([config.linear_tremor] * 3 + [config.angular_tremor] * 3)
        self._tremor = motion.Tremor(deviation, config.tremor_correlation, rng)
        self._last_ns: int | None = None

    def command(self, seen: Observation) -> DeviceCommand:
        """What the hand does now; it lets go of the dead-man while the cube cannot be seen."""
        cube, config = seen.object, self._config
        if cube is None or seen.task is None or seen.task.elapsed < self._reaction:
            return DeviceCommand()
        if self.path is None and self._join is not None:
            self.path, since = self._join(seen, cube)
            self._path_ns, self.attempts = seen.time_ns - round(since * NANOSECONDS), 1
        path = self._next_path(seen, cube)
        if path is not self.path:
            self.path, self._path_ns = path, seen.time_ns
        goal = path.target(self._elapsed(seen), cube)
        linear, angular = motion.servo(
            seen.tcp, goal.pose, goal.linear, goal.angular, config.linear_gain, config.angular_gain
        )
        dt = 0.0 if self._last_ns is None else (seen.time_ns - self._last_ns) * 1e-9
        self._last_ns = seen.time_ns
        approaching = isinstance(path, Arc)
        noise = self._tremor.step(dt) if approaching else np.zeros(6)
        return DeviceCommand(
            enabled=True,
            linear=linear + noise[:3],
            angular=angular + noise[3:],
            gripper=config.open_width if approaching else 0.0,
        )

    def _elapsed(self, seen: Observation) -> float:
        """Seconds on this path."""
        return (seen.time_ns - self._path_ns) * 1e-9

    def _next_path(self, seen: Observation, cube: ObjectView) -> Path:
        """The path to follow now: the one of before, or the next when its time has come."""
        path = self.path
        if path is None:
            return self._approach(seen, cube)
        if isinstance(path, Arc):
            return self._close(path, seen, cube)
        if isinstance(path, Straight) and not self._is_closed(seen):
            return path
        if seen.gripper < self._config.missed_width:
            return self._approach(seen, cube)
        return self._rise(path, seen, cube) if isinstance(path, Straight) else path

    def _close(self, arc: Arc, seen: Observation, cube: ObjectView) -> Arc | Straight:
        """Go along with the cube and close the gripper, once the arc is over and the tool in place."""
        config, elapsed = self._config, self._elapsed(seen)
        goal = arc.target(elapsed, cube)
        error = float(np.linalg.norm(goal.pose.position - seen.tcp.position))
        turn = float((goal.pose.rotation * seen.tcp.rotation.inv()).magnitude())
        aligned = error < config.position_tolerance and turn < config.yaw_tolerance
        late = elapsed - arc.end
        if late < 0.0 or (late < config.patience and not aligned):
            return arc
        return Straight(goal.pose.position, goal.linear, goal.pose.rotation)

    def _is_closed(self, seen: Observation) -> bool:
        """Has the gripper come to a stand?"""
        config, elapsed = self._config, self._elapsed(seen)
        still = abs(seen.gripper - self._opening) < 5e-4
        self._opening = seen.gripper
        return elapsed > config.close_limit or (elapsed > config.close_time and still)

    def _approach(self, seen: Observation, cube: ObjectView) -> Arc:
        """The way of this episode; a further attempt goes straight and turns no more than it must."""
        first, config = self.attempts == 0, self._config
        self.attempts += 1
        tempo = self.way.tempo if first else 1.0
        duration, descend = config.approach_time * tempo, config.descend_time * tempo
        turn = min(config.turn_time, config.approach_time) * tempo
        position, velocity = seen.tcp.position - cube.pose.position, cube.velocity[:2]
        tool_yaw, cube_yaw = motion.yaw_of(seen.tcp.rotation), motion.yaw_of(cube.pose.rotation)
        yaw = grasp_yaw(tool_yaw, cube_yaw, self.way.turn if first else 0)
        return Arc(
            offset=motion.quintic(duration, position[:2], -velocity, np.zeros(2)),
            above=motion.quintic(duration, position[2], 0.0, config.hover_height),
            descent=motion.quintic(descend, 0.0, 0.0, config.grasp_height - config.hover_height),
            descent_start=duration - config.overlap * tempo,
            normal=left_of(velocity * duration - position[:2]),
            swing=self.way.side * config.swing if first else 0.0,
            yaw_error=motion.quintic(turn, tool_yaw - yaw, 0.0, 0.0),
            turn_start=duration - turn,
            quarter=yaw - cube_yaw,
        )

    def _rise(self, path: Straight, seen: Observation, cube: ObjectView) -> Rise:
        """Up from where the tool is, slowing down along the belt."""
        config, start = self._config, path.target(self._elapsed(seen), cube)
        end = start.pose.position + 0.5 * config.lift_time * start.linear + np.array([0.0, 0.0, config.lift_height])
        return Rise(motion.quintic(config.lift_time, start.pose.position, start.linear, end), start.pose.rotation)
