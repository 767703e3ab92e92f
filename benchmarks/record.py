"""The recorder under load (`make bench-record`): four cameras of 640x480 at 30 Hz, joint states at 1 kHz, all reliable.

    python -m benchmarks.record [--seconds 20] [--cameras 4] [--kills 5] [--json FILE]

Publishers are processes of their own and number their messages; what is missing between the first and the last number
in the bag is lost, whatever the recorder says of itself. Then recorders are killed (SIGKILL) at random moments, and the
repaired bag shows how long before its end the newest message was received. Exit code 1: messages were lost, or a killed
recorder lost more than half a second.
"""

import argparse
import json
import os
import random
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
import yaml
from domain_coordinator import domain_id
from rclpy.node import Node
from rclpy.qos import QoSProfile
from sensor_msgs.msg import Image, JointState

from bc_core.bags import open_episode
from bc_core.grid import NANOSECONDS
from bc_core.message_types import blank_message, installed_types
from bc_core.repair import repair
from bc_msgs.srv import StartEpisode, StopEpisode
from bc_nodes.transport import repair_promptly

WIDTH, HEIGHT, CAMERA_HZ, JOINT_HZ = 640, 480, 30, 1000
JOINTS = [f"joint{index}" for index in range(7)]
PATIENCE = 30.0  # [s]
SETTLE = 2.0  # [s]; a service that is seen may not see its client yet, and then its answer is lost
DIGITS = 9  # of a message's number, in frame_id
HISTORY = {"cameras": 1.0, "joints": 5.0}  # [s] that publishers keep: bc_nodes.qos.record says why
LOSS_LIMIT = 0.5  # [s] of a killed recorder


def contract(cameras: int) -> dict[str, Any]:
    """A contract of the bench's topics."""
    common = {"rule": "asof", "latency": 0.0, "max_age": 0.5}
    observations: dict[str, Any] = {
        "arm": {"topic": "joint_states", "type": "sensor_msgs/msg/JointState", "fields": ["position"],
                "names": JOINTS, "rate": JOINT_HZ, **common},
    }  # fmt: skip
    for number in range(cameras):
        observations[f"camera{number}"] = {
            "topic": f"camera{number}/image_raw", "type": "sensor_msgs/msg/Image", "shape": [HEIGHT, WIDTH, 3],
            "encoding": "rgb8", "rate": CAMERA_HZ, **common,
        }  # fmt: skip
    actions = {"arm": {"space": "joint_position", "names": JOINTS}}
    return {
        "contract": "bench", "version": 1, "dt": 0.05, "robot": {"description": "bench", "base_frame": "base"},
        "observations": observations, "actions": actions,
        "record": [{"topic": "episode/outcome", "type": "bc_msgs/msg/EpisodeOutcome"}],
    }  # fmt: skip


def publish(kind: str, cameras: int) -> None:
    """A publisher process: numbers in frame_id, at a steady rate, until it is told to stop.

    Messages are serialized once and numbered in place: what is measured is the recorder, not Python's serializer.
    """
    rclpy.init()
    node = Node(f"bench_{kind}")
    rate = CAMERA_HZ if kind == "cameras" else JOINT_HZ
    message_class: Any = Image if kind == "cameras" else JointState
    message_type = "sensor_msgs/msg/" + message_class.__name__
    if kind == "cameras":
        message = blank_message(message_type)
        message.height, message.width, message.encoding, message.step = HEIGHT, WIDTH, "rgb8", WIDTH * 3
        message.data = np.frombuffer(os.urandom(WIDTH * HEIGHT * 3), dtype=np.uint8)
        topics = [f"camera{number}/image_raw" for number in range(cameras)]
    else:
        message = blank_message(message_type)
        message.name, message.position, topics = JOINTS, np.zeros(len(JOINTS)), ["joint_states"]
    message.header.frame_id = "0" * DIGITS
    data = bytearray(installed_types().serialize_cdr(message, message_type))
    profile = QoSProfile(depth=round(HISTORY[kind] * rate))  # reliable
    publishers = [node.create_publisher(message_class, topic, profile) for topic in topics]
    number, due = 0, time.monotonic()
    while True:
        data[4:12] = struct.pack("<iI", *divmod(time.time_ns(), NANOSECONDS))
        data[16 : 16 + DIGITS] = f"{number:0{DIGITS}d}".encode()
        ready = bytes(data)
        for publisher in publishers:
            publisher.publish(ready)
        number += 1
        due += 1.0 / rate
        time.sleep(max(0.0, due - time.monotonic()))


