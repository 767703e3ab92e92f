"""How simulated time passes: in lock step with participants, or with the system clock."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from rclpy.clock import Clock
from rclpy.clock_type import ClockType
from rclpy.node import Node
from rclpy.timer import Timer

from bc_core.grid import NANOSECONDS, Grid
from bc_sim.barrier import TickBarrier
from bc_sim.camera import OffscreenCamera
from bc_sim.publications import Publications
from bc_sim.schedule import Schedule
from bc_sim.simulation import PERIOD_NS, Simulation
from bc_sim.worker import Worker

_REPEAT = 0.2  # [s] of waiting at a tick after which what may have been missed is sent once more
_COMPLAIN = 5.0  # [s] of waiting at a tick between two warnings
_TICK_TIME = 10.0  # [s] within which a tick must be reached
_CHECK_PERIOD = 0.1  # [s] after which the failure of a thread is seen
_SHORTEST_SLEEP = 0.0005  # [s]


class LockStep:
    """Simulated time, as fast as the machine allows: a thread advances from one publication to the next, and waits at
    every tick for the barrier. At a tick the period of the tick has been run: time stands one period behind it.
    """

    def __init__(
        self,
        node: Node,
        simulation: Simulation,
        publications: Publications,
        grid: Grid,
        barrier: TickBarrier,
        camera: bool,
    ) -> None:
        self._node, self._simulation, self._publications = node, simulation, publications
        self._grid, self._barrier = grid, barrier
        self._camera = simulation.task_config.camera if camera else None
        self._condition = threading.Condition()  # held while time passes
        self._entering = 0  # threads about to take the condition
        self._wanted_at_tick = 0  # of these, who need time to stand at a tick
        self._at_tick = False
        self._worker = Worker("lock step", self._run)
        self._timer: Timer | None = None

    def start(self) -> None:
        """BcError when there is no camera to be had."""
        self._worker.start()
        self._timer = self._node.create_timer(_CHECK_PERIOD, self._worker.check, clock=_steady())

    def stop(self) -> None:
        """Also after a start that failed."""
        if self._timer is not None:
            self._node.destroy_timer(self._timer)
        self._worker.stopping.set()
        with self._condition:
            self._condition.notify_all()
        self._worker.stop()

    def unheard(self) -> list[str]:
        """Participants of lock step that have said nothing yet: until they do, everything is sent again and again."""
        return self._barrier.unheard

    @contextmanager
    def paused(self, at_tick: bool = False) -> Iterator[None]:
        """Time does not pass inside; at_tick: it stands at a tick. The barrier is looked at anew afterwards."""
        self._entering += 1  # the thread must step back: a Python lock is not fair
        with self._condition:
            self._entering -= 1
            if at_tick:
                self._wanted_at_tick += 1
                arrived = self._condition.wait_for(lambda: self._at_tick, _TICK_TIME)
                self._wanted_at_tick -= 1
                if not arrived:
                    self._worker.check()
                    raise RuntimeError(f"lock step: no tick was reached within {_TICK_TIME} s")
            yield
            self._condition.notify_all()

    def _run(self, worker: Worker) -> None:
        model = self._simulation.scene.model
        with OffscreenCamera(model, self._camera) if self._camera else nullcontext() as camera:
            worker.ready()
            frames = Schedule({"camera": self._camera.rate}, PERIOD_NS) if self._camera else None
            last = self._simulation.plant.now_ns - PERIOD_NS
            while not worker.stopping.is_set():
                with self._condition:
                    self._condition.wait_for(lambda: not self._entering or worker.stopping.is_set())
                    event = self._publications.schedule.next(last)
                    event = min(event, frames.next(last)) if frames else event
                    self._advance_past(event)
                    if camera is not None and frames is not None and frames.due(last, event):
                        self._publications.publish_image(camera)
                    self._publications.publish(last, event)
                    last = event
                    if event % self._grid.dt_ns == 0:
                        self._wait(worker, event)

    def _advance_past(self, time_ns: int) -> None:
        """Run the periods up to that of a time, this one included: what it measured can be published."""
        periods = (time_ns + PERIOD_NS - self._simulation.plant.now_ns) // PERIOD_NS
        if periods > 0:  # a mode request may have run it
            self._simulation.plant.advance(periods)

    def _wait(self, worker: Worker, tick_ns: int) -> None:
        """Until the barrier opens at a tick; the condition is held on entry and free while waiting."""
        complain = time.monotonic() + _COMPLAIN
        self._at_tick = True
        self._condition.notify_all()
        while not worker.stopping.is_set():
            missing = self._barrier.waiting_for(tick_ns)
            if not missing and not self._entering and not self._wanted_at_tick:
                break
            if self._condition.wait(_REPEAT):
                continue
            if not self._barrier.unheard:
                self._publications.publish_clock()  # consumers take the clock best-effort: it can be lost
            else:
                self._publications.repeat()
            if missing and time.monotonic() > complain:
                complain += _COMPLAIN
                self._node.get_logger().warning(
                    f"lock step: t = {tick_ns / NANOSECONDS:.3f} s waits for {', '.join(missing)}"
                )
        self._at_tick = False


class RealTime:
    """System time: the plant's own thread runs at 1 kHz; one thread publishes what it left, another one renders.

    Publishing is no timer of the node: an rclpy executor spends more on waking up than all the publishing costs.
    """

    def __init__(self, node: Node, simulation: Simulation, publications: Publications, camera: bool) -> None:
        self._node, self._simulation, self._publications = node, simulation, publications
        self._lock = threading.Lock()  # held while something is published
        self._workers = [Worker("publishing", self._publish)]
        if camera:
            self._workers.append(Worker("camera", self._render))
        self._timer: Timer | None = None

    def start(self) -> None:
        """BcError when there is no camera to be had."""
        self._simulation.start()
        for worker in self._workers:
            worker.start()
        self._timer = self._node.create_timer(_CHECK_PERIOD, self._check, clock=_steady())

    def stop(self) -> None:
        """Also after a start that failed half way."""
        if self._timer is not None:
            self._node.destroy_timer(self._timer)
        for worker in self._workers:
            worker.stop()
        self._simulation.plant.stop()

    def unheard(self) -> list[str]:
        """Nobody: real time waits for no participant."""
        return []

    @contextmanager
    def paused(self, at_tick: bool = False) -> Iterator[None]:
        """Nothing is published meanwhile; real time itself does not pause."""
        with self._lock:
            yield

    def _check(self) -> None:
        for worker in self._workers:
            worker.check()

    def _publish(self, worker: Worker) -> None:
        last = self._simulation.plant.now_ns
        worker.ready()
        while not worker.stopping.wait(_seconds_to(self._publications.schedule.next(last))):
            with self._lock:
                now = self._simulation.plant.now_ns
                self._publications.publish(last, now)
            last = now

    def _render(self, worker: Worker) -> None:
        config = self._simulation.task_config.camera
        schedule = Schedule({"camera": config.rate}, PERIOD_NS)
        with OffscreenCamera(self._simulation.scene.model, config) as camera:
            worker.ready()
            last = self._simulation.plant.now_ns
            while not worker.stopping.wait(_seconds_to(schedule.next(last))):
                now = self._simulation.plant.now_ns
                if schedule.due(last, now):
                    self._publications.publish_image(camera)
                last = now


def _seconds_to(time_ns: int) -> float:
    """From now until the middle of the period of a time: it has been run, and the next has not.

    What is read then is stamped with that very time, so with a tick's where there is one. Never so short that a late
    control loop makes this one spin.
    """
    return max((time_ns + PERIOD_NS // 2 - time.time_ns()) / NANOSECONDS, _SHORTEST_SLEEP)


def _steady() -> Clock:
    return Clock(clock_type=ClockType.STEADY_TIME)
