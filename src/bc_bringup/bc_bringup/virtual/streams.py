"""What the simulation's node and its partners publish, as messages at the same times, of a cell in virtual time."""

from collections.abc import Callable
from typing import Any

from bc_bringup.virtual.cell import STATE_PERIOD_NS, VirtualCell
from bc_controllers import Ack, ModeChange
from bc_core.chunks import ActionChunk
from bc_core.grid import NANOSECONDS, Grid
from bc_nodes.convert import chunk_to_msg
from bc_sim import messages
from bc_sim.camera import IMAGE_TOPIC, OffscreenCamera, camera_topics
from bc_sim.schedule import Schedule
from bc_sim.simulation import PERIOD_NS

JOINTS_PERIOD_NS = NANOSECONDS // 200

Listener = Callable[[str, int, Any], None]
"""Takes a topic (docs/protocol.md, "Names"), the time [ns] and the message."""


class VirtualStreams:
    """Tells its listeners every message; pictures where there is a camera, at its rate, rendered as they are due.

    At a tick the samples of this very time come first for whoever calls `catch_up` before it looks.
    """

    def __init__(self, cell: VirtualCell, grid: Grid, camera: OffscreenCamera | None = None) -> None:
        self.listeners: list[Listener] = []
        self._cell, self._grid, self._camera = cell, grid, camera
        self._camera_data = cell.simulation.new_data()
        self._pictures = Schedule({IMAGE_TOPIC: cell.simulation.task_config.camera.rate}, PERIOD_NS)
        self._names = [*cell.simulation.robot.arm, cell.simulation.robot.gripper]
        self._last_ns = self._pictured_ns = cell.now_ns
        cell.on_mode.append(self._on_mode)
        cell.on_ack.append(self._on_ack)
        cell.on_chunk.append(self._on_chunk)
        cell.every(JOINTS_PERIOD_NS, self.catch_up)
        if camera is not None:
            cell.at(self._pictures.next(cell.now_ns), self._send_pictures)
        observed = ("joint_states", "controller/state", "object/odometry")
        topics = camera_topics(cell.simulation.task_config.camera) if camera is not None else ()
        self.observed = frozenset((*observed, *topics))
        """Topics of observations that it tells."""

    def catch_up(self, time_ns: int) -> None:
        """Send what is due at the cell's present time and has not been sent."""
        if time_ns == self._last_ns:
            return
        self._last_ns = time_ns
        self._send_picture(time_ns)
        simulation = self._cell.simulation
        for sample in simulation.plant.samples():
            self._send("joint_states", time_ns, messages.joint_state(sample, self._names))
        if time_ns % STATE_PERIOD_NS == 0:
            self._send_scene(time_ns)
        if time_ns % self._grid.dt_ns == 0:
            self._send_task(time_ns)

    def announce(self) -> None:
        """What a recorder that begins now must know: the mode, and the scene as it is."""
        time_ns, state = self._cell.now_ns, self._cell.simulation.controller.state()
        self._send("controller/mode", time_ns, messages.initial_mode(state, time_ns))
        self._send_scene(time_ns)
        self._send_task(time_ns)

    def _send_pictures(self, time_ns: int) -> None:
        self._send_picture(time_ns)
        self._cell.at(self._pictures.next(time_ns), self._send_pictures)

    def _send_picture(self, time_ns: int) -> None:
        """What is due and has not been sent, which comes first of all that has one stamp (bc_sim.runners.LockStep)."""
        if self._camera is None or not self._pictures.due(self._pictured_ns, time_ns):
            return
        self._pictured_ns = time_ns
        simulation = self._cell.simulation
        stamp_ns = simulation.read(self._camera_data)
        config = simulation.task_config.camera
        for topic, image in messages.camera_images(self._camera, self._camera_data, config, stamp_ns):
            self._send(topic, time_ns, image)

    def _send_scene(self, time_ns: int) -> None:
        simulation = self._cell.simulation
        robot, state = simulation.robot, simulation.controller.state()
        self._send("controller/state", time_ns, messages.controller_state(state, list(robot.arm), robot.base_frame))
        self._send("object/odometry", time_ns, messages.odometry(simulation.object_state(), robot.base_frame))

    def _send_task(self, time_ns: int) -> None:
        simulation = self._cell.simulation
        start = simulation.task.start
        assert start is not None
        name = simulation.task_config.task
        message = messages.task_state(
            simulation.outcome(), name, start.seed, self._grid.time(self._grid.floor(time_ns))
        )
        self._send("task/state", time_ns, message)

    def _on_mode(self, change: ModeChange) -> None:
        self._send("controller/mode", self._cell.now_ns, messages.control_mode(change))

    def _on_ack(self, ack: Ack) -> None:
        self._send("controller/ack", self._cell.now_ns, messages.chunk_ack(ack))

    def _on_chunk(self, source: str, chunk: ActionChunk) -> None:
        self._send(f"command/{source}", self._cell.now_ns, chunk_to_msg(chunk))

    def _send(self, topic: str, time_ns: int, message: Any) -> None:
        for listener in self.listeners:
            listener(topic, time_ns, message)
