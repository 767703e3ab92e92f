"""The native loop that advances MuJoCo and the controller together. Holds no GIL; times in ns, SI units."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from bc_controllers import Controller

Array = npt.NDArray[np.float64]

class Sample:
    """One period's measurement, taken together: at its beginning, before the physics step."""

    now_ns: int  # ROS time
    period: int  # periods done before
    simulation_time: float  # mjData.time
    position: Array  # arm, in the controller's joint order
    velocity: Array
    torque: Array  # commanded in this period
    gripper: float  # opening
    gripper_velocity: float

class PlantStatus:
    """Times of the loop since the start or reset_statistics(); the fields of bc_msgs/ControllerStatus."""

    rate_hz: float
    realtime_factor: float
    periods: int
    late_over_1ms: int
    late_p50_us: float
    late_p99_us: float
    late_max_us: float
    update_p50_us: float
    update_p99_us: float
    update_max_us: float
    skipped_periods: int  # given up after a stall of more than 0.1 s
    samples_lost: int  # not fetched in time
    physics_warnings: int  # states MuJoCo found unstable and reset: the simulation is worth nothing after one
    scheduling: str  # "fifo 80, memory locked" or why not

class Plant:
    """MuJoCo model + controller, one control period = an integral number of physics steps.

    model_address, data_address: MjModel._address, MjData._address; the caller keeps both alive (keep references!).
    arm_*: names in the controller's joint order; torque motors with gear 1. finger_*: the opening is the sum of the
    finger joints' positions; every finger actuator (position servo) gets opening reference / number of fingers.
    Other actuators' ctrl is left as it is in the data. ValueError for names not in the model, a period that is no
    multiple of the time step, or other joint counts than the controller's.

    Two ways to run, never both at once (RuntimeError):
    lock step: advance(n) runs n periods on the caller's thread with the GIL released; between calls the caller may
      read and change the data as it likes. now_ns starts at `start_ns` and counts periods.
    real time: start() launches a 1 kHz thread on absolute deadlines; ROS time = system clock of the deadline. The
      data then belong to the thread: look through read(), change through write().
    """

    def __init__(
        self,
        controller: Controller,
        model_address: int,
        data_address: int,
        *,
        arm_joints: Sequence[str],
        arm_actuators: Sequence[str],
        finger_joints: Sequence[str],
        finger_actuators: Sequence[str],
        period_ns: int = 1_000_000,
        start_ns: int = 1_000_000_000,
    ) -> None: ...
    def advance(self, periods: int) -> int:
        """Run periods in lock step; returns now_ns after them: the time of the next period's measurement."""

    @property
    def now_ns(self) -> int:
        """ROS time of the next period (lock step) or of the last one (real time)."""

    def start(self, priority: int = 80, lock_memory: bool = True) -> None:
        """Start the real-time thread: SCHED_FIFO and locked memory where permitted, else as it is (see status)."""

    def stop(self) -> None:
        """End the thread after its current period (no effect when none runs)."""

    @property
    def running(self) -> bool: ...
    def sample(self) -> Sample:
        """The newest measurement: that of the last period run; before the first one, of the data as they are."""

    def samples(self) -> list[Sample]:
        """All since the last call, oldest first, one at each multiple of 5 ms (200 Hz).

        512 are kept; what comes after them is lost until they are fetched (counted in the status).
        """

    def read(self, data_address: int) -> Sample:
        """Copy the whole physics state (mjSTATE_INTEGRATION) that belongs to sample() into another mjData of the model.

        Never blocks the loop. The caller runs mj_forward on it for poses and contacts. Returns the sample of its time.
        """

    def write(self, data_address: int, reason: str = "scene reset") -> None:
        """Replace the physics state with that of another mjData before the next period, and relocate the controller.

        In real time returns when it is done (RuntimeError when the loop does not do so within 1 s); in lock step the
        data change at once, the controller in its next period.
        """

    def copy_from(self, other: Plant) -> None:
        """Fork: physics, controller and time become those of another plant of the same robot, task and period.

        From here on both do the same to the bit, given the same commands. What this one's controller has answered and
        nobody fetched is dropped. RuntimeError while either's thread runs, ValueError for another model.
        """

    def status(self) -> PlantStatus: ...
    def reset_statistics(self) -> None: ...

class TimerLateness:
    """Times of a thread that wakes up every millisecond and does nothing."""

    periods: int
    late_over_1ms: int  # periods that began more than 1 ms late
    late_p99_us: float
    late_max_us: float
    scheduling: str  # "fifo 80" or why not

def timer_lateness(seconds: float, priority: int = 80) -> TimerLateness:
    """How late a thread of the control loop's priority is on this machine though it has nothing to do.

    No control loop here can be more punctual. Blocks for `seconds`.
    """
