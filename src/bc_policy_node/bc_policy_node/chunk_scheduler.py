"""chunk_scheduler: chains the policy's chunks in real time. A thin shell over bc_core.scheduler."""

import sys
from dataclasses import replace
from typing import Any

import numpy as np
from rcl_interfaces.msg import SetParametersResult
from rclpy.experimental import EventsExecutor
from rclpy.parameter import Parameter

from bc_core.checkpoint_config import CheckpointHeader, read_header
from bc_core.chunks import ActionChunk
from bc_core.cycle import Request, SchedulerConfig
from bc_core.delay import ESTIMATORS, DelayEstimator, make_estimator
from bc_core.errors import BcError
from bc_core.mask import BETA
from bc_core.scheduler import Scheduler, check_delay
from bc_core.strategies.registry import STRATEGIES, choose
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
from bc_nodes.reference import reference_row
from bc_nodes.ticks import TickTimer
from bc_policy_node.activation import Activation, Prepared
from bc_policy_node.checkpoints import checkpoints

TUNABLE = (
    ("s_min", 8, "least number of ticks executed between two requests"),
    ("beta", BETA, "maximal guidance weight; the paper's is 5"),
    ("delay_estimator", "quantile", f"one of {', '.join(ESTIMATORS)}; window_max is the paper's"),
    ("delay_window", 20, "chunks that quantile and window_max look back on"),
    ("delay_quantile", 0.9, "of the delays in the window, for quantile"),
    ("delay_deviations", 2.0, "above the mean, for jacobson_karels"),
)
"""Parameters that may be set while it runs: name, default, description."""

EARLY_NS = 500_000
"""Of the tick timer: every request waits for it. An acknowledgement in this time counts from the tick after."""


