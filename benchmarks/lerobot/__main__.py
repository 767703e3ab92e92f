"""python -m benchmarks.lerobot --lerobot-python PATH: one chunk of imported policies and of LeRobot's own, in turn.

PATH is a Python that has lerobot >= 0.4; without one nothing is measured, and the reason is said. Both sides have one
thread, the same weights, observation and noise; each pair is one chunk of theirs and one of ours. Exit code 1: chunks
differ by more than 1e-4, or ours take longer (the interval of the ratio lies above 1).
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console

from bc_core.contract import Contract
from bc_core.frames import Frame
from bc_core.lerobot.policy.export import export_policy
from bc_core.lerobot.policy.load import import_policy
from bc_core.lerobot.policy.streams import Streams
from bc_core.policies.chunk_policy import ChunkPolicy
from benchmarks.lerobot import page
from benchmarks.lerobot.cases import ACTIONS, CASES, ENVIRONMENT, QUICK, SEED, STATE
from benchmarks.provenance import provenance

TOLERANCE = 1e-4
WARM_UP = 2
TICKS = 2  # of the longest history
Ask = Callable[..., dict[str, Any]]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.lerobot", description=__doc__)
    parser.add_argument("--lerobot-python", metavar="PATH", help="a Python that has lerobot >= 0.4")
    parser.add_argument("--seconds", type=float, default=20.0, help="for the pairs of each case (%(default)s)")
    parser.add_argument("--quick", action="store_true", help="one case, to see that it runs")
    parser.add_argument("--only", default="", help="cases with this in their name")
    parser.add_argument("--report", action="store_true", help="run nothing: show what is there")
    parser.add_argument("--publish", action="store_true", help="write the section of docs/benchmarks/policies.md")
    parser.add_argument("--out", default="out/bench/lerobot.json")
    arguments = parser.parse_args()
    console = Console(stderr=True)
    out = Path(arguments.out)
    if not arguments.report:
        reason = without(arguments.lerobot_python)
        if reason:
            console.print(f"skipped: {reason}")
            return 0
        measure(arguments, out, console)
    document = json.loads(out.read_text(encoding="utf-8"))
    if arguments.publish:
        page.publish(document)
    print(page.section(document))
    rows = document["cases"].values()
    failed = [row for row in rows if row["difference"] > TOLERANCE or row["ratio"][1] > 1.0]
    return 1 if failed else 0


def measure(arguments: argparse.Namespace, out: Path, console: Console) -> None:
    """What is finished is in `out` at once, beside what was measured there before in the same way."""
    torch.set_num_threads(1)
    command = f"python -m benchmarks.lerobot --lerobot-python PATH --seconds {arguments.seconds:g}"
    document: dict[str, Any] = {
        **provenance(command), "torch": torch.__version__, "lerobot": version(arguments.lerobot_python),
    }  # fmt: skip
    document["cases"] = measured(out, document)
    out.parent.mkdir(parents=True, exist_ok=True)
    with Worker(arguments.lerobot_python) as ask:
        for case in [name for name in (QUICK if arguments.quick else CASES) if arguments.only in name]:
            row = {**compare(case, ask, arguments.seconds), "load": os.getloadavg()[0]}
            found = {**document["cases"], case: row}
            document["cases"] = {name: found[name] for name in CASES if name in found}
            console.print(case, row, highlight=False)
            out.write_text(json.dumps(document, indent=1), encoding="utf-8")


def measured(out: Path, now: Mapping[str, Any]) -> dict[str, Any]:
    """The cases in `out`, if they are of this command, commit, date, machine and libraries; otherwise none."""
    before = json.loads(out.read_text(encoding="utf-8")) if out.is_file() else {}
    same = "+" not in now["commit"] and all(before.get(key) == value for key, value in now.items())
    return before["cases"] if same else {}


def without(python: str | None) -> str:
    """Why nothing can be measured; empty: it can."""
    if not python:
        return "no Python with LeRobot is named: --lerobot-python PATH (make bench-lerobot LEROBOT_PYTHON=PATH)"
    try:
        version(python)
    except (OSError, subprocess.CalledProcessError) as error:
        return f"LeRobot is not installed in {python} ({error}): pip install lerobot there"
    return ""


def version(python: str) -> str:
    program = "from importlib.metadata import version; print(version('lerobot'))"
    return subprocess.run([python, "-c", program], capture_output=True, text=True, check=True).stdout.strip()


class Worker:
    """LeRobot's process: ask(do=..., ...) -> its answer. RuntimeError where it ended."""

    def __init__(self, python: str) -> None:
        self._command = [python, str(Path(__file__).with_name("worker.py"))]

    def __enter__(self) -> Ask:
        reading, writing = os.pipe()
        self._process = subprocess.Popen(
            [*self._command, str(writing)], stdin=subprocess.PIPE, stdout=sys.stderr, text=True, pass_fds=(writing,)
        )
        os.close(writing)
        self._answers = os.fdopen(reading)
        return self._ask

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()
        self._answers.close()

    def _ask(self, **wanted: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(wanted) + "\n")
        self._process.stdin.flush()
        line = self._answers.readline()
        if not line:
            raise RuntimeError(f"LeRobot's process ended with code {self._process.wait()} at {wanted}")
        answer: dict[str, Any] = json.loads(line)
        return answer


