"""motion_planner in a VirtualCell: its jobs, without the node around them."""

from concurrent.futures import Future

from bc_bringup.virtual.cell import VirtualCell, commanded_row
from bc_controllers import Ack, ModeChange
from bc_core.chunks import ActionChunk, Array
from bc_core.contract import Contract
from bc_core.grid import NANOSECONDS
from bc_msgs.msg import ControllerState
from bc_planner.goal import Motion, MotionError, MotionGoal
from bc_planner.job import Job, Ports, Rules, Seen
from bc_planner.planner import MotionPlanner

_STANDS = ControllerState.HOLDING, ControllerState.COMPLIANT


class PlannerSource:
    """One motion after another. transport: of chunks [s]. Planning takes no virtual time."""

    def __init__(
        self,
        cell: VirtualCell,
        contract: Contract,
        planner: MotionPlanner,
        producer_id: int = 200,
        transport: float = 0.0,
    ) -> None:
        self.job: Job | None = None
        self.sent: list[ActionChunk] = []
        self.alive = True
        self._cell, self._contract, self._planner = cell, contract, planner
        self.producer_id = producer_id
        self._transport_ns = round(transport * NANOSECONDS)
        self._goal: MotionGoal | None = None
        cell.on_mode.append(self._on_mode)
        cell.on_ack.append(self._on_ack)
        cell.every(10_000_000, self._step)

    def begin(self, goal: MotionGoal, patience: float = 2.0, plan_only: bool = False) -> Job:
        """Let a motion begin; it goes on as time passes."""
        cell, contract = self._cell, self._contract
        self._goal = goal
        rules = Rules(contract.groups, contract.grid, cell.simulation.robot.arm, patience)
        ports = Ports(lambda reference, joints, _: self._plan(reference, joints), self._send, self._request)
        sequence = self.sent[-1].sequence + 1 if self.sent else 1
        self.job = Job(ports, rules, "planner", self.producer_id, sequence, cell.now_ns, plan_only=plan_only)
        return self.job

    def _plan(self, reference: Array, joints: Array) -> "Future[Motion]":
        planned: Future[Motion] = Future()
        assert self._goal is not None
        try:
            planned.set_result(self._planner.plan(reference, self._goal, measured=joints))
        except MotionError as error:
            planned.set_exception(error)
        return planned

    def _send(self, chunk: ActionChunk) -> None:
        self.sent.append(chunk)
        self._cell.at(self._cell.now_ns + self._transport_ns, lambda _: self._cell.submit("planner", chunk))

    def _request(self, request: int, why: str) -> None:
        job, cell = self.job, self._cell

        def ask(now_ns: int) -> None:
            success = cell.request(request, why)
            if job is not None:
                epoch = cell.simulation.controller.state().mode_epoch
                job.on_answer(request, success, epoch, "" if success else "not from this mode", now_ns)

        cell.at(cell.now_ns, ask)

    def _step(self, now_ns: int) -> None:
        if self.job is None or not self.alive:
            return
        state = self._cell.state
        self.job.on_state(
            Seen(
                state.stamp_ns,
                state.mode,
                state.mode_epoch,
                commanded_row(self._cell, self._contract.groups),
                state.position,
                state.position_reference,
                state.ladder in _STANDS,
            )
        )
        self.job.step(now_ns)

    def _on_mode(self, change: ModeChange) -> None:
        if self.job is not None and self.alive:
            self.job.on_mode(change.mode, change.epoch, change.reason, change.stamp_ns)

    def _on_ack(self, ack: Ack) -> None:
        if self.job is not None and self.alive:
            self.job.on_ack(ack.producer_id, ack.reason, ack.detail)
