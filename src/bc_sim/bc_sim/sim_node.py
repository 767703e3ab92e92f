"""Node `sim`: the robot when there is none. A ROS shell over bc_sim.simulation; docs/protocol.md has the names."""

import sys
import time
from functools import partial

from rclpy.experimental import EventsExecutor

from bc_controllers import load_robot
from bc_core.contract import Contract
from bc_core.errors import BcError
from bc_msgs.msg import ActionChunk, TickDone
from bc_msgs.srv import ChangeMode, ResetScene
from bc_nodes import qos
from bc_nodes.convert import to_ns, to_stamp
from bc_nodes.diagnostics import Diagnostics, Level
from bc_nodes.lifecycle import BcLifecycleNode
from bc_nodes.main import run_node
from bc_sim.barrier import TickBarrier
from bc_sim.publications import Publications
from bc_sim.runners import LockStep, RealTime
from bc_sim.simulation import Simulation, check_contract
from bc_sim.task_config import load_task
from bc_sim.viewer import viewer_worker
from bc_sim.worker import Worker

SOURCES = ("policy", "human", "planner")
LOCKSTEP_START_NS = 1_000_000_000  # never 0, which ROS takes for "no clock yet"


class SimNode(BcLifecycleNode):
    """Runs scene, controller and task in real time or in lock step, and answers for the robot."""

    def __init__(self) -> None:
        super().__init__("sim")
        self.parameter("robot", "", "path of the robot file (config/robots/*.yaml)")
        self.parameter("contract", "", "path of the contract (config/contracts/*.yaml)")
        self.parameter("task", "", "path of the task file (config/tasks/*.yaml)")
        self.parameter("lockstep", False, "simulated time: wait at every tick for the participants, publish /clock")
        self.parameter("participants", [""], "lock step: whom to wait for, by the name in their TickDone and chunks")
        self.parameter("viewer", False, "open MuJoCo's viewer (needs a display)")
        self.parameter("camera", True, "render and publish the camera")
        self.parameter("seed", 0, "seed of the first scene")
        self._runner: LockStep | RealTime | None = None
        self._viewer: Worker | None = None
        self.dropped_chunks = 0  # that came while the node was not active
        self._strangers: set[str] = set()
        self._diagnostics = Diagnostics(self)

    def configure(self) -> None:
        paths = {name: self.value(name) for name in ("robot", "contract", "task")}
        for name, path in paths.items():
            if not path:
                raise BcError(f"parameter '{name}' of node 'sim' is empty: give the path of a {name} file")
        lockstep, seed = self.value("lockstep"), self.value("seed")
        if seed < 0:
            raise BcError(f"parameter 'seed' of node 'sim' is {seed}: it must be 0 or above")
        contract, task = Contract.load(paths["contract"]), load_task(paths["task"])
        robot = load_robot(paths["robot"], contract.groups)
        check_contract(contract, robot, task, self.value("camera"))
        self._grid = contract.grid
        self._simulation = Simulation(robot, task, seed, LOCKSTEP_START_NS)
        self._publications = Publications(self, self._simulation, contract.grid, clock=lockstep)
        self._barrier = TickBarrier(name for name in self.value("participants") if name)
        for source in SOURCES:
            self.create_subscription(ActionChunk, f"command/{source}", partial(self._on_chunk, source), qos.COMMAND)
        self.create_subscription(TickDone, "sim/tick_done", self._on_tick_done, qos.EVENT)
        self.create_service(ChangeMode, "controller/change_mode", self._on_change_mode)
        self.create_service(ResetScene, "sim/reset", self._on_reset)

    def activate(self) -> None:
        simulation, publications, camera = self._simulation, self._publications, self.value("camera")
        if self.value("viewer"):
            self._viewer = viewer_worker(simulation)
        self._runner = runner = (
            LockStep(self, simulation, publications, self._grid, self._barrier, camera)
            if self.value("lockstep")
            else RealTime(self, simulation, publications, camera)
        )
        publications.announce(simulation.plant.now_ns if self.value("lockstep") else time.time_ns())
        runner.start()
        if self._viewer:
            self._viewer.start()
        self._diagnostics.report(Level.OK, f"control loop: {simulation.plant.status().scheduling}")

    def deactivate(self) -> None:
        if self._viewer:
            self._viewer.stop()
            self._viewer = None
        if self._runner:
            self._runner.stop()
            self._runner = None

    def close(self) -> None:
        self.deactivate()

    def _on_chunk(self, source: str, msg: ActionChunk) -> None:
        if self._runner is None:  # not kept: what was sent to an inactive robot must not move it later
            self.dropped_chunks += 1
            self.get_logger().warning(f"chunk {msg.sequence} of '{msg.producer}' dropped: the node is not active")
            return
        with self._runner.paused():
            self._simulation.controller.submit(source, msg)
            self._barrier.chunk_arrived(msg.producer, msg.sequence)

    def _on_tick_done(self, msg: TickDone) -> None:
        if self._runner is None:
            return
        with self._runner.paused():
            known = self._barrier.tick_done(msg.participant, to_ns(msg.header.stamp), msg.sequence)
        if not known and msg.participant not in self._strangers:
            self._strangers.add(msg.participant)
            self.get_logger().warning(
                f"TickDone from '{msg.participant}', who is not in parameter 'participants': nobody waits for it"
            )

    def _on_change_mode(self, request: ChangeMode.Request, response: ChangeMode.Response) -> ChangeMode.Response:
        if self._runner is None:
            response.success, response.message = False, "the simulation is not active: activate node 'sim' first"
            return response
        with self._runner.paused():
            result = self._simulation.change_mode(request.request, request.reason)
            self._publications.publish_events()  # now: who asked may hold the very tick at which time stands
        response.success, response.message = result.success, result.message
        response.mode, response.epoch = result.mode, result.epoch
        return response

    def _on_reset(self, request: ResetScene.Request, response: ResetScene.Response) -> ResetScene.Response:
        if self._runner is None:
            response.success, response.message = False, "the simulation is not active: activate node 'sim' first"
            return response
        if unheard := self._runner.unheard():  # what is sent again for them would come twice into a recording
            response.success, response.message = False, f"lock step has not heard of {', '.join(unheard)} yet"
            return response
        started = time.monotonic()
        with self._runner.paused(at_tick=True):  # in lock step: the same seed gives the same states at the same ticks
            stamp = self._simulation.reset(request.seed, request.keep_robot)
            self._publications.publish_scene()
        response.success, response.stamp = True, to_stamp(stamp)
        self.get_logger().info(f"scene reset to seed {request.seed} ({1e3 * (time.monotonic() - started):.1f} ms)")
        return response


def main() -> None:
    sys.exit(run_node(SimNode, executor_class=EventsExecutor))


if __name__ == "__main__":
    main()
