"""Demonstrations in virtual time: the scripted expert drives as in the graph, and every episode is a bag.

The same device, session, chunks, arbiter and messages as `bcros collect` in lock step, without processes between them:
where many episodes are needed and the graph itself is not what is looked at.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from bc_bringup.virtual.cell import VirtualCell
from bc_bringup.virtual.episodes import HAND_ID, make_episodes
from bc_bringup.virtual.practice import Played, World
from bc_bringup.virtual.recorder import VirtualRecorder
from bc_bringup.virtual.streams import VirtualStreams
from bc_sim.camera import OffscreenCamera
from bc_sim.simulation import Simulation, check_contract
from bc_teleop.build import make_session
from bc_teleop.devices.scripted import ScriptedDevice, conveyor_pick_maker

OPERATOR = "scripted"


def demonstrate(
    world: World, directory: Path, seeds: Iterable[int], metadata: Mapping[str, Any], camera: bool
) -> Iterator[Played]:
    """An episode per seed, recorded in `directory`. camera: render and record it. BcError: files contradict each other,
    or nothing can be rendered here.
    """
    check_contract(world.contract, world.robot, world.task, camera)
    cell = VirtualCell(Simulation(world.robot, world.task, 0))
    with ExitStack() as stack:
        eye = None
        if camera:
            eye = stack.enter_context(OffscreenCamera(cell.simulation.scene.model, world.task.camera))
        streams = VirtualStreams(cell, world.contract.grid, eye)
        recorder = VirtualRecorder(streams, world.contract, OPERATOR)
        experts = {world.task.task: conveyor_pick_maker(world.hand.conveyor_pick)}
        session = make_session(world.robot, world.contract, world.hand, "teleop", HAND_ID, lead=0.0)
        episodes = make_episodes(cell, world.contract, ScriptedDevice(experts, 0, await_recording=False), session)
        for seed in seeds:
            episodes.reset(seed)
            with recorder.episode(directory, cell.now_ns, world.task.task, seed, metadata) as writer:
                task = episodes.run(resume=False)
                outcome = "success" if task.success else "failure"
                writer.close(outcome, task.detail, cell.now_ns)
            yield Played(seed, outcome, task.detail, task.elapsed)
