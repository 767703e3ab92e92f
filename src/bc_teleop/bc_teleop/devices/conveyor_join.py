"""Where an expert at conveyor_pick begins when it is asked in the middle of somebody else's episode.

What it does must depend on the state alone, and agree with itself: asked again a moment later on its own way, it must
not begin anew, or a student who learns from its answers would never arrive. So the time that is left on a path follows
from the distance that is left, by the profile of the whole path, and that profile is one that position and velocity
determine: with a minimum-jerk one, which starts without acceleration, whoever is asked often enough never brakes.
"""

from dataclasses import dataclass

import numpy as np

from bc_teleop.command import Array, ObjectView, Observation
from bc_teleop.devices import motion
from bc_teleop.devices.conveyor_pick import ConveyorPickConfig, Path
from bc_teleop.devices.paths import Arc, Rise, Straight, grasp_yaw

_LEAST_TIME = 0.1  # of a path [s]: two ticks
_SHARES = np.linspace(0.0, 1.0, 201)
_LEFT = _SHARES**2 * (3.0 - 2.0 * _SHARES)


def share_left(distance: float) -> float:
    """Share of the time of a motion from rest to rest (motion.cubic) that is left where this share of its distance is;
    of a longer way so much more.
    """
    return distance if distance >= 1.0 else float(np.interp(distance, _LEFT, _SHARES))


@dataclass(frozen=True)
class ConveyorPickJoin:
    """The path for any state, and for how long the expert would have been on it.

    ride_height: of the cube's centre while it rides [m]. way, turn: distance [m] and angle [rad] of a whole approach.
    over, aligned: from here on [m, rad] the tool is above the cube and may come down. clear: of the tool centre point
    above the cube's centre, where the fingers pass over the cube [m]. around: least opening that goes round it [m].
    braking: to end a velocity that leads away [m/s^2].
    """

    config: ConveyorPickConfig
    ride_height: float
    way: float = 0.45
    turn: float = 0.8
    over: float = 0.02
    aligned: float = 0.3
    clear: float = 0.04
    around: float = 0.055
    braking: float = 2.0

    def __call__(self, seen: Observation, cube: ObjectView) -> tuple[Path, float]:
        config = self.config
        closed = config.open_width - seen.gripper
        offset = seen.tcp.position - cube.pose.position
        near = float(np.linalg.norm(offset)) < config.held_distance and seen.gripper > config.missed_width
        if near and config.held_width <= seen.gripper <= config.held_width_most:
            return self._rise(seen, cube), 0.0
        if near and (closed > 0.005 or self._in_place(seen, cube, offset)):
            along = Straight(seen.tcp.position, cube.velocity, seen.tcp.rotation)
            return along, config.close_time * max(closed, 0.0) / (config.open_width - config.held_width)
        return self._approach(seen, cube, offset), 0.0

    def _in_place(self, seen: Observation, cube: ObjectView, offset: Array) -> bool:
        """May the fingers close?"""
        error = offset - np.array([0.0, 0.0, self.config.grasp_height])
        return bool(np.linalg.norm(error) < self.config.position_tolerance) and (
            abs(_turn_left(seen, cube)) < self.config.yaw_tolerance
        )

    def _rise(self, seen: Observation, cube: ObjectView) -> Rise:
        config = self.config
        left = max(config.lift_height - (float(cube.pose.position[2]) - self.ride_height), 0.0)
        time = max(config.lift_time * share_left(left / config.lift_height), _LEAST_TIME)
        velocity = cube.velocity if seen.tcp_velocity is None else seen.tcp_velocity
        end = seen.tcp.position + np.append(0.5 * time * velocity[:2], left)
        return Rise(motion.cubic(time, seen.tcp.position, velocity, end), seen.tcp.rotation)

    def _approach(self, seen: Observation, cube: ObjectView, offset: Array) -> Arc:
        """Straight to above the cube, by the nearest turn, as late as in a demonstration, and down upon it."""
        config, hover = self.config, self.config.hover_height
        turn, distance = _turn_left(seen, cube), float(np.linalg.norm(offset[:2]))
        velocity = (np.zeros(3) if seen.tcp_velocity is None else seen.tcp_velocity) - cube.velocity
        turning = max(config.turn_time * share_left(abs(turn) / self.turn), _LEAST_TIME)
        coming = config.approach_time * share_left(distance / self.way)
        time = max(coming, turning, float(np.linalg.norm(velocity[:2])) / self.braking)
        height = float(offset[2])
        over = distance < self.over and abs(turn) < self.aligned
        descends = over and height < hover and seen.gripper > self.around
        if descends:
            top, start = height, 0.0
        else:
            top, start = min(max(height, self.clear), hover), max(time - config.overlap, 0.0)
            if height < self.clear:  # beside the cube, and too low to pass over it
                rise = config.descend_time * share_left((top - height) / (hover - config.grasp_height))
                time = start = max(time, rise)
        depth = config.grasp_height - top
        descent = max(config.descend_time * share_left(abs(depth) / (hover - config.grasp_height)), _LEAST_TIME)
        yaw = motion.yaw_of(seen.tcp.rotation) - turn
        return Arc(
            offset=motion.cubic(time, offset[:2], velocity[:2], np.zeros(2)),
            above=motion.cubic(time, height, 0.0 if descends else velocity[2], top),
            descent=motion.cubic(descent, 0.0, velocity[2] if descends else 0.0, depth),
            descent_start=start,
            normal=np.array([1.0, 0.0]),
            swing=0.0,
            yaw_error=motion.cubic(turning, turn, 0.0, 0.0),
            turn_start=time - turning,
            quarter=yaw - motion.yaw_of(cube.pose.rotation),
        )


def _turn_left(seen: Observation, cube: ObjectView) -> float:
    """From the nearest yaw that grips two faces of the cube to the tool's [rad]."""
    tool = motion.yaw_of(seen.tcp.rotation)
    return tool - grasp_yaw(tool, motion.yaw_of(cube.pose.rotation), 0)