def compare(case: str, ask: Ask, seconds: float) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as scratch:
        theirs, ours, back = (Path(scratch) / name for name in ("theirs", "ours", "back"))
        observation = observations(case)
        np.savez(Path(scratch) / "observations.npz", **observation)
        ask(do="make", case=case, folder=str(theirs))
        ask(do="load", folder=str(theirs))
        camera = CASES[case]["camera"]
        given = Streams(("joints",), () if camera else ("object",))
        policy = import_policy(theirs, ours, contract(camera), given)
        seen = frame(policy, observation)
        told = np.array(ask(do="chunk", seed=SEED)["chunk"])
        difference = float(np.abs(policy.infer(seen, seed=SEED)[: len(told)] - told).max())
        cpu, wall = pairs(ask, lambda: policy.infer(seen, seed=SEED), seconds)
        export_policy(ours, back)
        ask(do="load", folder=str(back))
        again = np.array(ask(do="chunk", seed=SEED)["chunk"])
        return {
            "difference": difference,
            "difference_exported": float(np.abs(again - told).max()),
            "parameters": sum(parameter.numel() for parameter in policy.network.parameters()),
            "pairs": len(cpu),
            "theirs_ms": float(1e3 * np.median(cpu[:, 0])),
            "ours_ms": float(1e3 * np.median(cpu[:, 1])),
            "wall_ms": (1e3 * np.median(wall, axis=0)).tolist(),
            "ratio": ratio(cpu),
        }


def pairs(ask: Ask, infer: Callable[[], Any], seconds: float) -> tuple[Any, Any]:
    """CPU and wall seconds (N, 2) of a chunk of theirs and the next of ours, for so long and at least five times."""
    cpu: list[tuple[float, float]] = []
    wall: list[tuple[float, float]] = []
    end = time.monotonic() + seconds
    while len(cpu) < WARM_UP + 5 or time.monotonic() < end:
        answer = ask(do="chunk", seed=SEED)
        began, used = time.perf_counter(), time.process_time()
        infer()
        cpu.append((answer["cpu"], time.process_time() - used))
        wall.append((answer["wall"], time.perf_counter() - began))
    return np.array(cpu[WARM_UP:]), np.array(wall[WARM_UP:])


def ratio(seconds: Any) -> list[float]:
    """Median of ours over theirs in a pair, with its 95 % interval (bootstrap over pairs)."""
    ratios = seconds[:, 1] / seconds[:, 0]
    generator = np.random.default_rng(0)
    drawn = np.median(generator.choice(ratios, (4000, len(ratios))), axis=1)
    return [float(np.median(ratios)), *map(float, np.quantile(drawn, (0.025, 0.975)))]


def observations(case: str) -> dict[str, Any]:
    """Of every tick, as "feature|tick"."""
    generator, camera = np.random.default_rng(1), CASES[case]["camera"]
    found: dict[str, Any] = {}
    for tick in range(TICKS if CASES[case]["type"] == "diffusion" else 1):
        found[f"observation.state|{tick}"] = generator.uniform(-0.9, 0.9, STATE).astype(np.float32)
        if camera:
            found[f"observation.images.camera|{tick}"] = generator.integers(0, 256, (*camera, 3), dtype=np.uint8)
        else:
            found[f"observation.environment_state|{tick}"] = generator.uniform(-0.9, 0.9, ENVIRONMENT).astype("f4")
    return found


def frame(policy: ChunkPolicy, observation: dict[str, Any]) -> Frame:
    names = {"joints": "observation.state", "object": "observation.environment_state",
             "camera": "observation.images.camera"}  # fmt: skip
    values = {}
    for stream in policy.streams:
        stacked = np.stack([observation[f"{names[stream]}|{tick}"] for tick in range(policy.n_obs_steps)])
        values[stream] = stacked if stacked.dtype == np.uint8 else stacked.astype(np.float64)
    return Frame(0, values, {})


def contract(camera: tuple[int, int] | None) -> Contract:
    joints = [f"joint{index}" for index in range(STATE)]
    sampled = {"rate": 100, "rule": "asof", "latency": 0.0, "max_age": 0.1}
    numbers = {"type": "sensor_msgs/msg/JointState", "fields": ["position"], **sampled}
    streams: dict[str, Any] = {
        "joints": {"topic": "joint_states", "names": joints, **numbers},
        "object": {"topic": "object", "names": [f"o{index}" for index in range(ENVIRONMENT)], **numbers},
    }
    if camera:
        streams["camera"] = {"topic": "camera", "type": "sensor_msgs/msg/Image", "shape": [*camera, 3],
                             "encoding": "rgb8", **sampled}  # fmt: skip
    document = {
        "contract": "bench", "version": 1, "dt": 0.05, "robot": {"description": "none", "base_frame": "base"},
        "observations": streams, "actions": {"arm": {"space": "joint_position", "names": joints[:ACTIONS]}},
    }  # fmt: skip
    return Contract.from_document(document, "benchmarks.lerobot")


if __name__ == "__main__":
    sys.exit(main())