class ChunkScheduler(BcLifecycleNode):
    """Asks policy_node for chunks, publishes them on command/policy, listens to the controller's verdicts."""

    def __init__(self) -> None:
        super().__init__("chunk_scheduler")
        self.parameter("checkpoint", "", "directory of the policy: horizon and contract are read from it")
        self.parameter("skills", "", "folder of skills: the policies that policy/activate may change to")
        self.parameter("strategy", "rtc", f"one of {', '.join(STRATEGIES)} that the policy can serve")
        self.parameter("delay_init", 6, "delay assumed before any was measured [ticks]")
        for name, default, description in TUNABLE:
            self.parameter(name, default, description, read_only=False)
        self.parameter("answer_timeout", 1.0, "time after which a request is given up [s]")
        self._reference: ControllerState | None = None
        self._ticks_untold = 0  # since the controller's state last told of this epoch

    def configure(self) -> None:
        found = checkpoints(self.value("checkpoint"), self.value("skills"))
        headers = {key: read_header(directory) for key, directory in found.items()}
        names = {key: f"checkpoint '{directory}'" for key, directory in found.items()}
        first = next(iter(headers))
        contract = headers[first].contract
        for key, header in headers.items():
            contract.check_same(header.contract, names[first], names[key], streams=())
        self._grid, self._groups = contract.grid, contract.groups
        self._policies = {key: self._prepare(found[key], header) for key, header in headers.items()}
        prepared = self._policies[first]
        self._scheduler = Scheduler(prepared.config, self._grid, prepared.estimator, self._groups)
        self._activation = Activation(self, self._scheduler, self._policies)
        self.add_on_set_parameters_callback(self._on_tuning)
        self._requests = self.create_publisher(ChunkRequest, "policy/request", qos.COMMAND_OUT)
        self._commands = self.create_publisher(ActionChunkMsg, "command/policy", qos.COMMAND_OUT)
        self._status = self.create_publisher(SchedulerStatus, "scheduler/status", qos.EVENT)
        self._diagnostics = Diagnostics(self)
        self.create_subscription(ControllerState, "controller/state", self._on_state, qos.STATE)
        self.create_subscription(ControlMode, "controller/mode", self._on_mode, qos.LATCHED)
        self.create_subscription(ChunkAck, "controller/ack", self._on_ack, qos.EVENT)
        self.create_subscription(PolicyChunk, "policy/chunk", self._on_answer, qos.COMMAND)

    def _prepare(self, checkpoint: str, header: CheckpointHeader) -> Prepared:
        tuning = self._tuning()
        config = SchedulerConfig(
            strategy=choose(self.value("strategy"), checkpoint, header.masks),
            horizon=header.horizon,
            s_min=tuning["s_min"],
            beta=tuning["beta"],
            n_obs_steps=header.n_obs_steps,
            answer_timeout=self._grid.ceil(round(self.value("answer_timeout") * 1e9)),
        )
        prepared = Prepared(config, _estimator(tuning, self.value("delay_init")))
        check_delay(config, prepared.estimator)
        return prepared

    def activate(self) -> None:
        self._ticks = TickTimer(self, self._grid, self._on_tick, early_ns=EARLY_NS)

    def deactivate(self) -> None:
        self._ticks.cancel()
        self._activation.on_mode(policy=False, epoch=0, tick=0)

    def _tuning(self) -> dict[str, Any]:
        return {name: self.value(name) for name, _, _ in TUNABLE}

    def _on_tuning(self, parameters: list[Parameter]) -> SetParametersResult:
        """Numbers that do not fit are refused with the reason, and the old ones stay."""
        tuning = self._tuning()
        changed = {parameter.name: parameter.value for parameter in parameters if parameter.name in tuning}
        if not changed:
            return SetParametersResult(successful=True)
        numbers = {key: changed[key] for key in ("s_min", "beta") if key in changed}
        learns_anew = any(name.startswith("delay_") for name in changed)
        try:
            tuned = {
                key: Prepared(
                    replace(old.config, **numbers),
                    _estimator(tuning | changed, old.estimator.estimate) if learns_anew else old.estimator,
                )
                for key, old in self._policies.items()
            }
        except BcError as error:
            return SetParametersResult(successful=False, reason=str(error))
        self._policies.update(tuned)
        driving = tuned.get(self._activation.active or "") or next(iter(tuned.values()))
        self._scheduler.reconfigure(driving.config, driving.estimator)
        return SetParametersResult(successful=True)

    def _now_ns(self) -> int:
        return int(self.get_clock().now().nanoseconds)

    def _on_state(self, msg: ControllerState) -> None:
        self._reference = msg
        if msg.producer_id == self.process_id:
            self._scheduler.on_in_force(msg.sequence)

    def _on_mode(self, msg: ControlMode) -> None:
        policy = msg.mode == ControlMode.POLICY and self.active
        self._activation.on_mode(policy, msg.epoch, self._grid.floor(self._now_ns()))
        self._tell_activation()

    def _tell_activation(self) -> None:
        """Why nothing is asked though the mode is POLICY."""
        if self._activation.message:
            self.get_logger().error(self._activation.message)
            self._diagnostics.report(Level.ERROR, self._activation.message)

    def _on_tick(self, tick: int) -> None:
        if self._activation.on_tick(tick):
            self._tell_activation()
        state = self._state_of_epoch(tick)
        if state is None:
            return
        before = replace(self._scheduler.counters)
        request = self._scheduler.on_tick(tick, reference_row(state, self._groups))
        if request is not None:
            self._requests.publish(self._request_msg(request))
        if replace(self._scheduler.counters, requests=before.requests) != before:  # starved, timed out, infeasible, ...
            self.get_logger().warning(self._scheduler.message, throttle_duration_sec=1.0)
            self._publish_status(tick)

    def _state_of_epoch(self, tick: int) -> ControllerState | None:
        """Where the robot stands; None, and after a while a warning, if the controller has not told of this epoch yet.

        Where it stood in another epoch, or long ago, says nothing: a reset may have put it elsewhere.
        """
        state, epoch, patience = self._reference, self._scheduler.epoch, self._scheduler.config.answer_timeout
        told = (
            state is not None
            and state.mode_epoch == epoch
            and tick - self._grid.floor(to_ns(state.header.stamp)) <= patience
        )
        if epoch is None or told:
            self._ticks_untold = 0
            return state
        self._ticks_untold += 1
        if epoch is not None and self._ticks_untold == patience:
            warning = (
                f"controller/state has not told of mode epoch {epoch} for {patience} ticks: see whether the controller"
                " runs, and whether its clock and this node's agree"
            )
            self.get_logger().warning(warning)
            self._diagnostics.report(Level.WARN, warning)
        return None

    def _on_answer(self, msg: PolicyChunk) -> None:
        if msg.scheduler_id != self.process_id:
            return
        now_ns = self._now_ns()
        if msg.status != PolicyChunk.OK:
            detail = msg.detail or f"policy_node failed at request {msg.sequence} and does not say why: see its log"
            self._scheduler.on_failure(msg.sequence, detail, self._grid.floor(now_ns))
            self.get_logger().warning(f"no chunk: {detail}", throttle_duration_sec=1.0)
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
            policy=self._activation.active or "",
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
            strategy=scheduler.config.strategy.name,
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


def _estimator(tuning: dict[str, Any], initial: int) -> DelayEstimator:
    return make_estimator(
        tuning["delay_estimator"],
        initial,
        tuning["delay_window"],
        tuning["delay_quantile"],
        tuning["delay_deviations"],
    )


def main() -> None:
    sys.exit(run_node(ChunkScheduler, executor_class=EventsExecutor))
