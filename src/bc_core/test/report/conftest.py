"""A synthetic run on disk: the real chunk scheduler in virtual time against a made-up policy, robot and latency.

The policy is of two minds: every chunk swings one joint to a side drawn at random, so that a switch without prefix
jumps.
"""

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bc_core.contract import Contract
from bc_core.cycle import Cycle, Request, SchedulerConfig
from bc_core.delay import WindowMax
from bc_core.episode_writer import EpisodeWriter, recorded_topics
from bc_core.grid import NANOSECONDS
from bc_core.message_types import require_type
from bc_core.report.trials import Rollouts, load_rollouts
from bc_core.scheduler import Scheduler
from bc_core.strategies.registry import STRATEGIES

CONTRACT = Path(__file__).parents[4] / "config" / "contracts" / "panda_conveyor.yaml"
HORIZON, JOINTS = 24, 7
HOME = np.array([0.0, -0.6, 0.0, -2.2, 0.0, 1.6, 0.8, 0.04])
START_NS = 1_700_000_000 * NANOSECONDS
MODE_STRATEGIES = {
    "no_delay": STRATEGIES["rtc"],
    "rtc": STRATEGIES["rtc"],
    "naive": STRATEGIES["naive"],
    "sync": STRATEGIES["sync"],
}
SUCCESS = {"no_delay": 0.95, "rtc": 0.85, "naive": 0.5, "sync": 0.4}
MS = 1_000_000


def stamp(time_ns: int) -> Any:
    return require_type("builtin_interfaces/msg/Time")(*divmod(time_ns, NANOSECONDS))


def header(time_ns: int) -> Any:
    return require_type("std_msgs/msg/Header")(stamp=stamp(time_ns), frame_id="")


def message(short: str, time_ns: int, **fields: Any) -> Any:
    """A bc_msgs message; fields not given are 0, empty, or made from nothing likewise."""
    kind = require_type(f"bc_msgs/msg/{short}")
    values = {
        name: _blank(annotation)
        for name, annotation in kind.__annotations__.items()
        if name.islower() and name[0] != "_"
    }
    return kind(**(values | {"header": header(time_ns)} | fields))


def _blank(annotation: str) -> Any:
    if array := re.search(r"np\.dtype\[np\.(\w+)\]", annotation):
        return np.array([], dtype=array[1])
    return {"float": 0.0, "int": 0, "bool": False, "str": "", "list[str]": []}.get(annotation)


