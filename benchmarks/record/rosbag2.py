"""`ros2 bag record` on the same load, where it is installed."""

import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

from benchmarks.record.account import Cost, account_of
from benchmarks.record.load import publishers, topics

PATIENCE = 60.0  # [s]
SETTLE = 3.0  # [s] of data before it is measured: all topics are subscribed to by then


def is_installed() -> bool:
    """Whether this machine's `ros2` knows `bag record`."""
    if shutil.which("ros2") is None:
        return False
    return subprocess.run(["ros2", "bag", "record", "--help"], capture_output=True, check=False).returncode == 0


def record(folder: Path, seconds: float, cameras: int) -> dict[str, Any]:
    """What account_of and Cost say of it."""
    path = folder / "ros2_bag"
    names = [f"/{topic}" for of in ("cameras", "joints") for topic in topics(of, cameras)]
    command = ["ros2", "bag", "record", "--storage", "mcap", "--output", str(path), "--topics", *names]
    with publishers(cameras):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            _await_data(path, process)
            time.sleep(SETTLE)
            cost = Cost(process.pid)
            time.sleep(seconds)
            found = cost.found()
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(PATIENCE)
    account = account_of(path) | found
    shutil.rmtree(path)
    return account


def _await_data(path: Path, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not any(file.stat().st_size > 1 << 20 for file in path.glob("*.mcap")):
        if time.monotonic() > deadline or process.poll() is not None:
            raise SystemExit(f"`ros2 bag record` wrote nothing within {PATIENCE} s: try it by hand")
        time.sleep(0.1)
