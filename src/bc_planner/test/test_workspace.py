"""Workspace files: what they must say, and that the Panda's says what its task has."""

from pathlib import Path

import mujoco
import numpy as np
import pytest

from bc_controllers import Robot, load_robot
from bc_core.contract import Contract
from bc_core.errors import BcError
from bc_core.grid import Grid
from bc_planner.planner import MotionPlanner, Settings
from bc_planner.workspace import Workspace, load_workspace
from bc_sim.scene import build
from bc_sim.task_config import load_task

CONFIG = Path(__file__).resolve().parents[3] / "config"
HEAD = "workspace: w\nbase_frame: panda_link0\nclearance: 0.02\n"


@pytest.mark.parametrize("task", ["conveyor_pick", "conveyor_fast"])
def test_the_cell_is_the_tasks(robot: Robot, workspace: Workspace, task: str) -> None:
    """Start is the task's, and whatever stands in the simulated cell is inside of an obstacle."""
    config = load_task(CONFIG / "tasks" / f"{task}.yaml")
    assert workspace.configurations["start"].arm == pytest.approx(config.start.arm)
    assert workspace.configurations["start"].gripper == config.start.gripper
    scene = build(robot, config)
    mujoco.mj_forward(scene.model, scene.data)
    reach = 0.9  # of the arm, along the belt [m]
    boxes = {obstacle.name: obstacle for obstacle in workspace.obstacles}
    belt = boxes["belt"]
    found = 0
    for geom in range(scene.model.ngeom):
        body = scene.model.body(int(scene.model.geom_bodyid[geom])).name
        fixed = body == "belt" or (body == "world" and scene.model.geom_type[geom] == mujoco.mjtGeom.mjGEOM_BOX)
        if not fixed or not scene.model.geom_contype[geom]:
            continue
        found += 1
        centre, half = scene.data.geom_xpos[geom], scene.model.geom_size[geom]
        low, high = centre - half, centre + half
        low[1], high[1] = max(low[1], -reach), min(high[1], reach)
        middle, extent = belt.placement.translation, np.array(belt.size) / 2
        assert (low >= middle - extent - 1e-9).all() and (high <= middle + extent + 1e-9).all(), body
    assert found == 3  # the belt and its two sides
    assert boxes["table"].placement.translation[2] + boxes["table"].size[2] / 2 == 0.0  # the floor


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("clearance: 0.02", "key 'workspace' is missing"),
        (HEAD + "obstacles: [{name: a, box: [1, 1], position: [0, 0, 0]}]", "give 3 sizes above 0"),
        (HEAD + "obstacles: [{name: a, sphere: -1, position: [0, 0, 0]}]", "give 1 sizes above 0"),
        (HEAD + "obstacles: [{name: a, position: [0, 0, 0]}]", "has 0 shapes: give one of box"),
        (HEAD + "obstacles: [{name: a, sphere: 1, position: [0, 0]}]", "three numbers each"),
        (HEAD + "obstacles: [{name: a, sphere: .nan, position: [0, 0, 0]}]", "give finite numbers"),
        (HEAD + "obstacles: [{name: a, mesh: x, position: [0, 0, 0]}]", "unknown key 'mesh'"),
        (
            HEAD + "obstacles: [{name: a, sphere: 1, position: [0, 0, 0]}, {name: a, sphere: 1, position: [0, 0, 0]}]",
            "two obstacles have the name 'a'",
        ),
        (HEAD + "configurations: {home: {arm: [0]}}", "configuration 'home' is the robot file's"),
        (HEAD.replace("0.02", "2.0"), "clearance is 2.0 m"),
        ("[", "is not YAML"),
    ],
)
def test_a_wrong_file_is_refused_by_name(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "w.yaml"
    file.write_text(text)
    with pytest.raises(BcError, match=r"w\.yaml") as caught:
        load_workspace(file)
    assert words in str(caught.value)


def test_files_that_do_not_belong_together(
    robot: Robot, contract: Contract, workspace: Workspace, tmp_path: Path
) -> None:
    with pytest.raises(BcError, match=r"known workspaces there are .*panda_conveyor"):
        load_workspace(CONFIG / "workspaces" / "nowhere.yaml")
    ur5 = load_robot(CONFIG / "robots" / "ur5.yaml")
    with pytest.raises(BcError, match="given in 'panda_link0', but robot 'ur5' stands in 'base_link'"):
        MotionPlanner(ur5, workspace, contract.groups, Grid(1), Settings())
    file = tmp_path / "w.yaml"
    file.write_text(HEAD + "configurations: {near: {arm: [0.0, 0.1]}}")
    with pytest.raises(BcError, match="'near' has 2 joints"):
        MotionPlanner(robot, load_workspace(file), contract.groups, contract.grid, Settings())
    file.write_text(HEAD + "obstacles: [{name: panda_hand, sphere: 1, position: [3, 0, 0]}]")
    with pytest.raises(BcError, match="name of another, or of a link"):
        MotionPlanner(robot, load_workspace(file), contract.groups, contract.grid, Settings())
