"""launch/moveit.launch.yaml, where MoveIt is not installed, too."""

from pathlib import Path
from typing import Any

import yaml

from bc_bringup import resources
from bc_bringup.launching.expand import expand
from bc_bringup.launching.substitution import Context


class WithMoveIt(resources.InstalledPackages):
    def __init__(self, moveit: Path) -> None:
        self.moveit = moveit

    def prefix(self, package: str) -> Path:
        return self.moveit if package == "moveit_ros_move_group" else super().prefix(package)


def test_planner_and_move_group_meet_in_the_namespace(packages: Any) -> None:
    moveit = packages.add("moveit_ros_move_group", "move_group")
    arguments = {"namespace": "left", "hardware": "mock", "config": str(resources.share() / "config")}
    started = expand(resources.launch_path("moveit"), arguments, Context(WithMoveIt(moveit)))
    planner, move_group = started.processes
    assert planner.node_name == "/left/planner"
    assert [word for word in move_group.command if "__n" in word] == ["__ns:=/left"]  # its nodes keep their names
    file, described = move_group.parameters
    assert isinstance(file, Path) and isinstance(described, dict)
    told = yaml.safe_load(file.read_text())["/**"]["ros__parameters"]
    assert told["moveit_simple_controller_manager"]["controller"]["action_ns"] == "follow_joint_trajectory"
    assert 'name="panda_hand_tcp"' in described["robot_description"]
    assert '<group name="arm">' in described["robot_description_semantic"]
