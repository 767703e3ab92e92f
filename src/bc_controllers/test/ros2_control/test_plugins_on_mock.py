"""The plugins in a real controller_manager of their own, on mock hardware; and without one, what update() costs."""

import json
import subprocess
from collections.abc import Callable

import numpy as np
import pytest

pytest.importorskip("controller_manager_msgs", reason="ros2_control is not installed: its plugins are not built")
from control_rig import CONFIG, running
from test_plugins import JTC, PLUGINS, TRAJECTORY, ramp, reference

from bc_controllers import load_robot
from bc_msgs.msg import ChunkAck, ControlMode

pytestmark = pytest.mark.usefixtures("context")


def test_a_fault_hands_over_to_the_fallback_controllers(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Mock hardware never moves by torque: its encoders stand still while the reference moves, a fault."""
    parameters = {
        "controller_manager": {
            "controller": {"type": "bc_controllers/JointImpedanceController", "fallback_controllers": ["trajectory"]},
            "trajectory": {"type": JTC},
        },
        "controller": {"error_on_fault": True},
        "trajectory": TRAJECTORY,
    }
    with running("panda", "mock", parameters, tmp_path_factory.mktemp("fallback")) as rig:
        assert rig.load("trajectory") and rig.configure("trajectory")
        assert rig.load("controller") and rig.configure("controller")
        assert rig.switch(activate=["controller"])
        rig.send("human", ramp(reference(rig), 0, 0.6))
        rig.until(lambda: rig.lifecycle("controller") == "inactive", "the faulty controller is deactivated")
        assert rig.lifecycle("trajectory") == "active"
        assert [mode.reason for mode in rig.modes if mode.mode == ControlMode.STOPPED] == [
            "fault: encoder reading is frozen"
        ]


@pytest.mark.parametrize("name", ["panda", "ur5", "so101"])
def test_positions_are_followed_on_mock_hardware(name: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    parameters = {"controller_manager": {"controller": {"type": "bc_controllers/PositionChunkController"}}}
    with running(name, "mock", parameters, tmp_path_factory.mktemp(name)) as rig:
        assert rig.load("controller") and rig.configure("controller") and rig.switch(activate=["controller"])
        start = reference(rig)
        np.testing.assert_allclose(start, rig.robot.home, atol=1e-6)
        assert rig.ack_of(rig.send("human", ramp(start, 0, 0.3))).verdict == ChunkAck.IN_FORCE
        rig.until(lambda: rig.mode() == ControlMode.HUMAN, "HUMAN")
        rig.until(lambda: rig.mode() == ControlMode.HOLD, "HOLD")
        np.testing.assert_allclose(rig.position(), ramp(start, 0, 0.3)[-1], atol=2e-2)


@pytest.mark.parametrize("on_purpose", [False, True])
def test_update_of_no_plugin_allocates_or_waits_for_a_lock(on_purpose: bool, program: Callable[[str], str]) -> None:
    """With chunks from the topic at work; what is done on purpose is found: otherwise this would prove nothing."""
    urdf, parameters = load_robot(CONFIG / "robots" / "panda.yaml").urdf, CONFIG / "ros2_control" / "panda.yaml"
    command = [program("plugin_benchmark"), str(urdf), str(parameters), "600"]
    done = subprocess.run(
        [*command, *(["--allocate"] if on_purpose else [])], capture_output=True, text=True, check=True, timeout=120
    )
    reports = [json.loads(line) for line in done.stdout.splitlines()]
    assert {report["output"] for report in reports} == PLUGINS
    for report in reports:
        assert report["chunks"] >= 2
        calls = (report["heap_calls"], report["lock_calls"])
        assert min(calls) >= report["updates"] if on_purpose else calls == (0, 0)
