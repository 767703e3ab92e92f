"""A robot that a policy drives and hands take over, in virtual time and with physics."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import rclpy

from bc_bringup.virtual.cell import VirtualCell, observe
from bc_bringup.virtual.joystick import VirtualJoystick
from bc_bringup.virtual.operator import NODES, Operator, drifting_policy
from bc_bringup.virtual.sources import HandSource, PolicySource
from bc_controllers import Ack, Robot, load_robot
from bc_core.contract import Contract
from bc_core.cycle import Request, SchedulerConfig
from bc_core.delay import make_estimator
from bc_core.scheduler import Scheduler
from bc_core.strategies.registry import STRATEGIES
from bc_msgs.msg import ActionChunk, ChunkAck
from bc_msgs.srv import ChangeMode
from bc_nodes import qos
from bc_nodes.testing import domain_of_its_own
from bc_sim.simulation import Simulation
from bc_sim.task_config import load_task
from bc_teleop.build import make_session
from bc_teleop.devices.motion import quintic
from bc_teleop.settings import load_settings

Array = npt.NDArray[np.float64]
CONFIG = Path(__file__).parents[2] / "config"
HORIZON = 24
MS = 1_000_000
TRANSPORT = 0.003  # [s] from teleop_node to the controller
FIRST_HAND = 100  # producer ids


class WanderingPolicy:
    """Goes from where it is committed to smoothly towards a random pose, another one in every chunk."""

    def __init__(self, home: Array, rng: np.random.Generator, reach: float = 0.15) -> None:
        self._home, self._rng, self._reach = home, rng, reach

    def __call__(self, request: Request) -> Array:
        assert request.prefix is not None
        frozen, prefix = request.frozen, request.prefix
        last = prefix[frozen - 1]
        velocity = (last - prefix[frozen - 2]) / 0.05 if frozen > 1 else np.zeros_like(last)
        goal = np.append(self._home + self._rng.uniform(-self._reach, self._reach, 7), self._rng.uniform(0.02, 0.08))
        free = HORIZON - frozen
        path = quintic(0.05 * free, last, velocity, goal)
        return np.concatenate([prefix[:frozen], path(0.05 * np.arange(1, free + 1))])


class WanderingTool(WanderingPolicy):
    """The same with the pose of the tool, about where it stood."""

    def __call__(self, request: Request) -> Array:
        rows = super().__call__(request)
        turns = rows[request.frozen :, 3:7]
        turns /= np.linalg.norm(turns, axis=1, keepdims=True)
        return rows


@dataclass
class Rig:
    """cell: the robot. policy: through its scheduler. latency: of the next inferences [s], None: never answered."""

    robot: Robot
    cell: VirtualCell
    contract: Contract
    rng: np.random.Generator
    policy: PolicySource
    latency: Callable[[], float | None]
    hands: list[HandSource] = field(default_factory=list)
    joysticks: list[VirtualJoystick] = field(default_factory=list)

    def add_joystick(self) -> VirtualJoystick:
        """One more teleop_node with a joystick of its own, read at a phase of its own."""
        number = len(self.hands)
        producer_id = FIRST_HAND + number
        settings = load_settings(CONFIG / "teleop" / "joy.yaml", "joy")
        phase_ns = int(self.rng.integers(50)) * MS
        joystick = VirtualJoystick(self.cell, settings.joy, phase_ns)
        session = make_session(self.robot, self.contract, settings, f"teleop_{number}", producer_id, lead=0.02)
        hand = HandSource(
            self.cell, joystick.device, session, producer_id, lambda now: observe(self.cell, now, 0),
            phase_ns=phase_ns, transport=TRANSPORT,
        )  # fmt: skip
        joystick.hand = hand
        self.hands.append(hand)
        self.joysticks.append(joystick)
        self.cell.run_for(0.06)  # read once: the dead-man was seen released
        return joystick

    def resume(self) -> None:
        assert self.cell.request(ChangeMode.Request.RESUME)

    def policy_moves(self) -> None:
        """POLICY, with its first chunk in force and in motion."""
        self.resume()
        self.cell.run_for(0.6)
        assert self.cell.state.source == "policy"

    def human_acks(self, since: int = 0, in_force: bool = True) -> list[Ack]:
        verdict = ChunkAck.IN_FORCE if in_force else ChunkAck.REFUSED
        return [ack for ack in self.cell.acks[since:] if ack.source == "human" and ack.verdict == verdict]

    def limited(self) -> int:
        """Periods in which any limiter had something to do, since the start."""
        status = self.cell.simulation.controller.status()
        return int(status.torque_limited + status.torque_rate_limited + status.velocity_limited)

    def new_scene(self, seed: int) -> None:
        """Back to the start of the task: wherever hands have been, arm and belt are apart again."""
        self.cell.reset(seed)
        self.cell.run_for(0.1)


def make_rig(seed: int = 0, poses: bool = False) -> Rig:
    """A fresh robot at the start of its task, a policy with 150-250 ms of latency, and no hand yet.

    poses: the arm is commanded by the pose of its tool.
    """
    contract = Contract.load(CONFIG / "contracts" / f"panda_conveyor{'_pose' * poses}.yaml")
    robot = load_robot(CONFIG / "robots" / "panda.yaml", contract.groups)
    cell = VirtualCell(Simulation(robot, load_task(CONFIG / "tasks" / "conveyor_pick.yaml"), 0))
    rng = np.random.default_rng(seed)
    scheduler = Scheduler(
        SchedulerConfig(STRATEGIES["rtc"], HORIZON, s_min=5),
        contract.grid,
        make_estimator("quantile", 6, 20, 0.9),
        contract.groups,
    )
    rig: Rig
    wandering = WanderingTool(cell.state.tcp, rng, 0.1) if poses else WanderingPolicy(np.array(robot.home), rng)
    policy = PolicySource(cell, scheduler, contract.groups, wandering, lambda: rig.latency())
    rig = Rig(robot, cell, contract, rng, policy, lambda: float(rng.uniform(0.15, 0.25)))
    return rig


@contextmanager
def launched(
    folder: Path, launch: str, device: str, nodes: tuple[str, ...] = NODES, **given: str
) -> Iterator[Operator]:
    """A launch file with a policy that drifts, in a domain of its own. One at a time: a process has one rclpy.

    nodes: that the launch file starts; once they are active it begins. Without a chunk_scheduler there is no policy.
    given: further arguments of the launch file, as another checkpoint, or a folder of skills with their own.
    """
    rclpy.try_shutdown()  # a context that an earlier test left open would speak in another domain
    with domain_of_its_own():
        arguments = {"device": device, "directory": str(folder / "episodes"), **given}
        if "chunk_scheduler" in nodes and given.keys().isdisjoint(("checkpoint", "skills")):
            checkpoint = drifting_policy(
                CONFIG / "contracts" / "panda_conveyor.yaml", CONFIG / "policies" / "flow.yaml", folder / "checkpoint"
            )
            arguments["checkpoint"] = str(checkpoint)
        elif "chunk_scheduler" not in nodes:
            arguments["lockstep"] = "false"  # a hand needs real time
        rig = Operator(folder, launch, nodes, **arguments)
        try:
            rig.wait_until_active()
            yield rig
        finally:
            rig.close()
            rclpy.try_shutdown()


class FrozenRows:
    """How many rows of each policy chunk repeat what was in force; heard from now on."""

    def __init__(self, graph: Operator) -> None:
        self._graph = graph
        self._frozen: dict[int, int] = {}
        graph.node.create_subscription(ActionChunk, "command/policy", self._on_chunk, qos.RECORD)

    def _on_chunk(self, msg: ActionChunk) -> None:
        self._frozen[msg.sequence] = msg.frozen

    def check(self, ack: ChunkAck) -> None:
        """The chunk began where the robot stood, unless a busy machine brought it after these rows were over."""
        self._graph.until(lambda: ack.sequence in self._frozen)
        assert ack.raw_jump < 1e-6 or ack.row > self._frozen[ack.sequence] - 1
