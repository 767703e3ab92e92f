"""MuJoCo's viewer on the running simulation."""

import os
import sys

import mujoco
import mujoco.viewer

from bc_core.errors import BcError
from bc_sim.simulation import Simulation
from bc_sim.worker import Worker

_PERIOD = 1.0 / 30.0


def viewer_worker(simulation: Simulation) -> Worker:
    """A thread that shows the newest state at 30 Hz until its window is closed. BcError where there is no display."""
    if sys.platform == "linux" and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        raise BcError("viewer:=true needs a display, but neither DISPLAY nor WAYLAND_DISPLAY is set: use viewer:=false")

    def show(worker: Worker) -> None:
        model, data = simulation.scene.model, simulation.new_data()
        simulation.read(data)
        with mujoco.viewer.launch_passive(model, data, show_left_ui=False, show_right_ui=False) as window:
            worker.ready()
            while window.is_running() and not worker.stopping.wait(_PERIOD):
                with window.lock():
                    simulation.read(data)
                    mujoco.mj_forward(model, data)
                window.sync()

    return Worker("viewer", show)