@dataclass
class SyntheticTrial:
    """Plays one trial, and writes it to a bag; `cycles` is what the scheduler itself measured."""

    contract: Contract
    mode: str
    seed: int
    seconds: float
    start_ns: int
    cycles: list[Cycle] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng([self.seed, list(MODE_STRATEGIES).index(self.mode)])
        self.messages: list[tuple[int, str, Any]] = []
        config = SchedulerConfig(MODE_STRATEGIES[self.mode], HORIZON, s_min=6)
        self.scheduler = Scheduler(config, self.contract.grid, WindowMax(4, 8), self.contract.groups)
        self.chunk: tuple[int, np.ndarray] | None = None  # stamp [ns], rows
        self.measured = HOME.copy()

    def play(self) -> list[tuple[int, str, Any]]:
        grid = self.contract.grid
        first = grid.ceil(self.start_ns)
        self._add(grid.time(first) - 5 * MS, "controller/mode", "ControlMode", mode=1, epoch=2, reason="resume")
        self.scheduler.on_mode(policy=True, epoch=2)
        pending: tuple[int, Request] | None = None
        for tick in range(first, first + round(self.seconds / grid.dt)):
            now = grid.time(tick)
            request = self.scheduler.on_tick(tick, self._reference(now))
            if request is not None:
                pending = now + self._latency(), request
            for time in range(now, now + grid.dt_ns, 10 * MS):
                if pending is not None and pending[0] < time + 10 * MS:
                    self._deliver(*pending)
                    pending = None
                self._state(time)
        self._status(grid.time(first) + int(self.seconds * NANOSECONDS))
        return sorted(self.messages, key=lambda entry: entry[0])

    def _latency(self) -> int:
        if self.mode == "no_delay":
            return int(self.rng.integers(8, 15)) * MS
        return (400 if self.rng.random() < 0.03 else int(self.rng.integers(150, 250))) * MS

    def _deliver(self, arrival: int, request: Request) -> None:
        actions = self._policy(request)
        delivery = self.scheduler.on_answer(request.sequence, actions, 0.02, arrival)
        assert delivery is not None
        sent = self.contract.grid.time(delivery.tick)
        effective = max(arrival, sent)
        old, self.chunk = self._reference(effective), (sent, delivery.actions)
        jump = float(np.linalg.norm((self._reference(effective) - old)[:JOINTS]))
        groups = [
            require_type("bc_msgs/msg/ActionGroup")(
                name=g.name,
                space=int(g.space),
                names=list(g.names),
                tip="",
                frame_id="",
                offset=g.offset,
                width=g.width,
            )
            for g in self.contract.groups
        ]
        duration = require_type("builtin_interfaces/msg/Duration")(0, self.contract.grid.dt_ns)
        identity = {"producer": "chunk_scheduler", "producer_id": 7, "sequence": delivery.sequence, "mode_epoch": 2}
        self.messages.append(
            (
                arrival,
                "command/policy",
                message(
                    "ActionChunk",
                    sent,
                    **identity,
                    dt=duration,
                    horizon=HORIZON,
                    groups=groups,
                    actions=delivery.actions.ravel(),
                    frozen=delivery.frozen,
                ),
            )
        )
        acknowledged = {"source": "policy", "verdict": 1, "effective": stamp(effective), "raw_jump": jump}
        self._add(effective, "controller/ack", "ChunkAck", **identity, **acknowledged)
        self.scheduler.on_ack(delivery.sequence, True, effective, jump)
        assert self.scheduler.last is not None
        self.cycles.append(self.scheduler.last)
        horizon = self.scheduler.last.execution_horizon
        self._add(effective + MS, "scheduler/status", "SchedulerStatus", execution_horizon=horizon)

    def _policy(self, request: Request) -> np.ndarray:
        """Rows that swing joint 2 to a random side; a prefix is repeated, then left gradually."""
        grid = self.contract.grid
        seconds = (grid.time(request.tick) - self.start_ns) / NANOSECONDS + np.arange(HORIZON) * grid.dt
        rows = np.tile(HOME, (HORIZON, 1))
        rows[:, 0] += 0.5 * np.sin(0.9 * seconds)
        rows[:, 3] += 0.3 * np.sin(0.6 * seconds)
        rows[:, 1] += 0.2 * self.rng.choice([-1.0, 1.0]) * np.clip(seconds, 0, 1)
        if request.prefix is None:
            return rows
        known = request.prefix.shape[0]
        weight = np.clip(1 - (np.arange(HORIZON) - request.frozen + 1) / 12, 0, 1)[:, None]
        old = np.vstack([request.prefix, np.repeat(request.prefix[-1:], HORIZON - known, axis=0)])
        return np.where(np.arange(HORIZON)[:, None] < request.frozen, old, weight * old + (1 - weight) * rows)

    def _reference(self, time: int) -> np.ndarray:
        if self.chunk is None:
            return HOME
        row = np.clip((time - self.chunk[0]) / self.contract.grid.dt_ns, 0, HORIZON - 1)
        return np.array([np.interp(row, np.arange(HORIZON), column) for column in self.chunk[1].T])

    def _state(self, time: int) -> None:
        reference = self._reference(time)
        self.measured = self.measured + 0.2 * (reference - self.measured)
        effort = 300 * (reference - self.measured)[:JOINTS] + np.linspace(0, 20, JOINTS)
        self._add(
            time,
            "controller/state",
            "ControllerState",
            tcp=_pose(),
            tcp_reference=_pose(),
            joint_names=[f"panda_joint{i + 1}" for i in range(JOINTS)],
            position=self.measured[:JOINTS],
            velocity=np.zeros(JOINTS),
            position_reference=reference[:JOINTS],
            velocity_reference=np.zeros(JOINTS),
            effort=effort,
        )
        if time % (70 * MS) < 10 * MS:
            self.messages.append((time, "camera/image_raw", _image(time, reference)))

    def _status(self, time: int) -> None:
        periods = int((time - START_NS) / MS) if self.mode == "rtc" else 1000
        self._add(
            time,
            "controller/status",
            "ControllerStatus",
            rate_hz=1000.0,
            realtime_factor=0.998,
            periods=periods,
            late_over_1ms=periods // 5000,
            late_p99_us=180.0 + self.seed,
            late_max_us=2100.0,
            update_p50_us=24.0,
            update_p99_us=41.5,
        )

    def _add(self, time: int, topic: str, short: str, **fields: Any) -> None:
        self.messages.append((time, topic, message(short, time, **fields)))


