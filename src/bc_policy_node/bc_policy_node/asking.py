"""policy_node's requests for help: where an ensemble disagrees people are told, and the robot holds if nobody comes."""

import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rclpy.node import Node
from rclpy.task import Future

from bc_core.chunks import Array
from bc_core.dagger.ensemble import Ensemble, load_ensemble
from bc_core.dagger.help import Help, HelpConfig, HelpDesk
from bc_core.errors import BcError
from bc_core.frames import Frame
from bc_core.policies.base import Policy
from bc_core.policies.chunk_policy import ChunkPolicy
from bc_msgs.msg import ControlMode, HelpRequest
from bc_msgs.srv import ChangeMode
from bc_nodes import qos
from bc_policy_node.warm_up import warm_up

PERIOD = 0.05  # [s] between looks at the clock
_STATES = {Help.NONE: HelpRequest.NONE, Help.ASKED: HelpRequest.ASKED, Help.HOLDING: HelpRequest.HOLDING}

Infer = Callable[[Policy], Array]
"""One member's chunk for the frame under way."""


class Asking:
    """Publishes policy/help and asks the controller for HOLD. `measure` is for the thread that infers, all else for the
    node's.
    """

    def __init__(
        self, node: Node, policy: Policy, folder: str, config: HelpConfig, changed: Callable[[], None]
    ) -> None:
        if not isinstance(policy, ChunkPolicy):
            raise BcError("only a policy of this project can be one of an ensemble: set help_threshold to 0")
        self.ensemble: Ensemble = load_ensemble(policy, Path(folder))
        self._node, self._changed, self._folder = node, changed, folder
        self._desk, self._threshold = HelpDesk(config), config.threshold
        self._told = Help.NONE
        self.measured = 0  # frames that all members were asked about
        self._failure = ""  # of a member, when they were last asked
        self._holding: Future | None = None  # the controller's answer
        self._measured: list[float] = []  # left by the thread that infers, for the node's
        self._publisher = node.create_publisher(HelpRequest, "policy/help", qos.LATCHED)
        self._controller = node.create_client(ChangeMode, "controller/change_mode")
        node.create_timer(PERIOD, self._look)

    @property
    def message(self) -> str:
        """For people; empty while there is nothing to say."""
        return self._failure or self._desk.message

    @property
    def can_hold(self) -> bool:
        """Is there a controller that could be asked to hold?"""
        return bool(self._controller.service_is_ready())

    def warm_up(self) -> None:
        """In the thread that infers."""
        for other in self.ensemble.others:
            warm_up(other)

    def measure(self, chunk: Array, frame: Frame, infer: Infer, wanted: Callable[[], bool]) -> None:
        """What the others would do. Given up as soon as it is not `wanted`: a chunk that is asked for comes first."""
        chunks = [chunk]
        try:
            for other in self.ensemble.others:
                if not wanted():
                    return
                chunks.append(infer(other))
            self._measured.append(self.ensemble.disagreement(chunks, frame))
        except Exception as error:  # whatever a member raises: it must be known that the robot does not ask
            self._failure = (
                f"the ensemble in '{self._folder}' failed after {len(chunks) - 1} members had answered, help is not"
                f" asked for: {error!r}: see the traceback in policy_node's log; train the next one anew, or take it"
                " out of the folder, and restart"
            )
            self._node.get_logger().error(f"{self._failure}\n{traceback.format_exc()}")
            self._changed()
            return
        self._failure = ""
        if self._node.executor is not None:
            self._node.executor.create_task(self._take)  # which wakes it: an EventsExecutor has no guard conditions

    def on_mode(self, mode: ControlMode) -> None:
        self._measured.clear()
        self._desk.on_mode(mode.mode == ControlMode.POLICY, mode.mode == ControlMode.HOLD)
        self._tell()

    def _take(self) -> None:
        while self._measured:
            self.measured += 1
            self._desk.on_disagreement(self._measured.pop(0), self._now_ns())
        self._tell()

    def _look(self) -> None:
        if self._desk.must_hold(self._now_ns()):
            self._hold()
        self._tell()

    def _hold(self) -> None:
        """Ask the controller, again and again until it is in another mode than POLICY."""
        if not self.can_hold:
            text = (
                "nobody came to help and the robot does not hold: nobody serves controller/change_mode: start the"
                " controller"
            )
            self._node.get_logger().error(text, throttle_duration_sec=1.0)
        elif self._holding is None or self._holding.done():
            request = ChangeMode.Request(request=ChangeMode.Request.HOLD, reason="asked for help and nobody came")
            self._holding = self._controller.call_async(request)
            self._holding.add_done_callback(lambda future: self._held(future.result()))

    def _held(self, response: Any) -> None:
        if not response.success:
            text = f"the controller does not hold: {response.message}"
            self._node.get_logger().error(text, throttle_duration_sec=1.0)

    def _tell(self) -> None:
        """Every change, to those who can help."""
        if self._desk.state is self._told:
            return
        self._told = self._desk.state
        if self.message:
            self._node.get_logger().warning(self.message)
        msg = HelpRequest(
            state=_STATES[self._told],
            disagreement=self._desk.disagreement,
            threshold=self._threshold,
            message=self.message,
        )
        msg.header.stamp = self._node.get_clock().now().to_msg()
        self._publisher.publish(msg)
        self._changed()

    def _now_ns(self) -> int:
        return int(self._node.get_clock().now().nanoseconds)
