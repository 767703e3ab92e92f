"""The policy's process killed while it drives, and started again: real processes, in real time."""

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import yaml
from diagnostic_msgs.msg import DiagnosticArray

from bc_bringup import resources
from bc_bringup.virtual.operator import Operator
from bc_core.fields import time_ns
from bc_msgs.msg import ChunkAck, ControlMode, SchedulerStatus
from bc_msgs.srv import ChangeMode
from bc_nodes import qos
from takeover_rig import CONFIG, FrozenRows, launched

HOLD, POLICY = ControlMode.HOLD, ControlMode.POLICY
NODES = ("sim", "chunk_scheduler")


def without_policy(folder: Path) -> Path:
    """The rollout graph, less the recorder and the policy, whose process the test starts and kills by itself."""
    document = yaml.safe_load((resources.share() / "launch" / "rollout.launch.yaml").read_text())
    document["launch"] = [
        entity for entity in document["launch"] if entity.get("node", {}).get("name") in (None, *NODES)
    ]
    path = folder / "without_policy.launch.yaml"
    path.write_text(yaml.safe_dump(document))
    return path


@contextmanager
def policy_process(graph: Operator, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """policy_node, active; killed at the end."""
    executable = resources.InstalledPackages().prefix("bc_policy_node") / "lib" / "bc_policy_node" / "policy_node"
    contract = CONFIG / "contracts" / "panda_conveyor.yaml"
    parameters = ["-p", f"checkpoint:={folder / 'checkpoint'}", "-p", f"contract:={contract}"]
    with (folder / "policy.log").open("a") as log:
        process = subprocess.Popen([executable, "--ros-args", *parameters], stdout=log, stderr=subprocess.STDOUT)
        try:
            graph.until(lambda: graph.is_active("policy_node"))
            yield process
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()


def resume(graph: Operator) -> int:
    """Let the policy drive, and wait until it does; the mode's epoch."""
    graph.accepted(ChangeMode, "controller/change_mode", request=ChangeMode.Request.RESUME)
    graph.until(lambda: graph.mode == POLICY and graph.states[-1].source == "policy")
    return int(graph.modes[-1].epoch)


def test_a_policy_that_is_killed_leaves_hold_and_drives_again_when_it_is_back(tmp_path: Path) -> None:
    with launched(tmp_path, str(without_policy(tmp_path)), "none", NODES) as graph:
        frozen = FrozenRows(graph)
        status: list[SchedulerStatus] = []
        told: list[str] = []

        def on_diagnostics(msg: DiagnosticArray) -> None:
            told.extend(s.message for s in msg.status if s.level == s.ERROR and s.name == "/chunk_scheduler")

        graph.node.create_subscription(SchedulerStatus, "scheduler/status", status.append, qos.EVENT)
        graph.node.create_subscription(DiagnosticArray, "/diagnostics", on_diagnostics, qos.EVENT)
        with policy_process(graph, tmp_path):
            resume(graph)
            graph.until(lambda: bool(status) and status[-1].delay_measured > 0)
        graph.until_mode(HOLD)
        assert graph.modes[-1].reason == "starved"
        graph.until(lambda: any("policy_node does not answer" in message for message in told))
        starved = next(msg for msg in status if msg.message.startswith("starved"))
        assert starved.starved_ticks > 0
        graph.spin_for(0.3)
        held = graph.states[-1]
        assert held.mode == HOLD
        np.testing.assert_array_equal(held.velocity_reference, 0.0)

        with policy_process(graph, tmp_path):
            graph.spin_for(0.3)
            assert graph.mode == HOLD  # that it is back changes nothing by itself
            np.testing.assert_array_equal(graph.states[-1].position_reference, held.position_reference)
            epoch = resume(graph)
            acks = [ack for ack in graph.acks if ack.source == "policy" and ack.mode_epoch == epoch]
            assert acks[0].verdict == ChunkAck.IN_FORCE
            frozen.check(acks[0])
            graph.until(lambda: sum(a.mode_epoch == epoch and a.verdict == ChunkAck.IN_FORCE for a in graph.acks) >= 3)
        moved = [s for s in graph.states if s.mode_epoch == epoch]
        assert np.ptp([s.position_reference[0] for s in moved]) > 0.0
        assert time_ns(acks[0].effective) > time_ns(held.header.stamp)
