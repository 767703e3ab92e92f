"""The recorder under load (`make bench-record`): four cameras of 640x480 at 30 Hz, joint states at 1 kHz, all reliable.

    python -m benchmarks.record [--seconds 20] [--cameras 4] [--rounds 2] [--kills 5] [--out FILE]

Publishers number their messages; what is missing between the first and the last number in the bag is lost, whatever the
recorder says of itself. Where `ros2 bag record` is installed, it records the same load in each round, too: first in
every other one, so that neither has the quieter machine. Then recorders are killed (SIGKILL) at random moments, and the
repaired bag shows how long before its end the newest message was received. Exit code 1: messages were lost, a killed
recorder lost more than half a second, or `ros2 bag record` did better: it lost less, or took less than two thirds of
the CPU.
"""

import argparse
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import rclpy
from domain_coordinator import domain_id

from bc_core.bags import open_episode
from bc_core.repair import repair
from bc_nodes.transport import repair_promptly
from benchmarks.provenance import provenance
from benchmarks.record import rosbag2
from benchmarks.record.account import Cost, account_of
from benchmarks.record.load import publishers
from benchmarks.record.recorder import Client

LOSS_LIMIT = 0.5  # [s] of a killed recorder
CPU_LIMIT = 1.5  # times what `ros2 bag record` takes


OURS, THEIRS = "episode_recorder", "ros2 bag record"


def rounds(client: Client, folder: Path, args: argparse.Namespace) -> dict[str, list[dict[str, Any]]]:
    """Recordings by who recorded, in turn."""
    recorders: list[tuple[str, Callable[[], dict[str, Any]]]] = [
        (OURS, lambda: load(client, args.seconds, args.cameras))
    ]
    if rosbag2.is_installed():
        recorders.append((THEIRS, lambda: rosbag2.record(folder, args.seconds, args.cameras)))
    recordings: dict[str, list[dict[str, Any]]] = {name: [] for name, _ in recorders}
    for number in range(args.rounds):
        for name, record in recorders if number % 2 == 0 else reversed(recorders):
            busy = os.getloadavg()[0]
            recordings[name].append({"round": number, "load_average_before": busy, **record()})
    return recordings


def load(client: Client, seconds: float, cameras: int) -> dict[str, Any]:
    """Record the full load; what account_of and Cost say of it, and the recorder itself."""
    with publishers(cameras), client.recorder("compression:=none") as recorder:
        path = client.start()
        cost = Cost(recorder.pid)
        time.sleep(seconds)
        found = cost.found()
        answer = client.stop()
    account = account_of(path) | found | {"lost_by_the_recorders_account": answer.lost}
    shutil.rmtree(path)
    return account


def kills(client: Client, count: int, cameras: int) -> list[float]:
    """Kill recorders at random moments; how long before the kill the newest recovered message was received [s]."""
    generator = random.Random(1)
    lost = []
    for _ in range(count):
        with publishers(cameras, ("joints",)), client.recorder("optional:=[" + client.optional + "]") as recorder:
            path = client.start()
            time.sleep(generator.uniform(1.0, 3.0))
            recorder.send_signal(signal.SIGKILL)
            killed_ns = time.time_ns()
            recorder.wait()
        repair(path)
        lost.append((killed_ns - open_episode(path).end_ns) / 1e9)
        shutil.rmtree(path)
    return lost


def total(recordings: list[dict[str, Any]]) -> tuple[int, float]:
    """Messages lost, and the mean share of a core."""
    cpu = [recording["cpu_share_of_one_core"] for recording in recordings]
    return sum(recording["lost"] for recording in recordings), sum(cpu) / len(cpu)


def missed(found: dict[str, Any]) -> list[str]:
    """Goals that were not reached."""
    recordings = found["recordings"]
    lost, cpu = total(recordings[OURS])
    goals = {
        "messages were lost": lost > 0,
        f"a killed recorder lost more than {LOSS_LIMIT} s": max(found["kills"], default=0.0) > LOSS_LIMIT,
    }
    if THEIRS in recordings:
        their_lost, their_cpu = total(recordings[THEIRS])
        goals[f"`{THEIRS}` lost fewer"] = lost > their_lost
        goals[f"more than {CPU_LIMIT} times the CPU of `{THEIRS}`"] = cpu > CPU_LIMIT * their_cpu
    return [goal for goal, is_missed in goals.items() if is_missed]


def report(found: dict[str, Any]) -> str:
    recordings, lines = found["recordings"], []
    for name, account in [(name, account) for name, accounts in recordings.items() for account in accounts]:
        lines.append(f"{name:<20} {'recorded':>9} {'lost':>6} {'rate':>10}  age p50, p99, greatest")
        for topic, numbers in account["topics"].items():
            ages = ", ".join(f"{age:.1f}" for age in numbers["age_ms"])
            counts = f"{numbers['recorded']:>9} {numbers['lost']:>6} {numbers['hz']:>7.1f} Hz"
            still = f"; {numbers['missing_at_end']} missing at its end" if numbers["missing_at_end"] else ""
            lines.append(f"{topic:<20} {counts}  {ages} ms{still}")
        lines.append(
            f"{account['megabytes_per_second']:.0f} MB/s with {account['cpu_share_of_one_core']:.0%} of a core and "
            f"{account['peak_memory_mb']:.0f} MB; load average before: {account['load_average_before']:.1f}"
        )
    for name, accounts in recordings.items():
        lost, cpu = total(accounts)
        lines.append(f"{name}: {lost} lost in {len(accounts)} recordings, {cpu:.1%} of a core")
    if THEIRS in recordings:
        ratio = total(recordings[OURS])[1] / total(recordings[THEIRS])[1]
        lines.append(f"CPU, {OURS} over {THEIRS}: {ratio:.2f} (limit {CPU_LIMIT})")
    else:
        lines.append(f"`{THEIRS}` is not installed: nothing to compare with")
    owned = sum(account["lost_by_the_recorders_account"] for account in recordings[OURS])
    lines.append(f"the recorder's own count of losses: {owned}")
    if found["kills"]:
        lines.append(
            f"killed {len(found['kills'])} times: at most {max(found['kills']):.2f} s lost (limit {LOSS_LIMIT} s)"
        )
    return "\n".join([*lines, *(f"MISSED: {goal}" for goal in missed(found))])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--cameras", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path("out/bench/record.json"))
    args = parser.parse_args()
    with domain_id() as domain, tempfile.TemporaryDirectory(prefix="bench_record") as folder:
        os.environ |= {"ROS_DOMAIN_ID": str(domain), "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}
        repair_promptly()
        rclpy.init()
        client = Client(Path(folder), args.cameras)
        found: dict[str, Any] = {
            **provenance("python -m benchmarks.record " + " ".join(sys.argv[1:])),
            "recordings": rounds(client, Path(folder), args),
            "kills": kills(client, args.kills, args.cameras),
        }
        rclpy.try_shutdown()
    print(report(found))
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(found, indent=1) + "\n")
    return int(bool(missed(found)))


if __name__ == "__main__":
    sys.exit(main())
