"""The simulated robot with a queue of events: everything happens at a stated nanosecond, as fast as the machine can.

The graph's nodes are shells around a core without ROS. Here the same cores meet without the shells, so that what
depends on timing (a button in the middle of an inference, a chunk that crosses a change of mode) can be repeated to the
period, thousands of times.
"""

import heapq
import itertools
from collections.abc import Callable

import numpy as np
from scipy.spatial.transform import Rotation

from bc_controllers import Ack, ControllerState, ModeChange
from bc_core.chunks import ActionChunk, ActionGroup, Array
from bc_core.grid import NANOSECONDS
from bc_msgs.msg import ControlMode
from bc_nodes.reference import reference_row
from bc_sim import messages
from bc_sim.simulation import PERIOD_NS, Simulation
from bc_sim.task import TaskOutcome
from bc_teleop.command import ObjectView, Observation, Pose, TaskView
from bc_teleop.session import Reference

STATE_PERIOD_NS = NANOSECONDS // 100  # of controller/state (docs/protocol.md, "Names")

Action = Callable[[int], None]


class VirtualCell:
    """A simulation in lock step whose clients act at times of their own.

    An action at time t runs when the control period at t has run, as a node does that hears the samples stamped t; what
    it sends arrives in the period after. Mode changes and acknowledgements are handed to `on_mode` and `on_ack` before
    the next action, chunks to `on_chunk` as they are sent.
    """

    def __init__(self, simulation: Simulation) -> None:
        self.simulation = simulation
        self.on_mode: list[Callable[[ModeChange], None]] = []
        self.on_ack: list[Callable[[Ack], None]] = []
        self.on_chunk: list[Callable[[str, ActionChunk], None]] = []
        self.acks: list[Ack] = []
        self.modes: list[ModeChange] = []
        self._queue: list[tuple[int, int, Action]] = []
        self._order = itertools.count()
        if simulation.plant.sample().period == 0:
            simulation.plant.advance(1)
        self.state: ControllerState = simulation.controller.state()
        self.every(STATE_PERIOD_NS, self._publish_state)

    @property
    def now_ns(self) -> int:
        """Time of the newest period that has run."""
        return int(self.simulation.plant.now_ns) - PERIOD_NS

    @property
    def mode(self) -> int:
        return self.simulation.controller.state().mode

    def at(self, time_ns: int, action: Action) -> None:
        """Run an action at a time, those of one time in the order in which they were asked for."""
        heapq.heappush(self._queue, (max(time_ns, self.now_ns), next(self._order), action))

    def every(self, period_ns: int, action: Action, phase_ns: int = 0) -> None:
        """Run an action at all multiples of a period plus a phase, from now on."""

        def again(time_ns: int) -> None:
            self.at(time_ns + period_ns, again)
            action(time_ns)

        first = -(-(self.now_ns - phase_ns) // period_ns) * period_ns + phase_ns
        self.at(first, again)

    def run_until(self, time_ns: int) -> None:
        """Let time pass up to the period of a time, this one included."""
        while self._queue and self._queue[0][0] <= time_ns:
            due, _, action = heapq.heappop(self._queue)
            self._advance_to(due)
            action(due)
        self._advance_to(time_ns)

    def run_for(self, seconds: float) -> None:
        self.run_until(self.now_ns + round(seconds * NANOSECONDS))

    def submit(self, source: str, chunk: ActionChunk) -> None:
        """Hand the controller a chunk; it arrives in the next period."""
        for hear in self.on_chunk:
            hear(source, chunk)
        self.simulation.controller.submit(source, chunk)

    def request(self, request: int, reason: str = "operator") -> bool:
        """Ask for a change of mode; was it granted?"""
        result = self.simulation.change_mode(request, reason)
        self._hear()
        return bool(result.success)

    def reset(self, seed: int) -> None:
        """Begin the task anew with the scene of a seed."""
        self.simulation.reset(seed)
        self._hear()
        self._publish_state(self.now_ns)

    def _advance_to(self, time_ns: int) -> None:
        periods = -(-(time_ns - self.now_ns) // PERIOD_NS)
        if periods > 0:
            self.simulation.plant.advance(periods)
        self._hear()

    def _hear(self) -> None:
        controller = self.simulation.controller
        for change in controller.poll_modes():
            self.modes.append(change)
            for hear_mode in self.on_mode:
                hear_mode(change)
        for ack in controller.poll_acks():
            self.acks.append(ack)
            for hear_ack in self.on_ack:
                hear_ack(ack)

    def _publish_state(self, time_ns: int) -> None:
        self.state = self.simulation.controller.state()


def observe(cell: VirtualCell, now_ns: int, seed: int, outcome: TaskOutcome | None = None) -> Observation:
    """What a hand sees: the newest state and, where the task is judged, the object and the task."""
    tcp = np.asarray(cell.state.tcp)
    thing = None if outcome is None else _object_view(cell.simulation)
    task = None
    if outcome is not None:
        name = cell.simulation.task_config.task
        task = TaskView(name, seed, outcome.elapsed, outcome.success, outcome.failure)
    pose = Pose(tcp[:3].copy(), Rotation.from_quat(tcp[3:]))
    joints = np.array(cell.state.position_reference)
    return Observation(now_ns, pose, cell.state.gripper_position, thing, task, recording=True, joints=joints)


def _object_view(simulation: Simulation) -> ObjectView:
    thing = simulation.object_state()
    turned = Rotation.from_quat(thing.orientation)
    return ObjectView(Pose(thing.position, turned), turned.apply(thing.linear))


def reference(cell: VirtualCell) -> Reference:
    """The controller's reference as of the newest state message; mode and epoch as of the newest mode message."""
    state = cell.state
    newest = cell.modes[-1] if cell.modes and cell.modes[-1].stamp_ns > state.stamp_ns else None
    mode = newest.mode if newest is not None else state.mode
    return Reference(
        stamp_ns=state.stamp_ns,
        joints=np.array(state.position_reference),
        velocity=np.array(state.velocity_reference),
        gripper=state.gripper_reference,
        mode_epoch=newest.epoch if newest is not None else state.mode_epoch,
        human=mode == ControlMode.HUMAN,
        stopped=mode == ControlMode.STOPPED,
    )


def commanded_row(cell: VirtualCell, groups: tuple[ActionGroup, ...]) -> Array:
    """The reference of the newest state message as a row of these groups, shape (D,). BcError: it has no such group."""
    robot = cell.simulation.robot
    return reference_row(messages.controller_state(cell.state, list(robot.arm), robot.base_frame), groups)
