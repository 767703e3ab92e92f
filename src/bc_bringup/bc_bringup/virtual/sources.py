"""Who commands in a VirtualCell: a policy through the chunk scheduler, and hands through the teleoperation session."""

from collections.abc import Callable

from bc_bringup.virtual.cell import VirtualCell, commanded_row, reference
from bc_controllers import Ack, ModeChange
from bc_core.chunks import ActionChunk, ActionGroup, Array
from bc_core.cycle import Request
from bc_core.fields import ObservationError
from bc_core.grid import NANOSECONDS
from bc_core.scheduler import Scheduler
from bc_msgs.msg import ChunkAck, ControlMode
from bc_teleop.command import Device, DeviceCommand, Observation
from bc_teleop.session import TeleopSession

Infer = Callable[[Request], Array]
"""The policy: from a request, at the time of its tick, to (H, D) absolute rows. Called at the tick itself.
ObservationError: there is no frame for it; the scheduler hears of it and asks again later."""


class PolicySource:
    """chunk_scheduler and policy_node. latency: of the next inference [s]; None: it is never answered."""

    def __init__(
        self,
        cell: VirtualCell,
        scheduler: Scheduler,
        groups: tuple[ActionGroup, ...],
        infer: Infer,
        latency: Callable[[], float | None],
        producer_id: int = 1,
    ) -> None:
        self.scheduler = scheduler
        self.requests: list[Request] = []
        self._cell, self._groups, self._infer, self._latency = cell, groups, infer, latency
        self._producer_id = producer_id
        cell.on_mode.append(self._on_mode)
        cell.on_ack.append(self._on_ack)
        cell.every(scheduler.grid.dt_ns, self._on_tick)

    def _on_mode(self, change: ModeChange) -> None:
        self.scheduler.on_mode(change.mode == ControlMode.POLICY, change.epoch)

    def _on_ack(self, ack: Ack) -> None:
        if ack.producer_id == self._producer_id and ack.source == "policy":
            in_force = ack.verdict == ChunkAck.IN_FORCE
            self.scheduler.on_ack(ack.sequence, in_force, ack.effective_ns, ack.raw_jump, ack.detail)

    def _on_tick(self, time_ns: int) -> None:
        request = self.scheduler.on_tick(self.scheduler.grid.floor(time_ns), commanded_row(self._cell, self._groups))
        if request is None:
            return
        self.requests.append(request)
        try:
            actions, latency = self._infer(request), self._latency()
        except ObservationError as error:
            self.scheduler.on_failure(request.sequence, str(error), request.tick)
            return
        if latency is not None:
            begin = time_ns
            self._cell.at(
                begin + round(latency * NANOSECONDS),
                lambda now_ns: self._answer(request, actions, (now_ns - begin) / NANOSECONDS, now_ns),
            )

    def _answer(self, request: Request, actions: Array, seconds: float, now_ns: int) -> None:
        delivery = self.scheduler.on_answer(request.sequence, actions, seconds, now_ns)
        if delivery is None:
            return
        grid = self.scheduler.grid
        chunk = ActionChunk(
            stamp_ns=grid.time(delivery.tick),
            dt_ns=grid.dt_ns,
            groups=self._groups,
            actions=delivery.actions,
            producer="policy",
            producer_id=self._producer_id,
            sequence=delivery.sequence,
            mode_epoch=delivery.epoch,
            frozen=delivery.frozen,
        )
        self._cell.submit("policy", chunk)


class HandSource:
    """teleop_node: a device read once a period, its chunks after `transport` [s], its refusals heard.

    see: what the device sees at a time. period_ns, phase_ns: when it is read without being nudged.
    """

    def __init__(
        self,
        cell: VirtualCell,
        device: Device,
        session: TeleopSession,
        producer_id: int,
        see: Callable[[int], Observation],
        period_ns: int = 50_000_000,
        phase_ns: int = 0,
        transport: float = 0.0,
    ) -> None:
        self.session = session
        self.sent: list[ActionChunk] = []
        self.told: list[str] = []  # why a held dead-man had no effect, each time that it changed
        self.alive = True
        self.last = DeviceCommand()
        self._cell, self._device, self._producer_id, self._see = cell, device, producer_id, see
        self._transport_ns = round(transport * NANOSECONDS)
        cell.on_ack.append(self._on_ack)
        cell.every(period_ns, self.step, phase_ns)

    def step(self, now_ns: int) -> None:
        """One reading of the device; also whenever a button asks for it at once. Nothing after the process has died."""
        if not self.alive:
            return
        self.last = self._device.command(self._see(now_ns))
        chunk = self.session.step(now_ns, self.last, reference(self._cell))
        if self.session.message and (not self.told or self.told[-1] != self.session.message):
            self.told.append(self.session.message)
        if chunk is None:
            return
        self.sent.append(chunk)
        self._cell.at(now_ns + self._transport_ns, lambda _: self._cell.submit("human", chunk))

    def _on_ack(self, ack: Ack) -> None:
        if not self.alive or ack.producer_id != self._producer_id or ack.verdict != ChunkAck.REFUSED:
            return
        if self.session.refused(ack.sequence, disarm=ack.reason == ChunkAck.WRONG_SOURCE):
            self.told.append(ack.detail)
