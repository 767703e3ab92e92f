"""chunk_scheduler: chains the policy's chunks in real time. A thin shell over bc_core.scheduler."""

import sys

import numpy as np

from bc_core.checkpoint_config import read_header
from bc_core.chunks import ActionChunk, ActionGroup, Array, Space
from bc_core.delay import make_estimator
from bc_core.errors import BcError
from bc_core.scheduler import Request, Scheduler, SchedulerConfig, Strategy
from bc_msgs.msg import (
    ActionChunk as ActionChunkMsg,
)
from bc_msgs.msg import (
    ChunkAck,
    ChunkRequest,
    ControllerState,
    ControlMode,
    PolicyChunk,
    SchedulerStatus,
)
from bc_nodes import qos
from bc_nodes.convert import chunk_to_msg, to_ns, to_stamp
from bc_nodes.diagnostics import Diagnostics, Level
from bc_nodes.lifecycle import BcLifecycleNode
from bc_nodes.main import run_node
from bc_nodes.ticks import TickTimer


class ChunkScheduler(BcLifecycleNode):
    """Asks policy_node for chunks, publishes them on command/policy, listens to the controller's verdicts."""

    def __init__(self) -> None:
        super().__init__("chunk_scheduler")
        self.parameter("checkpoint", "", "directory of the policy: horizon and contract are read from it")
        self.parameter("strategy", "rtc", "rtc, naive or sync")
        self.parameter("s_min", 8, "least number of ticks executed between two requests")
        self.parameter("beta", 5.0, "maximal guidance weight")
        self.parameter("delay_init", 6, "delay assumed before any was measured [ticks]")
        self.parameter("delay_estimator", "quantile", "quantile, or window_max as in the paper")
        self.parameter("delay_window", 20, "chunks that the estimate looks back on")
        self.parameter("delay_quantile", 0.9, "of the delays in the window, for the quantile estimator")
        self.parameter("answer_timeout", 1.0, "time after which a request is given up [s]")
        self._reference: ControllerState | None = None

    def configure(self) -> None:
        header = read_header(self.value("checkpoint"))
        contract = header.contract
        self._grid, self._groups = contract.grid, contract.groups
        try:
            strategy = Strategy(self.value("strategy"))
        except ValueError as error:
            known = ", ".join(strategy.value for strategy in Strategy)
            raise BcError(f"strategy is '{self.value('strategy')}': choose one of {known}") from error
        self._scheduler = Scheduler(
            SchedulerConfig(
                strategy=strategy,
                horizon=header.horizon,
                s_min=self.value("s_min"),
                beta=self.value("beta"),
                n_obs_steps=header.n_obs_steps,
                answer_timeout=self._grid.ceil(round(self.value("answer_timeout") * 1e9)),
            ),
            self._grid,
            make_estimator(
                self.value("delay_estimator"),
                self.value("delay_init"),
                self.value("delay_window"),
                self.value("delay_quantile"),
            ),
            self._groups,
        )
        self._requests = self.create_publisher(ChunkRequest, "policy/request", qos.COMMAND)
        self._commands = self.create_publisher(ActionChunkMsg, "command/policy", qos.COMMAND)
        self._status = self.create_publisher(SchedulerStatus, "scheduler/status", qos.EVENT)
        self._diagnostics = Diagnostics(self)
        self.create_subscription(ControllerState, "controller/state", self._on_state, qos.STATE)
        self.create_subscription(ControlMode, "controller/mode", self._on_mode, qos.LATCHED)
        self.create_subscription(ChunkAck, "controller/ack", self._on_ack, qos.EVENT)
        self.create_subscription(PolicyChunk, "policy/chunk", self._on_answer, qos.COMMAND)

    def activate(self) -> None:
        self._ticks = TickTimer(self, self._grid, self._on_tick)

    def deactivate(self) -> None:
        self._ticks.cancel()
        self._scheduler.on_mode(policy=False, epoch=0)

    def _now_ns(self) -> int:
        return int(self.get_clock().now().nanoseconds)

    def _on_state(self, msg: ControllerState) -> None:
        self._reference = msg

    def _on_mode(self, msg: ControlMode) -> None:
        self._scheduler.on_mode(policy=msg.mode == ControlMode.POLICY and self.active, epoch=msg.epoch)

    def _on_tick(self, tick: int) -> None:
        if self._reference is None:
            return
        starved_before = self._scheduler.counters.starved_ticks
        request = self._scheduler.on_tick(tick, reference_row(self._reference, self._groups))
        if request is not None:
            self._requests.publish(self._request_msg(request))
        if self._scheduler.counters.starved_ticks > starved_before:
            self.get_logger().warning(self._scheduler.message, throttle_duration_sec=1.0)
            self._publish_status(tick)

    def _on_answer(self, msg: PolicyChunk) -> None:
        if msg.scheduler_id != self.process_id:
            return
        now_ns = self._now_ns()
        if msg.status != PolicyChunk.OK:
            self._scheduler.on_failure(msg.sequence, msg.detail, self._grid.floor(now_ns))
            self.get_logger().warning(f"no chunk: {msg.detail}", throttle_duration_sec=1.0)
            self._publish_status(msg.tick)
            return
        actions = np.array(msg.actions, dtype=np.float64).reshape(msg.horizon, msg.width)
        delivery = self._scheduler.on_answer(msg.sequence, actions, msg.inference_seconds, now_ns)
        if delivery is None or not self.active:
            return
        chunk = ActionChunk(
            stamp_ns=self._grid.time(delivery.tick),
            dt_ns=self._grid.dt_ns,
            groups=self._groups,
            actions=delivery.actions,
            producer=self.get_name(),
            producer_id=self.process_id,
            sequence=delivery.sequence,
            mode_epoch=delivery.epoch,
            frozen=delivery.frozen,
        )
        self._commands.publish(chunk_to_msg(chunk))

    def _on_ack(self, msg: ChunkAck) -> None:
        if msg.producer_id != self.process_id:
            return
        in_force = msg.verdict == ChunkAck.IN_FORCE
        self._scheduler.on_ack(msg.sequence, in_force, to_ns(msg.effective), msg.raw_jump, msg.detail)
        if not in_force:
            self.get_logger().warning(f"chunk {msg.sequence} refused: {msg.detail}")
        self._publish_status(self._grid.floor(to_ns(msg.header.stamp)))

    def _request_msg(self, request: Request) -> ChunkRequest:
        msg = ChunkRequest(
            scheduler_id=self.process_id,
            sequence=request.sequence,
            tick=request.tick,
            mode_epoch=request.epoch,
            mask=int(request.mask),
            frozen=request.frozen,
            execution_horizon=request.execution_horizon,
            beta=self._scheduler.config.beta,
        )
        msg.header.stamp = to_stamp(self._grid.time(request.tick))
        if request.prefix is not None:
            msg.prefix_rows = request.prefix.shape[0]
            msg.prefix.frombytes(np.ascontiguousarray(request.prefix).tobytes())
        return msg

    def _publish_status(self, tick: int) -> None:
        scheduler, last = self._scheduler, self._scheduler.last
        msg = SchedulerStatus(
            state=scheduler.state.value,
            strategy=scheduler.config.strategy.value,
            tick=tick,
            delay_measured=-1,
            starved_ticks=scheduler.counters.starved_ticks,
            requests=scheduler.counters.requests,
            timeouts=scheduler.counters.timeouts,
            refused=scheduler.counters.refused,
            message=scheduler.message,
        )
        msg.header.stamp = self.get_clock().now().to_msg()
        if last is not None:
            msg.sequence = last.sequence
            msg.delay_estimated = last.delay_estimated
            msg.delay_measured = last.delay_measured
            msg.execution_horizon = last.execution_horizon
            msg.frozen = last.frozen
            msg.inference_seconds = last.inference_seconds
            msg.observation_age = last.observation_age
            msg.raw_jump_at_effect = last.raw_jump_at_effect
            msg.raw_jump_at_row_d = last.raw_jump_at_row_d
            msg.residual_at_row_d = last.residual_at_row_d
        self._status.publish(msg)
        starved = scheduler.message.startswith("starved")
        level = Level.ERROR if starved else Level.WARN if scheduler.message else Level.OK
        self._diagnostics.report(level, scheduler.message)


def reference_row(state: ControllerState, groups: tuple[ActionGroup, ...]) -> Array:
    """The controller's reference as an action row, shape (D,). BcError if a group is not part of the state."""
    by_name = dict(zip(state.joint_names, state.position_reference, strict=True))
    row = np.zeros(groups[-1].offset + groups[-1].width)
    for group in groups:
        if group.space == Space.GRIPPER:
            row[group.columns] = state.gripper_reference
        elif group.space == Space.JOINT_POSITION:
            missing = [name for name in group.names if name not in by_name]
            if missing:
                raise BcError(
                    f"the contract commands joints {missing}, but the controller has {state.joint_names}:"
                    " start the controller with the robot that the contract names"
                )
            row[group.columns] = [by_name[name] for name in group.names]
        else:
            raise BcError(f"group '{group.name}' is a pose: chunk_scheduler chains joint positions and grippers only")
    return row


def main() -> None:
    sys.exit(run_node(ChunkScheduler))
