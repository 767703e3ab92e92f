"""What one update of the controller takes, and what it allocates, for every output on the Panda with every feature on.

The program is native (src/bc_controllers/test/native/control_benchmark.cpp); updates run back to back, so that the
wake-up noise of a shared machine does not drown them, and once at 1 kHz for the record. Where ros2_control is
installed, its plugins are measured at 1 kHz, too: alone (test/ros2_control/plugin_benchmark.cpp) and in a real
controller_manager on simulated hardware, by the manager's own clock (manager_benchmark.cpp). Goals: Cartesian impedance
p50 at most 10 us, p99.9 at most 25 us, and no allocation in any output.

After each update of the library an empty loop runs that takes as long in the median: its tail is the machine's
(interrupts, the hypervisor), and what an update's tail has beyond it is the code's. So is what is slow every time: of
the 200 places in the cycle from chunk to chunk the median of the slowest is given.
"""

import argparse
import json
import os
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bc_bringup import resources
from bc_controllers import Robot, load_robot
from bc_controllers.description import robot_description
from benchmarks.provenance import provenance

FIFO = ("chrt", "-f", "80")  # the priority of bc_sim's loop
GOALS: dict[str, Any] = {"output": "cartesian_impedance", "p50_us": 10.0, "p999_us": 25.0, "heap_calls": 0}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--updates", type=int, default=100_000, help="of each output, back to back (%(default)s)")
    parser.add_argument("--realtime", type=int, default=5_000, help="of each output, at 1 kHz (%(default)s)")
    parser.add_argument(
        "--fifo", action="store_true", help="as a robot's loop runs, at real-time priority (needs the right to)"
    )
    parser.add_argument("--out", type=Path, default=Path("out/bench/control.json"))
    options = parser.parse_args()
    load = os.getloadavg()[0]
    path = resources.config_path("robot", "panda")
    robot = load_robot(path)
    urdf, updates, realtime = str(robot.urdf), str(options.updates), str(options.realtime)
    priority = FIFO if options.fifo else ()
    runs = {
        "back_to_back": measure("control_benchmark", urdf, updates, priority=priority),
        "at_1_khz": measure("control_benchmark", urdf, realtime, "--realtime", priority=priority),
    }
    parameters = str(path.parents[1] / "ros2_control" / "panda.yaml")
    if program("plugin_benchmark"):
        runs["ros2_control"] = measure("plugin_benchmark", urdf, parameters, realtime, priority=priority)
    else:
        print("ros2_control is not installed: its plugins are not measured")
    if program("manager_benchmark"):
        runs["in_manager"] = in_manager(robot, parameters, updates, priority=priority)
        runs["in_manager_at_1_khz"] = in_manager(robot, parameters, realtime, "--realtime", priority=priority)
    else:
        print("controller_manager is not installed: nothing is measured in it")
    reached = judge(runs)
    report = {
        **provenance(f"make bench-control{' FIFO=1' if options.fifo else ''}"),
        "load_before": load,
        "goals": GOALS,
        "reached": reached,
        **runs,
    }
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(table(runs))
    print("goals: " + ", ".join(f"{goal} {'reached' if good else 'MISSED'}" for goal, good in reached.items()))
    print(f"written: {options.out}")
    return 0


def measure(name: str, *arguments: str, priority: Sequence[str] = ()) -> list[dict[str, Any]]:
    """One entry per output and kind of reference. priority: command in front. A program that fails raises
    CalledProcessError.
    """
    path = program(name)
    if path is None:
        raise FileNotFoundError(f"{name}: build bc_controllers with BUILD_TESTING, and source the workspace")
    done = subprocess.run([*priority, str(path), *arguments], stdout=subprocess.PIPE, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def in_manager(robot: Robot, *arguments: str, priority: Sequence[str]) -> list[dict[str, Any]]:
    """As measure, in a controller_manager whose hardware moves by the laws of motion."""
    with tempfile.NamedTemporaryFile("w", suffix=".urdf") as description:
        description.write(robot_description(robot, "sim"))
        description.flush()
        return measure("manager_benchmark", description.name, *arguments, priority=priority)


def program(name: str) -> Path | None:
    prefixes = os.environ.get("AMENT_PREFIX_PATH", "").split(":")
    paths = [Path(prefix) / "lib" / "bc_controllers" / name for prefix in prefixes]
    return next((path for path in paths if path.is_file()), None)


def judge(runs: dict[str, list[dict[str, Any]]]) -> dict[str, bool]:
    """Goals by name, of the library's updates back to back (allocations: of all), and whether each is reached."""
    timed = [row for row in runs["back_to_back"] if row["output"] == GOALS["output"]]
    reached = {f"{key} <= {GOALS[key]}": all(row[key] <= GOALS[key] for row in timed) for key in ("p50_us", "p999_us")}
    reached["no allocation"] = all(row["heap_calls"] == 0 for rows in runs.values() for row in rows)
    return reached


def table(runs: dict[str, list[dict[str, Any]]]) -> str:
    head = f"{'':20}{'output':45}{'reference':11}{'p50':>8}{'p99':>8}{'p99.9':>8}{'max':>10} us  allocations/update"
    lines = [f"{head}  empty loop: p50, p99, p99.9, max; slowest place"]
    for name, rows in runs.items():
        for row in rows:
            times = f"{row['p50_us']:8.1f}{row['p99_us']:8.1f}{row['p999_us']:8.1f}{row['max_us']:10.1f}"
            line = f"{name:20}{row['output']:45}{row['reference']:11}{times}     {row['heap_calls'] / row['updates']:g}"
            if "empty_p50_us" in row:
                empty = ", ".join(f"{row[f'empty_{key}_us']:.1f}" for key in ("p50", "p99", "p999", "max"))
                line += f"{'':20}{empty}; {row['slowest_place_us']:.1f}"
            if "manager_p50_us" in row:
                for whole in ("manager", "cycle"):
                    times = ", ".join(f"{row[f'{whole}_{key}_us']:.1f}" for key in ("p50", "p99", "p999", "max"))
                    line += f"  {whole}: {times}"
            lines.append(line)
    return "\n".join(lines)


if __name__ == "__main__":
    raise SystemExit(main())
