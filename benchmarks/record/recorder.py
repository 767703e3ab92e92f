"""episode_recorder as a process, and the client that starts and stops its episodes."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import rclpy
import yaml
from rclpy.node import Node
from std_srvs.srv import Trigger

from bc_msgs.srv import StartEpisode, StopEpisode
from benchmarks.record.load import contract

PATIENCE = 60.0  # [s]
ANSWER = 10.0  # [s]; a service that is seen may not see its client yet, and then its answer is lost: it is asked again
SETTLE = 2.0  # [s]


class Client:
    """Starts and stops episodes."""

    def __init__(self, folder: Path, cameras: int) -> None:
        self._folder = folder
        self.optional = ", ".join(f"camera{number}" for number in range(cameras))
        (folder / "contract.yaml").write_text(yaml.safe_dump(contract(cameras)))
        self._node = Node("bench")
        self._start = self._node.create_client(StartEpisode, "episode/start")
        self._rerecord = self._node.create_client(Trigger, "episode/rerecord")
        self._stop = self._node.create_client(StopEpisode, "episode/stop")

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
        """Until the streams come, the recorder refuses: then again."""
        self._start.wait_for_service(PATIENCE)
        time.sleep(SETTLE)
        deadline, refusal = time.monotonic() + PATIENCE, "no answer"
        while time.monotonic() < deadline:
            answer = self._call(self._start, StartEpisode.Request(task="bench"))
            if answer is not None and answer.success:
                return Path(answer.path)
            refusal = answer.message if answer is not None else "no answer"
            if "is being recorded" in refusal:  # the answer to an earlier request was lost
                again = self._call(self._rerecord, Trigger.Request())
                if again is not None and again.success:
                    return Path(again.message)
        raise SystemExit(f"the recorder did not start within {PATIENCE} s: {refusal}")

    def stop(self) -> Any:
        answer = self._call(self._stop, StopEpisode.Request(outcome=1), PATIENCE)
        if answer is None:
            raise SystemExit(f"the recorder did not stop within {PATIENCE} s")
        return answer

    def _call(self, client: Any, request: Any, seconds: float = ANSWER) -> Any:
        future = client.call_async(request)
        rclpy.spin_until_future_complete(self._node, future, timeout_sec=seconds)
        return future.result() if future.done() else None
