"""What the robot did in an episode: how far from its reference, how smoothly, how hard the hand touched."""

from dataclasses import dataclass

import mujoco
import numpy as np
from scipy.signal import butter, sosfiltfilt
from scipy.spatial.transform import Rotation

from bc_bringup.virtual.cell import VirtualCell
from bc_core.chunks import Array
from bc_core.grid import NANOSECONDS
from bc_msgs.msg import ControlMode

RATE = 200  # samples a second
CUTOFF = 20.0  # [Hz] of the low-pass (Butterworth, 4th order, forth and back) before the tool's path is derived
FORCE_WINDOW = 5  # samples: peaks of single ones hang on the simulator's contact model
DRIVEN = (ControlMode.HUMAN, ControlMode.POLICY)


@dataclass(frozen=True)
class Motion:
    """Of the time in which somebody commands.

    joints [rad], tool [m], turn [rad]: root mean square of reference less measured; joints: over joints, too.
    smoothness: log dimensionless jerk of the tool, the higher the smoother. force [N]: the largest net contact force on
    the hand (in which what both fingers press on the cube cancels out), mean over FORCE_WINDOW. seconds: how long.
    """

    joints: float
    tool: float
    turn: float
    smoothness: float
    force: float
    seconds: float


class Probe:
    """Looks at a cell RATE times a second."""

    def __init__(self, cell: VirtualCell) -> None:
        self._cell, self._data = cell, cell.simulation.new_data()
        self._model = cell.simulation.scene.model
        self._hand = self._model.geom_contype == 1  # bc_sim.scene: the robot's geoms, which do not touch one another
        self._rows: list[tuple[Array, Array, Array, Array]] = []
        self._forces: list[Array] = []
        cell.every(NANOSECONDS // RATE, self._look)

    def begin(self) -> None:
        """Forget what was seen."""
        self._rows, self._forces = [], []

    def motion(self) -> Motion | None:
        """Since `begin`; None: nobody commanded for long enough to say anything."""
        if len(self._rows) < RATE // 2:
            return None
        wanted, measured, wanted_tool, tool = (np.array(column) for column in zip(*self._rows, strict=True))
        turned = Rotation.from_quat(wanted_tool[:, 3:]) * Rotation.from_quat(tool[:, 3:]).inv()
        return Motion(
            joints=_rms(wanted - measured),
            tool=_rms(np.linalg.norm(wanted_tool[:, :3] - tool[:, :3], axis=1)),
            turn=_rms(turned.magnitude()),
            smoothness=smoothness(tool[:, :3], RATE),
            force=float(np.linalg.norm(_windowed(np.array(self._forces)), axis=1).max()),
            seconds=len(self._rows) / RATE,
        )

    def _look(self, _: int) -> None:
        state = self._cell.simulation.controller.state()
        if state.mode not in DRIVEN:
            return
        self._rows.append((state.position_reference, state.position, state.tcp_reference, state.tcp))
        self._forces.append(self._contact_force())

    def _contact_force(self) -> Array:
        """On the hand, shape (3,) [N]."""
        data, total, force = self._data, np.zeros(3), np.zeros(6)
        self._cell.simulation.read(data)
        mujoco.mj_forward(self._model, data)
        for index, (first, second) in enumerate(data.contact.geom[: data.ncon]):
            if self._hand[first] == self._hand[second]:
                continue
            mujoco.mj_contactForce(self._model, data, index, force)
            along = data.contact.frame[index].reshape(3, 3).T @ force[:3]
            total += along if self._hand[second] else -along
        return total


def smoothness(path: Array, rate: float) -> float:
    """Log dimensionless jerk of a path (T, 3) sampled `rate` times a second: -ln(duration^3 / top speed^2 times the
    integral of the squared jerk) (Balasubramanian, Melendez-Calderon, Roby-Brami and Burdet, J NeuroEng Rehabil 12:112,
    2015, LDLJ-V), after the low-pass of CUTOFF.
    """
    smooth = sosfiltfilt(butter(4, CUTOFF, fs=rate, output="sos"), path, axis=0)
    velocity = np.gradient(smooth, 1.0 / rate, axis=0)
    jerk = np.gradient(np.gradient(velocity, 1.0 / rate, axis=0), 1.0 / rate, axis=0)
    top = np.linalg.norm(velocity, axis=1).max()
    duration, integral = len(path) / rate, float((jerk**2).sum()) / rate
    return float(-np.log(duration**3 / top**2 * integral))


def _windowed(values: Array) -> Array:
    """Means over FORCE_WINDOW successive rows of (T, 3)."""
    return np.lib.stride_tricks.sliding_window_view(values, FORCE_WINDOW, axis=0).mean(axis=-1)


def _rms(values: Array) -> float:
    return float(np.sqrt(np.mean(values**2)))
