"""A robot cell in virtual time: a contract, samples, and a robot that obeys, or does not."""

from pathlib import Path
from typing import Any

import numpy as np
import yaml

from bc_core.contract import Contract
from bc_core.modes import Mode
from bc_core.skills.director import Director, Selector
from bc_core.skills.executive import Executive, Outcome
from bc_core.skills.library import Library
from bc_core.skills.motion import Motion
from bc_core.skills.world import World

DT_NS = 50_000_000


def stream(topic: str, fields: list[str], **more: Any) -> dict[str, Any]:
    message = "nav_msgs/msg/Odometry" if topic == "object" else "sensor_msgs/msg/JointState"
    rule = {"rate": 100, "rule": "asof", "latency": 0.0, "max_age": 0.1}
    return {"topic": topic, "type": message, "fields": fields, **rule, **more}


CONTRACT = {
    "contract": "cell",
    "version": 1,
    "dt": 0.05,
    "robot": {"description": "cell", "base_frame": "base"},
    "observations": {
        "arm": stream("joint_states", ["position"], names=["j1", "j2"]),
        "object": stream("object", ["pose.position.x", "pose.position.y", "twist.linear.x"]),
        "camera": {
            "topic": "camera",
            "type": "sensor_msgs/msg/Image",
            "shape": [8, 8, 3],
            "encoding": "rgb8",
            "rate": 15,
            "rule": "asof",
            "latency": 0.0,
            "max_age": 0.2,
        },
    },
    "actions": {"arm": {"space": "joint_position", "names": ["j1", "j2"]}},
}
PICK = {
    "skill": "pick",
    "description": "pick it",
    "checkpoint": "out/pick",
    "precondition": {"within": {"object": {"position.x": [0.3, 0.7]}}},
    "termination": {"success": {"within": {"object": {"position.y": [0.2, None]}}, "for": 0.2}},
    "timeout": 4.0,
}
PLACE = {
    **PICK,
    "skill": "place",
    "description": "place it",
    "checkpoint": "out/place",
    "precondition": None,
    "termination": {"success": {"elapsed": 1.0}, "failure": {"task": "failure"}},
}
HOME = {
    "skill": "home",
    "description": "go home",
    "motion": {"kind": "named", "name": "home"},
    "timeout": 3.0,
}


def write_library(folder: Path, *documents: dict[str, Any]) -> Path:
    folder.mkdir(exist_ok=True)
    for document in documents or (PICK, PLACE, HOME):
        (folder / f"{document['skill']}.yaml").write_text(yaml.safe_dump(document))
    return folder


class Robot:
    """Answers at the next tick. deaf: calls that are not answered; broken: calls that are refused; moving: ticks of a
    motion.
    """

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.deaf: set[str] = set()
        self.broken: set[str] = set()
        self.moving = 4
        self.under_way: list[tuple[str, int]] = []
        self.motion_run = 0
        self.motion_ends = 0

    def hold(self, reason: str) -> None:
        self._take("hold", 0, reason)

    def activate(self, run: int, checkpoint: str, time_limit: float) -> None:
        self._take("activate", run, checkpoint, time_limit)

    def resume(self, run: int, reason: str) -> None:
        self._take("resume", run, reason)

    def move(self, run: int, motion: Motion, reason: str) -> None:
        self._take("move", run, motion)

    def cancel(self, reason: str) -> None:
        self._take("cancel", 0, reason)

    def _take(self, call: str, run: int, *what: Any) -> None:
        self.calls.append((call, *what))
        if call not in self.deaf:
            self.under_way.append((call, run))

    def asked(self, *calls: str) -> list[Any]:
        return [call if len(calls) != 1 else call[1] for call in self.calls if call[0] in calls]


class Cell:
    """Everything at ticks of 50 ms; `seen` are the numbers that are sent at each, None: nothing comes."""

    def __init__(self, folder: Path, selector: Selector | None = None, camera: str = "") -> None:
        self.contract = Contract.from_document(CONTRACT, "cell")
        self.library = Library.load(folder)
        self.world = World(self.contract, self.library, camera)
        self.robot = Robot()
        self.executive = Executive(self.library, self.world, self.robot, self.contract.grid)
        self.director = Director(self.executive, selector)
        self.tick = 1000
        self.seen: dict[str, Any] = {
            "arm": np.zeros(2),
            "object": np.array([0.5, 0.0, 0.1]),
            "task/state": np.zeros(2),
            "camera": np.zeros((8, 8, 3), dtype=np.uint8),
        }
        self.mode = Mode.HOLD
        self.modes: list[Mode] = []
        self.change(Mode.HOLD, "start")

    @property
    def now_ns(self) -> int:
        return self.tick * DT_NS

    def change(self, mode: Mode, reason: str = "") -> None:
        self.mode = mode
        self.modes.append(mode)
        self.director.on_mode(mode, reason, self.now_ns, self.now_ns)

    def run(self, seconds: float) -> None:
        for _ in range(round(seconds / 0.05)):
            self.step()

    def step(self) -> None:
        self.tick += 1
        for assembler in self.world.assemblers:
            name = assembler.streams[0]
            if self.seen[name] is not None:
                assembler.add(name, self.now_ns, self.seen[name])
        self._robot()
        self.director.on_tick(self.tick, self.now_ns)

    def _robot(self) -> None:
        robot, driven = self.robot, self.mode in (Mode.POLICY, Mode.PLANNER)
        calls, robot.under_way = robot.under_way, []
        for call, run in calls:
            good = call not in robot.broken
            if call in ("activate", "resume"):
                good = good and (call == "activate" or self.mode is Mode.HOLD)
                if good and call == "resume":
                    self.change(Mode.POLICY, "resumed")
                self.executive.on_answer(run, good, "" if good else "refused", self.now_ns)
            elif call == "hold" and good and driven:
                self.change(Mode.HOLD, "hold request")
            elif call == "cancel" and robot.motion_run:
                self._motion_over(Outcome.PREEMPTED, "cancelled")
            elif call == "move" and not good:
                self.executive.on_moved(run, Outcome.REFUSED, "no way round the table", self.now_ns)
            elif call == "move":
                robot.motion_run, robot.motion_ends = run, self.tick + robot.moving
                self.change(Mode.PLANNER, "granted")
        if robot.motion_run and self.mode is not Mode.PLANNER:
            self._motion_over(Outcome.PREEMPTED, f"the mode is {self.mode.name}")
        elif robot.motion_run and self.tick >= robot.motion_ends:
            self.change(Mode.HOLD, "released")
            self._motion_over(Outcome.SUCCESS, "")

    def _motion_over(self, outcome: Outcome, message: str) -> None:
        run, self.robot.motion_run = self.robot.motion_run, 0
        self.executive.on_moved(run, outcome, message, self.now_ns)
