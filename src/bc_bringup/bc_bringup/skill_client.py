"""A person's side of skill_selector: chooses, follows what comes of it, and stops it when they leave."""

import time
from collections.abc import Callable
from typing import Any

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from std_srvs.srv import Trigger

from bc_core.errors import BcError
from bc_msgs.msg import SkillStatus
from bc_msgs.srv import ResetScene, SelectSkill
from bc_nodes import qos

_PATIENCE = 60.0  # [s]: a graph that has just been started loads its policies first
_QUIET = 0.3  # [s] without a status: what came last is the newest
_PHASES = {
    SkillStatus.HOLDING: "waits for HOLD",
    SkillStatus.CHECKING: "waits for its precondition",
    SkillStatus.ACTIVATING: "changes the policy",
    SkillStatus.STARTING: "waits for POLICY",
    SkillStatus.RUNNING: "runs",
}
_OUTCOMES = {
    SkillStatus.SUCCESS: "success",
    SkillStatus.FAILURE: "failure",
    SkillStatus.TIMEOUT: "timeout",
    SkillStatus.REFUSED: "refused",
    SkillStatus.PREEMPTED: "pre-empted",
}


class SkillClient:
    """say: told every change in one line. check: called all the time; raises to leave (a signal), which stops all."""

    def __init__(self, namespace: str, say: Callable[[str], None], check: Callable[[], None]) -> None:
        self._say, self._check = say, check
        self._context = rclpy.Context()
        rclpy.init(args=[], context=self._context, signal_handler_options=rclpy.SignalHandlerOptions.NO)
        self._node = Node("skill_client", namespace=namespace, context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)
        self._status: SkillStatus | None = None
        self._line = ""
        self._node.create_subscription(SkillStatus, "skill/status", self._on_status, qos.LATCHED)
        self._select = self._node.create_client(SelectSkill, "skill/select")
        self._start = self._node.create_client(Trigger, "skill/start")
        self._stop = self._node.create_client(Trigger, "skill/stop")
        self._reset = self._node.create_client(ResetScene, "sim/reset")

    def close(self) -> None:
        self._executor.shutdown()
        self._node.destroy_node()
        rclpy.try_shutdown(context=self._context)

    def run(self, skill: str) -> bool:
        """Carry out one skill to its end. True: success. BcError: it was not accepted."""
        before = self._connected().ended
        return self._follow(
            self._select,
            SelectSkill.Request(skill=skill),
            lambda now: now.ended > before and now.skill != skill and now.phase != SkillStatus.HOLDING,
        )

    def start(self) -> bool:
        """Let the selector choose until it is done, or cannot go on. True: the last skill was a success."""
        before = self._connected().header.stamp
        return self._follow(
            self._start,
            Trigger.Request(),
            lambda now: now.header.stamp != before and not now.choosing and now.phase == SkillStatus.IDLE,
        )

    def reset_scene(self, seed: int) -> None:
        """Of a simulation, once skill_selector is there: the belt does not wait."""
        self._connected()
        self._call(self._reset, ResetScene.Request(seed=seed))

    def stop(self) -> None:
        """End whatever runs: the robot holds."""
        self._call(self._stop, Trigger.Request())

    def _connected(self) -> SkillStatus:
        """The newest status. A latched topic tells what was before, too, the oldest first: it is let pass unsaid."""
        if self._status is None:
            say, self._say = self._say, lambda line: None
            self._until(lambda: self._status is not None, "skill/status")
            newest = None
            while newest is not self._status:
                newest, end = self._status, time.monotonic() + _QUIET
                while time.monotonic() < end:
                    self._check()
                    self._executor.spin_once(timeout_sec=0.05)
            self._say = say
        assert self._status is not None
        return self._status

    def _follow(self, client: Any, request: Any, over: Callable[[SkillStatus], bool]) -> bool:
        """Ask, and wait until it is over; a signal stops it first. True: the last skill was a success."""
        try:
            self._call(client, request)
            while not over(self._connected()):
                self._check()
                self._executor.spin_once(timeout_sec=0.05)
        except KeyboardInterrupt:
            self._check = lambda: None
            self.stop()
            raise
        return bool(self._connected().last_outcome == SkillStatus.SUCCESS)

    def _call(self, client: Any, request: Any) -> None:
        self._until(client.service_is_ready, client.srv_name)
        future = client.call_async(request)
        self._until(future.done, f"an answer of {client.srv_name}")
        if not future.result().success:
            raise BcError(future.result().message)

    def _until(self, condition: Callable[[], bool], what: str) -> None:
        end = time.monotonic() + _PATIENCE
        while not condition():
            self._check()
            self._executor.spin_once(timeout_sec=0.05)
            if time.monotonic() > end:
                raise BcError(
                    f"{what} did not come within {_PATIENCE:g} s: start a graph with skills (bcros launch skills)"
                )

    def _on_status(self, status: SkillStatus) -> None:
        before, self._status = self._status, status
        if before is not None and status.ended > before.ended:
            reason = f": {status.last_reason}" if status.last_reason else ""
            self._say(f"{status.last_skill}: {_OUTCOMES.get(status.last_outcome, '?')}{reason}")
        if status.message and (before is None or status.message != before.message):
            self._say(status.message)
        if status.skill:
            self._tell(f"{status.skill} {_PHASES.get(status.phase, '')}")

    def _tell(self, line: str) -> None:
        if line != self._line:
            self._line = line
            self._say(line)
