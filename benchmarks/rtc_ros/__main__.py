"""python -m benchmarks.rtc_ros: what policy_node and chunk_scheduler add to a cycle beyond the network's inference.

Real processes in real time on this machine. A cycle begins at its tick, with its sample and the scheduler's request,
and ends when the chunk arrives where the controller is; what policy_node spent in the network is taken off. Beside it,
half a tick later, an echo pair: a bare request-sized message out and a bare chunk-sized one back (two hops; a cycle has
three: request, chunk, command). Once with a network that takes a few milliseconds (idle), once with one that infers
most of the time on every core.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from bc_bringup import resources
from bc_bringup.virtual.operator import drifting_policy
from benchmarks.provenance import provenance
from benchmarks.rtc_ros.robot import CONTRACT, DT_MS, Cycles, measure

WIDTHS = {"idle": 64, "inferring": 1536}
GOALS_MS = {"idle": {"p50": 2.0, "p99": 5.0}, "inferring": {"p99": float(DT_MS)}}
STOP_WITHIN = 20.0  # [s] from SIGINT to the end of a process


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cycles", type=int, default=400, help="in each condition (%(default)s)")
    parser.add_argument("--seconds", type=float, default=50.0, help="at most, in each condition (%(default)s)")
    parser.add_argument("--out", type=Path, default=Path("out/bench/rtc_ros.json"))
    options = parser.parse_args()
    os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    load = os.getloadavg()[0]
    rows = {name: summary(run(width, options.cycles, options.seconds)) for name, width in WIDTHS.items()}
    report = {**provenance("make bench-rtc-ros"), "load_before": load, "goals_ms": GOALS_MS, "conditions": rows}
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    missed = [name for name, row in rows.items() if not reached(name, row)]
    for name, row in rows.items():
        inference = row["inference"]["p50"]
        print(f"{name}: {row['cycles']} cycles, inference p50 {inference:.1f} ms, {row['busy']:.0%} of the time")
        for what in ("added", "echo"):
            print(f"  {what:6}" + "".join(f"  {figure} {value:6.2f} ms" for figure, value in row[what].items()))
        print(f"  {'MISSED' if name in missed else 'reached'}: added at most {GOALS_MS[name]} ms")
    print(f"written: {options.out}")
    return 1 if missed else 0


def reached(condition: str, row: dict[str, Any]) -> bool:
    return all(row["added"][figure] <= goal for figure, goal in GOALS_MS[condition].items())


def run(width: int, cycles: int, seconds: float) -> Cycles:
    """Both nodes and the echo as processes of their own, with a network of that width; everything ended after."""
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        checkpoint = drifting_policy(*write_settings(folder, width), folder / "checkpoint")
        parameters = {"policy_node": {"checkpoint": checkpoint, "contract": folder / "contract.yaml", "threads": 2}}
        parameters["chunk_scheduler"] = {"checkpoint": checkpoint, "s_min": 1, "delay_init": 2, "strategy": "rtc"}
        commands = [node_command(name, values) for name, values in parameters.items()]
        commands.append([sys.executable, "-m", "benchmarks.rtc_ros.echo"])
        log = (folder / "log").open("w")
        processes = [subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT) for command in commands]
        try:
            return measure(cycles, seconds, lambda: [p.args for p in processes if p.poll() is not None])
        except RuntimeError as error:
            raise SystemExit(f"{error}\n{(folder / 'log').read_text()[-3000:]}") from error
        finally:
            for process in processes:
                process.terminate()
            for process in processes:
                process.wait(STOP_WITHIN)


def node_command(name: str, parameters: dict[str, Any]) -> list[str]:
    code = f"import sys; from bc_policy_node.{name} import main; sys.exit(main())"
    words = [word for key, value in parameters.items() for word in ("-p", f"{key}:={value}")]
    return [sys.executable, "-c", code, "--ros-args", "-r", f"__node:={name}", *words]


def write_settings(folder: Path, width: int) -> tuple[Path, Path]:
    """Contract and training configuration of a policy on two joints."""
    document = yaml.safe_load(resources.config_path("policy", "flow").read_text())
    document["policy"] |= {"observations": ["arm"], "relations": [], "width": width}
    contract, policy = folder / "contract.yaml", folder / "policy.yaml"
    contract.write_text(yaml.safe_dump(CONTRACT))
    policy.write_text(yaml.safe_dump(document))
    return contract, policy


def summary(cycles: Cycles) -> dict[str, Any]:
    return {
        "cycles": len(cycles.added),
        "added": percentiles(cycles.added),
        "echo": percentiles(cycles.echo),
        "inference": percentiles(cycles.inference),
        "busy": sum(cycles.inference) / cycles.seconds / 1e3,
    }


def percentiles(milliseconds: list[float]) -> dict[str, float]:
    p50, p99 = np.percentile(milliseconds, [50, 99])
    return {"p50": float(p50), "p99": float(p99), "max": max(milliseconds)}


if __name__ == "__main__":
    raise SystemExit(main())
