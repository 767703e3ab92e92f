"""An expert that can be asked: rolled H steps in a simulation of its own, so that the answer is a chunk.

DAgger (Ross, Gordon and Bagnell, AISTATS 2011) labels the states that the student visits with what the expert would do
there. Put the expert's simulation where the student stands (`Simulation.copy_from`, or from a bag:
bc_bringup.virtual.restore), then ask.
"""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from bc_bringup.virtual.cell import VirtualCell, observe
from bc_bringup.virtual.sources import HandSource
from bc_controllers import Robot
from bc_core.chunks import Array
from bc_core.contract import Contract
from bc_core.errors import BcError
from bc_sim.simulation import Simulation
from bc_sim.task_config import TaskConfig
from bc_teleop.build import make_session
from bc_teleop.command import Device, DeviceCommand, Observation
from bc_teleop.devices.conveyor_join import ConveyorPickJoin
from bc_teleop.devices.conveyor_pick import ConveyorPickExpert
from bc_teleop.ik import DifferentialIk
from bc_teleop.settings import Settings

EXPERT_ID = 2**32 + 1  # producer id, of no node


@dataclass(frozen=True)
class Answer:
    """rows (H, D): the command of the tick at which it was asked, and of those that follow. valid (H,): it drove; after
    it has let go its last row is repeated. success: the task was solved by then.
    """

    rows: Array
    valid: npt.NDArray[np.bool_]
    success: bool


class SimulatedExpert:
    """The scripted expert of a task, without tremor and without a way of its own: a function of the state.

    settings: of the device `scripted`. simulation: where it is asked; put it at a tick. BcError: no such task.
    """

    NAME = "scripted"

    def __init__(self, robot: Robot, contract: Contract, task: TaskConfig, settings: Settings) -> None:
        if task.task != "conveyor_pick":
            raise BcError(f"no expert can be asked about task '{task.task}': there is one for conveyor_pick")
        self.simulation = Simulation(robot, task, seed=0)
        self._contract = contract
        self._config = replace(
            settings.conveyor_pick, reaction_time=0.0, reaction_spread=0.0, linear_tremor=0.0, angular_tremor=0.0
        )
        self._join = ConveyorPickJoin(self._config, task.ride_height)
        self._session = make_session(robot, contract, settings, "expert", EXPERT_ID, lead=0.0)
        self._ik = DifferentialIk(robot.urdf, robot.arm, robot.tcp, np.array(robot.home))

    def ask(self, horizon: int) -> Answer | None:
        """Take over where the simulation stands and drive for `horizon` ticks. None: there is nothing left to do.

        BcError: the controller refuses the takeover.
        """
        cell, dt_ns = VirtualCell(self.simulation), self._contract.grid.dt_ns
        start = self.simulation.task.start
        if cell.now_ns % dt_ns or start is None:
            raise ValueError(f"the expert is asked at {cell.now_ns} ns, which is no tick of {dt_ns} ns")
        self._session.step(cell.now_ns, DeviceCommand(), None)  # forgets what was sent in another fork
        device: Device = ConveyorPickExpert(self._config, np.random.default_rng(0), self._join)
        hand = HandSource(
            cell, device, self._session, EXPERT_ID, lambda _: self._see(cell, start.seed), period_ns=dt_ns
        )
        rows = np.empty((horizon, self._contract.width))
        valid = np.zeros(horizon, dtype=np.bool_)
        for index in range(horizon):
            time_ns = cell.now_ns if index == 0 else cell.now_ns + dt_ns
            cell.run_until(time_ns)
            if self.simulation.outcome().finished or not hand.last.enabled:
                break
            if hand.told:
                raise BcError(f"the expert cannot take over at {time_ns} ns: {hand.told[-1]}")
            rows[index], valid[index] = hand.sent[-1].sample(time_ns), True
        if not valid[0]:
            return None
        rows[~valid] = rows[valid.sum() - 1]
        return Answer(rows, valid, self.simulation.outcome().success)

    def _see(self, cell: VirtualCell, seed: int) -> Observation:
        seen = observe(cell, cell.now_ns, seed, self.simulation.outcome())
        velocity, _ = self._ik.twist(np.asarray(cell.state.position), np.asarray(cell.state.velocity))
        return replace(seen, tcp_velocity=velocity)
