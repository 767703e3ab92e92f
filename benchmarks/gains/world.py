"""The cell of the study under a preset: an expert who demonstrates in it, and a policy that drives."""

import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from bc_bringup import resources
from bc_bringup.virtual.cell import VirtualCell
from bc_bringup.virtual.episodes import HAND_ID, make_episodes
from bc_bringup.virtual.recorder import VirtualRecorder
from bc_bringup.virtual.streams import VirtualStreams
from bc_bringup.virtual.trials import VirtualTask
from bc_core.policies.base import Policy
from bc_sim.simulation import Simulation
from bc_teleop.build import make_session
from bc_teleop.devices.scripted import ScriptedDevice, conveyor_pick_maker
from bc_teleop.settings import load_settings
from benchmarks.gains.motion import Motion, Probe

PRESETS = ("CO", "SO", "CU", "SU")
ROBOT, CONTRACT, HAND = "panda", "panda_conveyor", "scripted"


@dataclass(frozen=True)
class Episode:
    """One that is over. motion: None where nobody commanded."""

    seed: int
    solved: bool
    seconds: float
    motion: Motion | None


def under(preset: str, task: str) -> VirtualTask:
    """The cell whose controller starts with a preset."""
    found = VirtualTask.named(ROBOT, CONTRACT, task)
    found.robot.controller.settings.preset = preset
    return found


def demonstrate(preset: str, task: str, seeds: Iterable[int], wanted: int, folder: Path) -> list[Episode]:
    """The scripted expert in the scenes of these seeds, one by one until `wanted` are solved; each a bag in `folder`,
    whose former content goes. ValueError: there are too few scenes for that.

    The hand is that of `bcros collect`: it sees the tool where it is, and moves the reference.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    place = under(preset, task)
    cell = VirtualCell(Simulation(place.robot, place.task, 0))
    streams = VirtualStreams(cell, place.contract.grid)
    recorder = VirtualRecorder(streams, place.contract, operator=HAND)
    settings = load_settings(resources.config_path("teleop", HAND), HAND)
    device = ScriptedDevice(
        {place.task.task: conveyor_pick_maker(settings.conveyor_pick)}, seed=0, await_recording=False
    )
    session = make_session(place.robot, place.contract, settings, HAND, HAND_ID, lead=0.0)
    episodes, probe = make_episodes(cell, place.contract, device, session), Probe(cell)
    found: list[Episode] = []
    for seed in seeds:
        episodes.reset(seed)
        probe.begin()
        with recorder.episode(folder, cell.now_ns, place.task.task, seed, {"preset": preset}) as writer:
            outcome = episodes.run(resume=False)
            writer.close("success" if outcome.success else "failure", outcome.detail, cell.now_ns)
        found.append(Episode(seed, outcome.success, outcome.elapsed, probe.motion()))
        if sum(episode.solved for episode in found) == wanted:
            return found
    solved = sum(episode.solved for episode in found)
    raise ValueError(
        f"the expert under {preset} solved {solved} of {len(found)} scenes of {task}, {wanted} were wanted"
    )


def drive(preset: str, task: str, policy: Policy, seeds: Iterable[int]) -> Iterator[Episode]:
    """The policy alone, without latency, in the scenes of these seeds."""
    with under(preset, task).stage(policy) as stage:
        probe = Probe(stage.episodes.cell)
        for seed in seeds:
            stage.reset(seed)
            probe.begin()
            outcome = stage.episodes.run(resume=True)
            yield Episode(seed, outcome.success, outcome.elapsed, probe.motion())
