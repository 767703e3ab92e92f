"""What the camera sees in scenes of every look, for the page."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from matplotlib.image import imsave

from bc_bringup import resources
from bc_bringup.commands.common import Setup
from bc_controllers import load_robot
from bc_sim.camera import OffscreenCamera
from bc_sim.simulation import Simulation
from bc_sim.task_config import load_task
from benchmarks.encoders.plan import JUDGED, LOOKS, TASK

SCENES, AFTER, LARGER = 6, 1600, 2  # after so many periods of 1 ms; pixels of a pixel


def draw_looks(path: Path) -> None:
    """A row for every look, the same scenes in each."""
    robot, task = (
        load_robot(resources.config_path("robot", Setup.robot)),
        load_task(resources.config_path("task", TASK)),
    )
    rows = []
    for look in LOOKS.values():
        simulation = Simulation(robot, replace(task, appearance=look), JUDGED)
        data, row = simulation.new_data(), []
        with OffscreenCamera(simulation.scene.model, task.camera) as camera:
            for seed in range(JUDGED, JUDGED + SCENES):
                simulation.reset(seed)
                simulation.plant.advance(AFTER)
                simulation.read(data)
                row.append(camera.render(data).copy())
        rows.append(np.concatenate(row, axis=1))
    imsave(path, np.concatenate(rows).repeat(LARGER, 0).repeat(LARGER, 1))
