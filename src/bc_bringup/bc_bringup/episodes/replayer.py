"""Plays rows through the arbiter as PLANNER: asks for the mode, sends chunks ahead of their time, heeds the answers."""

import secrets
import time
from collections.abc import Callable
from typing import Any

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node

from bc_core.chunks import Array
from bc_core.contract import Contract
from bc_core.errors import BcError
from bc_core.playback import Playback, Result
from bc_core.replay import plan
from bc_msgs.msg import ActionChunk as ActionChunkMsg
from bc_msgs.msg import ChunkAck, ControllerState, ControlMode
from bc_msgs.srv import ChangeMode
from bc_nodes import qos
from bc_nodes.convert import chunk_to_msg
from bc_nodes.reference import reference_row

_PATIENCE = 10.0  # [s]


class Replayer:
    """check: called all the time; raises to end the replay (a signal)."""

    def __init__(self, namespace: str, check: Callable[[], None]) -> None:
        self._check = check
        self._context = rclpy.Context()
        rclpy.init(args=[], context=self._context, signal_handler_options=rclpy.SignalHandlerOptions.NO)
        self._node = Node("replay", namespace=namespace, context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)
        self._state: ControllerState | None = None
        self._mode: ControlMode | None = None
        self._playback: Playback | None = None
        self._producer_id = secrets.randbits(63)
        self._publisher = self._node.create_publisher(ActionChunkMsg, "command/planner", qos.COMMAND_OUT)
        self._node.create_subscription(ControllerState, "controller/state", self._on_state, qos.STATE)
        self._node.create_subscription(ControlMode, "controller/mode", self._on_mode, qos.LATCHED)
        self._node.create_subscription(ChunkAck, "controller/ack", self._on_ack, qos.EVENT)
        self._change_mode = self._node.create_client(ChangeMode, "controller/change_mode")

    def close(self) -> None:
        self._executor.shutdown()
        self._node.destroy_node()
        rclpy.try_shutdown(context=self._context)

    def play(self, runs: list[Array], contract: Contract, speed: float) -> float:
        """Lead up to the first row and follow all; returns how long it took [s]. BcError: refused, or taken over."""
        self._until(lambda: bool(self._state and self._mode), "a message on 'controller/state' and 'controller/mode'")
        self._until(
            lambda: self._publisher.get_subscription_count() > 0, "a controller that listens to 'command/planner'"
        )
        assert self._state is not None
        rows = plan(reference_row(self._state, contract.groups), runs, contract.grid, speed)
        playback = self._playback = Playback(rows, contract.groups, contract.grid, "replay", self._producer_id, 1)
        playback.granted(self._grant(), self._now_ns())
        while playback.end is None:
            for chunk in playback.due(self._now_ns()):
                self._publisher.publish(chunk_to_msg(chunk))
            self._spin()
        if playback.end.result is not Result.DONE:
            raise BcError(f"the replay was {playback.end.result.value}: {playback.end.reason}")
        return len(rows) * contract.grid.dt

    def _grant(self) -> int:
        """Ask for PLANNER; returns the epoch."""
        if not self._change_mode.wait_for_service(_PATIENCE):
            raise BcError(f"nobody serves '{self._change_mode.srv_name}': start the controller first")
        future = self._change_mode.call_async(ChangeMode.Request(request=ChangeMode.Request.GRANT, reason="replay"))
        self._until(future.done, "an answer of 'controller/change_mode'")
        answer: Any = future.result()
        if not answer.success:
            raise BcError(f"the controller refuses to be driven by a replay: {answer.message}")
        return int(answer.epoch)

    def _until(self, condition: Callable[[], bool], what: str) -> None:
        """Spin until a condition holds. BcError: it takes too long."""
        deadline = time.monotonic() + _PATIENCE
        while not condition():
            self._spin()
            if time.monotonic() > deadline:
                raise BcError(f"{what} did not come within {_PATIENCE:.0f} s: see the controller's log")

    def _spin(self) -> None:
        self._check()
        self._executor.spin_once(timeout_sec=0.01)

    def _now_ns(self) -> int:
        return int(self._node.get_clock().now().nanoseconds)

    def _on_state(self, message: ControllerState) -> None:
        self._state = message

    def _on_mode(self, message: ControlMode) -> None:
        self._mode = message
        if self._playback is not None:
            held = message.mode == ControlMode.HOLD
            self._playback.on_mode(held, int(message.epoch), message.reason, self._now_ns())

    def _on_ack(self, message: ChunkAck) -> None:
        if self._playback is not None:
            self._playback.on_ack(message.producer_id, message.reason, message.detail or f"reason {message.reason}")
