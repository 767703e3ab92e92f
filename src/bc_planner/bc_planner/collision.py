"""Does the arm touch itself, what stands around it, or the walls of its box? Convex hulls of the links, by coal."""

import warnings
from dataclasses import dataclass
from typing import Any

import coal
import numpy as np
import pinocchio as pin

from bc_core.chunks import Array
from bc_core.errors import BcError
from bc_planner.arm import Arm
from bc_planner.workspace import Obstacle, Workspace

_TOUCH = 1e-4  # [m] by which a clearance that the start or the goal does not keep is less than theirs


@dataclass(frozen=True)
class Contact:
    """Two things that are nearer than they may be. depth: 0 or less is the distance, positive how deep [m]."""

    first: str
    second: str
    depth: float

    def __str__(self) -> str:
        if self.depth < 0.0:
            return f"'{self.first}' comes within {-1000 * self.depth:.0f} mm of '{self.second}'"
        return f"'{self.first}' is in '{self.second}' ({1000 * self.depth:.0f} mm deep)"


class CollisionModel:
    """Queries about configurations of an arm in a workspace. Not for several threads at once.

    Pairs that the robot's SRDF disables are left out, and those joined by a joint where it has none. BcError: workspace
    of another robot, obstacle with the name of a link, SRDF missing.
    """

    def __init__(self, arm: Arm, workspace: Workspace) -> None:
        robot = arm.robot
        if workspace.base_frame != robot.base_frame:
            raise BcError(
                f"workspace '{workspace.name}' is given in '{workspace.base_frame}', but robot '{robot.name}' stands in"
                f" '{robot.base_frame}': use files that belong together"
            )
        self.arm, self.clearance = arm, workspace.clearance
        self._box = np.array(robot.controller.workspace.lower), np.array(robot.controller.workspace.upper)
        self._geometry = link_geometry(arm)
        self._names = [arm.model.frames[link.parentFrame].name for link in self._geometry.geometryObjects]
        self._obstacle_pairs = self._add(workspace.obstacles)
        self._data = pin.GeometryData(self._geometry)
        self.keep_clear([])

    def _add(self, obstacles: tuple[Obstacle, ...]) -> list[int]:
        """Obstacles, each to be avoided by every link that moves; returns their pairs."""
        geometry, pairs = self._geometry, []
        for obstacle in obstacles:
            if obstacle.name in self._names:
                raise BcError(f"obstacle '{obstacle.name}' has the name of another, or of a link: rename it")
            links = [index for index, link in enumerate(geometry.geometryObjects) if link.parentJoint]
            shape = pin.GeometryObject(obstacle.name, 0, 0, self.arm.base * obstacle.placement, _shape(obstacle))
            index = geometry.addGeometryObject(shape)
            self._names.append(obstacle.name)
            for link in links:
                pairs.append(len(geometry.collisionPairs))
                geometry.addCollisionPair(pin.CollisionPair(link, index))
        return pairs

    def keep_clear(self, exceptions: list[Array], share: float = 1.0) -> None:
        """Keep a share of the clearance from obstacles from now on, but where one of these configurations does not keep
        it itself: a motion may begin and end near a thing, and comes no nearer to it on the way."""
        margins = np.full(len(self._obstacle_pairs), share * self.clearance)
        for q in exceptions:
            distances = self._distances(q)[self._obstacle_pairs]
            margins = np.minimum(margins, np.maximum(distances - _TOUCH, 0.0))
        for pair, margin in zip(self._obstacle_pairs, margins, strict=True):
            self._data.collisionRequests[pair].security_margin = float(margin)

    def free(self, q: Array) -> bool:
        """Nothing touches, clearances are kept, and the tool is in its box."""
        arm = self.arm
        if pin.computeCollisions(arm.model, arm.data, self._geometry, self._data, arm.full(q), True):
            return False
        return not self._outside(q)

    def contact(self, q: Array, within: float = 0.0) -> Contact | None:
        """The deepest pair that touches, or the wall of the box that the tool is beyond; None: there is none.

        within: distance that counts as touching, too [m].
        """
        distances = self._distances(q)
        if len(distances) and distances.min() <= within:
            worst = int(np.argmin(distances))
            pair = self._geometry.collisionPairs[worst]
            return Contact(self._names[pair.first], self._names[pair.second], -float(distances[worst]))
        if wall := self._outside(q):
            return Contact(self.arm.robot.tcp, f"wall of the tool's workspace, {wall[0]}", wall[1])
        return None

    def distance(self, q: Array) -> float:
        """From the nearest obstacle [m]; infinite: there is none."""
        return float(self._distances(q)[self._obstacle_pairs].min(initial=np.inf))

    def _outside(self, q: Array) -> tuple[str, float] | None:
        position = self.arm.tool(q).translation
        beyond = np.maximum(self._box[0] - position, position - self._box[1])
        axis = int(np.argmax(beyond))
        return ("xyz"[axis], float(beyond[axis])) if beyond[axis] > 0.0 else None

    def _distances(self, q: Array) -> Array:
        """Of every pair, negative where they overlap."""
        arm = self.arm
        pin.computeDistances(arm.model, arm.data, self._geometry, self._data, arm.full(q))
        return np.array([result.min_distance for result in self._data.distanceResults])


def link_geometry(arm: Arm, srdf: bool = True) -> Any:
    """The links as convex bodies, with every pair that may touch. srdf: leave out what the robot's SRDF disables."""
    robot, model = arm.robot, arm.model
    with warnings.catch_warnings():  # pinocchio warns of its own overload
        warnings.simplefilter("ignore", UserWarning)
        geometry = pin.buildGeomFromUrdf(
            model, str(robot.urdf), pin.GeometryType.COLLISION, [str(folder) for folder in robot.packages]
        )
    for link in geometry.geometryObjects:
        if isinstance(link.geometry, coal.BVHModelBase):
            link.geometry.buildConvexHull(True, "Qt")
            link.geometry = link.geometry.convex
    geometry.addAllCollisionPairs()  # but for links of one joint
    if srdf and robot.srdf is not None:
        if not robot.srdf.is_file():
            raise BcError(f"robot '{robot.name}': description.srdf '{robot.srdf}' does not exist: correct the path")
        pin.removeCollisionPairs(model, geometry, str(robot.srdf))
        return geometry
    for pair in list(geometry.collisionPairs):
        first, second = (geometry.geometryObjects[index].parentJoint for index in (pair.first, pair.second))
        if first in (model.parents[second], second) or second == model.parents[first]:
            geometry.removeCollisionPair(pair)
    return geometry


def _shape(obstacle: Obstacle) -> Any:
    makers = {"box": coal.Box, "cylinder": coal.Cylinder, "sphere": coal.Sphere}
    return makers[obstacle.shape](*obstacle.size)
