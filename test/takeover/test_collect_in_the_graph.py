"""A demonstration by joystick under the launch file that collects: the tool, then one joint, then the end by button."""

from pathlib import Path

import numpy as np

from bc_bringup.virtual.operator import DEAD_MAN
from bc_core.bags import open_episode, read_info
from bc_core.contract import Contract
from bc_core.dataset import read_episode
from bc_msgs.msg import ControlMode
from takeover_rig import CONFIG, launched

HOLD, HUMAN = ControlMode.HOLD, ControlMode.HUMAN
MODE, SUCCESS = 10, 7  # buttons of config/teleop/joy.yaml
FORWARD, LEFT = "a1", "a0"  # of the left stick


def test_a_hand_demonstrates_in_two_modes_and_ends_the_episode(tmp_path: Path) -> None:
    with launched(tmp_path, "collect", "joy", ("sim", "recorder", "teleop")) as graph:
        graph.press()
        path = Path(graph.start_episode(seed=3))
        graph.press(DEAD_MAN, **{FORWARD: 1.0})
        graph.until_mode(HUMAN)
        graph.spin_for(0.4)
        graph.press()
        graph.until_mode(HOLD)
        for _ in range(2):  # over `camera` to `joints 1-4`
            graph.click(MODE)
            graph.spin_for(0.1)
        before = np.array(graph.states[-1].position_reference)
        graph.press(DEAD_MAN, **{LEFT: 1.0})
        graph.until_mode(HUMAN)
        graph.spin_for(0.4)
        graph.press()
        graph.until_mode(HOLD)
        graph.spin_for(0.1)
        moved = np.array(graph.states[-1].position_reference) - before
        graph.click(SUCCESS)
        graph.until(lambda: read_info(path).get("state") == "complete")
    assert "leaked" not in (tmp_path / "launch.log").read_text()  # what nanobind says at the end of a process
    assert read_info(path)["outcome"] == "success"
    assert moved[0] > 0.05 and np.abs(moved[1:]).max() < 1e-6
    assert open_episode(path).lost_total == 0
    ticks = read_episode(path, Contract.load(CONFIG / "contracts" / "panda_conveyor.yaml"), ("arm",), 1)
    human = np.flatnonzero(ticks.source == "human")
    assert len(human) > 8 and np.count_nonzero(np.diff(human) > 1) == 1  # two drives, nobody in between
    assert not np.any(ticks.source == "policy")
