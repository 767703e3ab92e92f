"""A client of motion_planner that waits for the motion's end."""

import time
from collections.abc import Callable
from typing import Any

from rclpy.action import ActionClient
from rclpy.executors import Executor

from bc_core.errors import BcError
from bc_msgs.action import MoveTo

SERVER_SECONDS = 20.0  # until motion_planner is found
MOTION_SECONDS = 180.0  # for a goal, waiting for its turn included
CANCEL_SECONDS = 2.0
_PAUSE = 0.2  # [s] before a goal is sent once more
_AGAIN = (MoveTo.Result.NOT_GRANTED, MoveTo.Result.PREEMPTED)  # a human drives: when they let go it goes on


class Mover:
    """executor: of the client's node. check: called all the time; raises to end the wait (a signal)."""

    def __init__(self, client: ActionClient, executor: Executor, check: Callable[[], None]) -> None:
        self._client, self._executor, self._check = client, executor, check

    def go(self, name: str, why: str, prepare: Callable[[], None] = lambda: None) -> None:
        """To a configuration of the workspace, whoever else moves or drives before. BcError names why it cannot be.

        prepare: done before every try.
        """
        deadline = time.monotonic() + MOTION_SECONDS
        while True:
            prepare()
            result = self.move(MoveTo.Goal(kind=MoveTo.Goal.NAMED, name=name, reason=why))
            if result is not None and result.reason == MoveTo.Result.SUCCESS:
                return
            if time.monotonic() > deadline or (result is not None and result.reason not in _AGAIN):
                told = "another motion does not end" if result is None else result.message
                raise BcError(f"the arm could not be brought to '{name}': {told}")
            again = time.monotonic() + _PAUSE
            while time.monotonic() < again:
                self._spin()

    def move(self, goal: MoveTo.Goal, on_feedback: Callable[[Any], None] | None = None) -> MoveTo.Result | None:
        """Send a goal and wait for its end; None: it was rejected, because another motion is under way.

        Whatever ends the wait cancels the motion. BcError: there is no motion_planner, or it is silent.
        """
        found = time.monotonic() + SERVER_SECONDS
        while not self._client.server_is_ready():
            if time.monotonic() > found:
                raise BcError("nobody serves 'move_to': start motion_planner (bcros launch planner)")
            self._spin()
        handle = self._wait(self._client.send_goal_async(goal, on_feedback))
        if not handle.accepted:
            return None
        try:
            return self._wait(handle.get_result_async()).result
        except BaseException:
            self._cancel(handle)
            raise

    def _wait(self, future: Any) -> Any:
        deadline = time.monotonic() + MOTION_SECONDS
        while not future.done():
            if time.monotonic() > deadline:
                raise BcError(f"motion_planner has not answered for {MOTION_SECONDS:.0f} s: see its log")
            self._spin()
        return future.result()

    def _spin(self) -> None:
        self._check()
        self._executor.spin_once(timeout_sec=0.05)

    def _cancel(self, handle: Any) -> None:
        """Ask for the end of a motion and wait until that was heard: the rest needs nobody here."""
        self._executor.spin_until_future_complete(handle.cancel_goal_async(), timeout_sec=CANCEL_SECONDS)