class Bench:
    """Publishers, a recorder, and the client that starts and stops episodes."""

    def __init__(self, folder: Path, cameras: int) -> None:
        self._folder = folder
        self._cameras = cameras
        self.optional = ", ".join(f"camera{number}" for number in range(cameras))
        (folder / "contract.yaml").write_text(yaml.safe_dump(contract(cameras)))
        self.node = Node("bench")
        self._start = self.node.create_client(StartEpisode, "episode/start")
        self._stop = self.node.create_client(StopEpisode, "episode/stop")

    @contextmanager
    def publishers(self, kinds: tuple[str, ...]) -> Iterator[list[subprocess.Popen[bytes]]]:
        command = [sys.executable, __file__, "--cameras", str(self._cameras), "--publish"]
        processes = [subprocess.Popen([*command, kind]) for kind in kinds]
        try:
            yield processes
        finally:
            for process in processes:
                process.kill()
                process.wait()

    @contextmanager
    def recorder(self, *parameters: str) -> Iterator[subprocess.Popen[bytes]]:
        values = (f"contract:={self._folder}/contract.yaml", f"directory:={self._folder}/bags", *parameters)
        arguments = [part for value in values for part in ("-p", value)]
        command = [sys.executable, "-m", "bc_teleop.episode_recorder", "--ros-args", *arguments]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            yield process
        finally:
            process.terminate()
            process.wait()

    def start(self) -> Path:
        self._start.wait_for_service(PATIENCE)
        time.sleep(SETTLE)
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            if self._start.wait_for_service(1.0):
                answer = self._call(self._start, StartEpisode.Request(task="bench"))
                if answer.success:
                    return Path(answer.path)
        raise SystemExit(f"the recorder did not start within {PATIENCE} s: {answer.message}")

    def stop(self) -> Any:
        return self._call(self._stop, StopEpisode.Request(outcome=1))

    def _call(self, client: Any, request: Any) -> Any:
        future = client.call_async(request)
        rclpy.spin_until_future_complete(self.node, future, timeout_sec=PATIENCE)
        if not future.done():
            raise SystemExit(f"'{client.srv_name}' gave no answer within {PATIENCE} s")
        return future.result()


def load(bench: Bench, seconds: float) -> dict[str, Any]:
    """Record the full load; returns what was lost by the publishers' numbers, and the recorder's cost."""
    with bench.publishers(("cameras", "joints")), bench.recorder("compression:=none") as recorder:
        path = bench.start()
        before, began = cpu_seconds(recorder.pid), time.monotonic()
        time.sleep(seconds)
        cpu, wall = cpu_seconds(recorder.pid) - before, time.monotonic() - began
        peak = peak_megabytes(recorder.pid)
        answer = bench.stop()
    episode = open_episode(path)
    numbers: dict[str, list[int]] = {}
    for message in episode.raw_messages([topic for topic in episode.topics if "outcome" not in topic]):
        numbers.setdefault(message.topic, []).append(frame_number(message.data))
    topics = {
        topic: {"recorded": len(found), "lost": found[-1] - found[0] + 1 - len(set(found)), "hz": len(found) / wall}
        for topic, found in numbers.items()
    }
    return {
        "topics": topics,
        "lost": sum(topic["lost"] for topic in topics.values()),
        "lost_by_the_recorders_account": answer.lost,
        "megabytes_per_second": sum(file.stat().st_size for file in path.iterdir()) / wall / 1e6,
        "cpu_share_of_one_core": cpu / wall,
        "peak_memory_mb": peak,
    }


def kills(bench: Bench, count: int) -> list[float]:
    """Kill recorders at random moments; how long before the kill the newest recovered message was received [s]."""
    generator = random.Random(1)
    lost = []
    for _ in range(count):
        with bench.publishers(("joints",)), bench.recorder("optional:=[" + bench.optional + "]") as recorder:
            path = bench.start()
            time.sleep(generator.uniform(1.0, 3.0))
            recorder.send_signal(signal.SIGKILL)
            killed_ns = time.time_ns()
            recorder.wait()
        repair(path)
        lost.append((killed_ns - open_episode(path).end_ns) / 1e9)
        shutil.rmtree(path)
    return lost


def frame_number(data: bytes) -> int:
    """The number in header.frame_id of a serialized message: after encapsulation (4), stamp (8) and length (4)."""
    length = int.from_bytes(data[12:16], "little")
    return int(data[16 : 16 + length].rstrip(b"\0"))


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def peak_megabytes(pid: int) -> float:
    line = next(text for text in Path(f"/proc/{pid}/status").read_text().splitlines() if text.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def report(found: dict[str, Any]) -> str:
    lines = [f"{'topic':<20} {'recorded':>9} {'lost':>6} {'rate':>10}"]
    for topic, account in found["load"]["topics"].items():
        lines.append(f"{topic:<20} {account['recorded']:>9} {account['lost']:>6} {account['hz']:>7.1f} Hz")
    load = found["load"]
    lines.append(
        f"{load['megabytes_per_second']:.0f} MB/s; the recorder took {load['cpu_share_of_one_core']:.0%} of a core and "
        f"{load['peak_memory_mb']:.0f} MB; its own count of losses: {load['lost_by_the_recorders_account']}"
    )
    if found["kills"]:
        worst = max(found["kills"])
        lines.append(f"killed {len(found['kills'])} times: at most {worst:.2f} s lost (limit {LOSS_LIMIT} s)")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--cameras", type=int, default=4)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--publish", choices=("cameras", "joints"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.publish:
        publish(args.publish, args.cameras)
    with domain_id() as domain, tempfile.TemporaryDirectory(prefix="bench_record") as folder:
        os.environ |= {"ROS_DOMAIN_ID": str(domain), "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}
        repair_promptly()
        rclpy.init()
        bench = Bench(Path(folder), args.cameras)
        found: dict[str, Any] = {
            "load": load(bench, args.seconds),
            "kills": kills(bench, args.kills),
            "cores": os.cpu_count(),
        }
        rclpy.try_shutdown()
    print(report(found))
    if args.json:
        args.json.write_text(json.dumps(found, indent=1))
    return int(found["load"]["lost"] > 0 or max(found["kills"], default=0.0) > LOSS_LIMIT)


if __name__ == "__main__":
    sys.exit(main())
