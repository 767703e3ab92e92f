"""Which links of a robot need not be checked against each other: lines for its SRDF, from random configurations.

    python tools/self_collisions.py config/robots/panda.yaml [--samples 20000]

Adjacent: joined by a joint. Always: they touch wherever the arm is, because their hulls overlap. Never: they did not
touch in any sample. Fingers of one gripper are made to touch. What is not printed is checked.
"""

import argparse
from itertools import combinations
from pathlib import Path

import numpy as np
import pinocchio as pin

from bc_controllers import load_robot
from bc_planner.arm import Arm
from bc_planner.collision import link_geometry


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("robot", type=Path, help="a file in config/robots")
    parser.add_argument("--samples", type=int, default=20000)
    args = parser.parse_args()
    arm = Arm(load_robot(args.robot))
    geometry, model = link_geometry(arm, srdf=False), arm.model
    geometry.addAllCollisionPairs()
    data = pin.GeometryData(geometry)
    links = [model.frames[link.parentFrame] for link in geometry.geometryObjects]
    touched: dict[frozenset[str], int] = {}
    rng = np.random.default_rng(0)
    for _ in range(args.samples):
        arm.opening = rng.uniform(arm.robot.controller.gripper_lower, arm.robot.controller.gripper_upper)
        q = rng.uniform(arm.lower, arm.upper)
        pin.computeCollisions(model, arm.data, geometry, data, arm.full(q), False)
        pairs = {
            frozenset((links[pair.first].name, links[pair.second].name))
            for pair, result in zip(geometry.collisionPairs, data.collisionResults, strict=True)
            if result.isCollision()
        }
        for pair in pairs:
            touched[pair] = touched.get(pair, 0) + 1
    joints = {frame.name: int(frame.parentJoint) for frame in links}
    fingers = {int(model.getJointId(name)) for name in arm.robot.fingers}
    for first, second in combinations(joints, 2):
        one, two = joints[first], joints[second]
        times = touched.get(frozenset((first, second)), 0)
        if one == two or model.parents[two] == one or model.parents[one] == two:
            reason = "Adjacent"
        elif {one, two} <= fingers:
            reason = "Fingers"
        elif times == args.samples:
            reason = "Always"
        elif times == 0:
            reason = "Never"
        else:
            continue
        print(f'  <disable_collisions link1="{first}" link2="{second}" reason="{reason}"/>')


if __name__ == "__main__":
    main()
