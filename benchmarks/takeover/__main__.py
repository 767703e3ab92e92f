"""Takeover latency over the real graph: a Joy message with the dead-man pressed, until the first human row in force.

Real processes in real time on this machine: the rollout graph with a policy of the usual size, once with the robot in
HOLD (idle) and once in POLICY, while the network infers; about three minutes in all. The time of the press is taken
before the message is published, that of the effect is the controller's own (ChunkAck.effective); both are the system
clock's. Goals: p99 at most 20 ms idle, at most 50 ms with inference.
"""

import argparse
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import rclpy

from bc_bringup import resources
from bc_bringup.virtual.operator import DEAD_MAN, Operator, drifting_policy
from bc_msgs.msg import ChunkAck, ControlMode
from bc_msgs.srv import ChangeMode
from bc_nodes.convert import to_ns
from benchmarks.provenance import provenance

GOALS_MS = {"idle": 20.0, "inferring": 50.0}
WAIT = (0.1, 0.6)  # [s] before a press: longer than the policy takes from one chunk to the next (8 ticks of 50 ms)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--takeovers", type=int, default=150, help="in each condition (%(default)s)")
    parser.add_argument("--out", type=Path, default=Path("out/bench/takeover.json"))
    options = parser.parse_args()
    os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    rng = np.random.default_rng(0)
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        checkpoint = drifting_policy(
            resources.config_path("contract", "panda_conveyor"),
            resources.config_path("policy", "flow"),
            folder / "policy",
        )
        operator = Operator(folder, "rollout", checkpoint=str(checkpoint), device="joy", directory=str(folder / "bags"))
        try:
            operator.wait_until_active()
            operator.spin_for(1.0)
            rows = {
                condition: measure(operator, options.takeovers, condition == "inferring", rng) for condition in GOALS_MS
            }
        finally:
            operator.close()
            rclpy.shutdown()
    report = {**provenance("make bench-takeover"), "load_before": load, "goals_p99_ms": GOALS_MS, "conditions": rows}
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(table(rows))
    print(f"written: {options.out}")
    return 0


def measure(operator: Operator, takeovers: int, inferring: bool, rng: np.random.Generator) -> dict[str, Any]:
    """Latencies [ms] and raw jumps [rad] of takeovers at random moments.

    The stamp of a takeover's chunk is the time at which teleop_node took the press up: what lies before it is transport
    and waking up, what lies behind it is inverse kinematics, transport and the controller.
    """
    latencies, heard, jumps = [], [], []
    for number in range(takeovers):
        if number % 20 == 0:
            operator.reset_scene(seed=number)
        if inferring:
            operator.accepted(ChangeMode, "controller/change_mode", request=ChangeMode.Request.RESUME, reason="bench")
            operator.until(lambda: operator.mode == ControlMode.POLICY)
        operator.spin_for(float(rng.uniform(*WAIT)))
        operator.acks.clear()
        operator.chunks.clear()
        pressed_ns = time.time_ns()
        operator.press(DEAD_MAN)
        operator.until(lambda: bool(first_human(operator)))
        (ack,) = first_human(operator)
        operator.until(lambda: any(chunk.sequence == ack.sequence for chunk in operator.chunks))  # noqa: B023
        (stamp,) = (chunk.header.stamp for chunk in operator.chunks if chunk.sequence == ack.sequence)
        latencies.append((to_ns(ack.effective) - pressed_ns) / 1e6)
        heard.append((to_ns(stamp) - pressed_ns) / 1e6)
        jumps.append(ack.raw_jump)
        operator.until_mode(ControlMode.HUMAN)
        operator.press()
        operator.until_mode(ControlMode.HOLD)
    return {
        "takeovers": takeovers,
        "p50_ms": float(np.percentile(latencies, 50)),
        "p99_ms": float(np.percentile(latencies, 99)),
        "max_ms": float(np.max(latencies)),
        "until_heard_ms": percentiles(heard),
        "from_heard_ms": percentiles(np.subtract(latencies, heard)),
        "raw_jump_p99_rad": float(np.percentile(jumps, 99)),
        "raw_jump_max_rad": float(np.max(jumps)),
    }


def percentiles(values: Any) -> dict[str, float]:
    """Median and 99th percentile."""
    return {"p50": float(np.percentile(values, 50)), "p99": float(np.percentile(values, 99))}


def first_human(operator: Operator) -> list[ChunkAck]:
    """The first acknowledgement of a human's chunk in force, if there is one."""
    found = (ack for ack in operator.acks if ack.source == "human" and ack.verdict == ChunkAck.IN_FORCE)
    return [ack for ack, _ in zip(found, range(1), strict=False)]


def table(rows: dict[str, dict[str, Any]]) -> str:
    lines = [
        f"{'':10} {'p50 ms':>8} {'p99 ms':>8} {'max ms':>8} {'goal':>6}  "
        f"{'until heard p50, p99':>22} {'from there p50, p99':>22}  raw jump p99, max [rad]"
    ]
    for condition, row in rows.items():
        goal = GOALS_MS[condition]
        verdict = "reached" if row["p99_ms"] <= goal else "MISSED"
        heard, then = ("{p50:.1f}, {p99:.1f}".format(**row[key]) for key in ("until_heard_ms", "from_heard_ms"))
        lines.append(
            f"{condition:10} {row['p50_ms']:8.1f} {row['p99_ms']:8.1f} {row['max_ms']:8.1f} {goal:6.0f}  {heard:>22} "
            f"{then:>22}  {row['raw_jump_p99_rad']:.4f}, {row['raw_jump_max_rad']:.4f}  {verdict}"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    raise SystemExit(main())