def _pose() -> Any:
    point = require_type("geometry_msgs/msg/Point")(0.5, 0.0, 0.3)
    return require_type("geometry_msgs/msg/Pose")(
        point, require_type("geometry_msgs/msg/Quaternion")(1.0, 0.0, 0.0, 0.0)
    )


def _image(time: int, reference: np.ndarray) -> Any:
    pixels = np.full((96, 96, 3), (214, 220, 226), dtype=np.uint8)
    pixels[60:80] = (70, 76, 84)
    column = 40 + int(40 * np.sin(reference[0]))
    pixels[30:62, column : column + 6] = (240, 240, 240)
    left = int(time // (25 * MS)) % 84
    pixels[50:62, left : left + 12] = (200, 60, 40)
    return require_type("sensor_msgs/msg/Image")(
        header=header(time), height=96, width=96, encoding="rgb8", is_bigendian=0, step=288, data=pixels.ravel()
    )


def write_bag(
    path: Path, contract: Contract, messages: list[tuple[int, str, Any]], seed: int, outcome: str, reason: str
) -> None:
    started = messages[0][0]
    topics = recorded_topics(contract)
    with EpisodeWriter(path, topics, contract.document, started, task="conveyor_pick", seed=seed) as writer:
        for time, topic, content in messages:
            writer.write_message(topic, time, content)
        writer.close(outcome, reason, messages[-1][0])


@dataclass(frozen=True)
class SyntheticRun:
    root: Path
    contract: Contract
    trials: dict[str, list[SyntheticTrial]]


def write_run(root: Path, trials: int, seconds: float) -> SyntheticRun:
    """A whole run: demonstrations (RTC trials without delay, which is smooth), a checkpoint's summary, four modes."""
    contract = Contract.load(CONTRACT)
    played: dict[str, list[SyntheticTrial]] = {mode: [] for mode in MODE_STRATEGIES}
    start = START_NS
    for mode in MODE_STRATEGIES:
        for seed in range(trials):
            trial = SyntheticTrial(contract, mode, seed, seconds, start)
            success = np.random.default_rng([seed, 9]).random() < SUCCESS[mode]
            outcome = ("success", "task success") if success else ("failure", "cube left the belt")
            path = root / "rollout" / mode / f"episode_{seed:06d}"
            write_bag(path, contract, trial.play(), seed, *outcome)
            played[mode].append(trial)
            start += int((seconds + 1) * NANOSECONDS)
    for index in range(2):
        demonstration = SyntheticTrial(contract, "no_delay", 100 + index, seconds, START_NS)
        path = root / "episodes" / f"episode_{index:06d}"
        write_bag(path, contract, demonstration.play(), index, "success", "task success")
    (root / "checkpoint").mkdir()
    (root / "checkpoint" / "config.json").write_text(json.dumps({"training": {"train_seconds": 61.5}}))
    return SyntheticRun(root, contract, played)


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> SyntheticRun:
    return write_run(tmp_path_factory.mktemp("run"), trials=3, seconds=3.0)


@pytest.fixture(scope="session")
def rollouts(run: SyntheticRun) -> Rollouts:
    return load_rollouts(run.root)
