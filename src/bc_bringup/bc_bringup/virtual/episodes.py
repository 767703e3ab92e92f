"""Whole episodes in a VirtualCell: a device, and where there is one a policy, until the task is decided."""

from dataclasses import dataclass, replace

from bc_bringup.virtual.cell import VirtualCell, observe
from bc_bringup.virtual.sources import HandSource, PolicySource
from bc_core.contract import Contract
from bc_msgs.msg import ControlMode
from bc_msgs.srv import ChangeMode
from bc_sim.task import TaskOutcome
from bc_teleop.command import Button, Device, Observation
from bc_teleop.session import TeleopSession

HAND_ID = 100
REQUESTS = {
    Button.RESUME: ChangeMode.Request.RESUME,
    Button.STOP: ChangeMode.Request.STOP,
    Button.RESET: ChangeMode.Request.RESET,
}


@dataclass
class VirtualEpisodes:
    """The robot's task with a hand at every tick; `policy` drives where the caller resumes it."""

    cell: VirtualCell
    contract: Contract
    hand: HandSource
    outcome: TaskOutcome
    seed: int = 0

    def play(self, seed: int, resume: bool) -> TaskOutcome:
        """One episode, from reset to the tick after it is decided. resume: the policy begins."""
        self.reset(seed)
        return self.run(resume)

    def reset(self, seed: int) -> None:
        """The scene of a seed, at a tick; the robot is in HOLD."""
        cell = self.cell
        self.seed = seed
        cell.run_until(self.contract.grid.time(self.contract.grid.ceil(cell.now_ns + 1)))
        cell.reset(seed)
        self.outcome = cell.simulation.outcome()

    def run(self, resume: bool) -> TaskOutcome:
        """From the reset to the tick after the task is decided. resume: the policy begins."""
        cell, dt_ns = self.cell, self.contract.grid.dt_ns
        if resume:
            cell.request(ChangeMode.Request.RESUME, "episode begins")
        while not self.outcome.finished:
            cell.run_until(cell.now_ns - cell.now_ns % dt_ns + dt_ns)
            change = cell.modes[-1] if cell.modes else None
            if resume and change is not None and change.mode == ControlMode.HOLD and change.reason == "starved":
                cell.request(ChangeMode.Request.RESUME, "after starvation")
        cell.run_for(0.1)
        if cell.mode == ControlMode.POLICY:
            cell.request(ChangeMode.Request.HOLD, "episode ended")
        return self.outcome

    def _see(self, now_ns: int) -> Observation:
        self.outcome = self.cell.simulation.outcome()
        held = self.cell.mode == ControlMode.HOLD
        return replace(observe(self.cell, now_ns, self.seed, self.outcome), held=held)

    def _press(self, now_ns: int) -> None:
        for button in self.hand.last.pressed & REQUESTS.keys():
            self.cell.request(REQUESTS[button])


def make_episodes(
    cell: VirtualCell, contract: Contract, device: Device, session: TeleopSession, policy: PolicySource | None = None
) -> VirtualEpisodes:
    """Put a hand beside a policy (it must have been made on this cell, or be None). The hand looks once a tick."""
    episodes: VirtualEpisodes
    hand = HandSource(
        cell, device, session, HAND_ID, lambda now_ns: episodes._see(now_ns), period_ns=contract.grid.dt_ns
    )
    episodes = VirtualEpisodes(cell, contract, hand, cell.simulation.outcome())
    cell.every(contract.grid.dt_ns, episodes._press)
    return episodes
