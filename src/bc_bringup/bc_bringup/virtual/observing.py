"""What the simulated robot's topics would say, as samples for a policy's frames; without ROS messages on a wire."""

from collections.abc import Callable
from typing import Any

from bc_bringup.virtual.cell import STATE_PERIOD_NS, VirtualCell
from bc_controllers import ModeChange
from bc_core.contract import Contract
from bc_core.errors import BcError
from bc_core.fields import extract
from bc_core.frames import FrameAssembler
from bc_core.grid import NANOSECONDS
from bc_sim import messages

JOINT_PERIOD_NS = NANOSECONDS // 200  # of joint_states, as bc_sim publishes them


def watch(cell: VirtualCell, contract: Contract, assembler: FrameAssembler) -> None:
    """Feed an assembler from now on; after a change of mode no frame holds what was seen before.

    BcError: it wants a topic that is not simulated here, such as a camera.
    """
    simulation = cell.simulation
    names = [*simulation.robot.arm, contract.groups[-1].names[0]]
    base = simulation.robot.base_frame
    makers: dict[str, tuple[int, Callable[[], Any]]] = {
        "joint_states": (JOINT_PERIOD_NS, lambda: messages.joint_state(simulation.plant.sample(), names)),
        "controller/state": (
            STATE_PERIOD_NS,
            lambda: messages.controller_state(simulation.controller.state(), list(simulation.robot.arm), base),
        ),
        "object/odometry": (STATE_PERIOD_NS, lambda: messages.odometry(simulation.object_state(), base)),
    }
    for topic in dict.fromkeys(contract.observations[stream].topic for stream in assembler.streams):
        if topic not in makers:
            raise BcError(
                f"roll-outs in virtual time have no {topic}: choose the checkpoint by loss, or a policy without it"
            )
        streams = [stream for stream in assembler.streams if contract.observations[stream].topic == topic]
        period_ns, make = makers[topic]
        cell.every(period_ns, _sampler(contract, assembler, streams, make))

    def begin(change: ModeChange) -> None:
        assembler.begin(change.stamp_ns)

    cell.on_mode.append(begin)


def _sampler(
    contract: Contract, assembler: FrameAssembler, streams: list[str], make: Callable[[], Any]
) -> Callable[[int], None]:
    def sample(time_ns: int) -> None:
        message = make()
        for stream in streams:
            assembler.add(stream, time_ns, extract(contract.observations[stream], message))

    return sample
