"""The episode manager over a real graph: a cell that answers like sim, recorder and controller."""

import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import rclpy
from lifecycle_msgs.msg import State
from lifecycle_msgs.srv import GetState
from rclpy.action import ActionServer
from rclpy.action.server import ServerGoalHandle
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node

from bc_bringup.episodes.manager import EpisodeManager
from bc_core.errors import BcError
from bc_msgs.action import MoveTo
from bc_msgs.msg import ControlMode, EpisodeOutcome, EpisodeStatus, TaskState, TickDone
from bc_msgs.srv import ChangeMode, ResetScene, StartEpisode, StopEpisode
from bc_nodes import qos
from bc_nodes.testing import domain_of_its_own

TICK_NS = 50_000_000
NAMESPACE = "/manager_test"


class Cell(Node):
    """Ticks on demand: in lock step after every TickDone, else 500 times a second. Seeds succeed after `length` ticks,
    odd ones fail. calls: services in order, each with the tick at which it came.
    """

    def __init__(self, context: rclpy.Context, lockstep: bool) -> None:
        super().__init__("cell", namespace=NAMESPACE, context=context)
        self.lockstep = lockstep
        self.length = 10
        self.starve_at = -1
        self.stop_at = -1
        self.recorder_ends_at = -1
        self.operator_ends: EpisodeOutcome | None = None  # together with the recorder
        self.refuse_start = ""
        self.unheard = 0  # resets that are refused, since participants of lock step are missing
        self.calls: list[tuple[str, int]] = []
        self.answers: list[int] = []  # stamps of TickDone
        self.metadata: dict[str, Any] = {}
        self.outcomes: list[tuple[int, str]] = []
        self.tick, self.seed, self.begun = 20, 99, 0
        self.mode, self.epoch, self.previous = ControlMode.HOLD, 1, ControlMode.HOLD
        self.task = self.create_publisher(TaskState, "task/state", qos.STATE)
        self.modes = self.create_publisher(ControlMode, "controller/mode", qos.LATCHED)
        self.status = self.create_publisher(EpisodeStatus, "episode/status", qos.STATE)
        self.ends = self.create_publisher(EpisodeOutcome, "episode/outcome", qos.EVENT)
        self.create_subscription(TickDone, "sim/tick_done", self.on_tick_done, qos.EVENT)
        self.create_service(ResetScene, "sim/reset", self.on_reset)
        self.create_service(StartEpisode, "episode/start", self.on_start)
        self.create_service(StopEpisode, "episode/stop", self.on_stop)
        self.create_service(ChangeMode, "controller/change_mode", self.on_change_mode)
        self.create_service(GetState, "cell/get_state", self.on_get_state)
        self.motions: list[MoveTo.Result] = []  # what comes of each
        self.motion_server = ActionServer(self, MoveTo, "move_to", self.on_motion)
        self.lifecycle = State.PRIMARY_STATE_INACTIVE
        self.publish_mode("start")
        self.timer = self.create_timer(0.05 if lockstep else 0.002, self.on_timer)

    def on_timer(self) -> None:
        if self.lockstep:
            self.publish_task()  # as the simulation repeats a tick that nobody has answered
        else:
            self.advance()

    def on_tick_done(self, message: TickDone) -> None:
        assert message.participant == "manager"
        self.answers.append(message.header.stamp.sec * 10**9 + message.header.stamp.nanosec)
        if message.header.stamp.sec * 10**9 + message.header.stamp.nanosec == self.tick * TICK_NS:
            self.advance()

    def advance(self) -> None:
        self.tick += 1
        elapsed = self.tick - self.begun
        if elapsed == self.starve_at:
            self.change(ControlMode.HOLD, "starved")
        if elapsed == self.stop_at:
            self.change(ControlMode.STOPPED, "encoder frozen")
        if elapsed == self.recorder_ends_at:
            message = EpisodeStatus(state=EpisodeStatus.IDLE, episode=self.episode, path="/bags/x", message="disk full")
            self.status.publish(message)
            if self.operator_ends is not None:
                self.operator_ends.episode = self.episode
                self.ends.publish(self.operator_ends)
        self.publish_task()

    @property
    def episode(self) -> str:
        return f"episode_{self.seed}"

    def publish_task(self) -> None:
        over = self.tick - self.begun >= self.length
        message = TaskState(task="pick", seed=self.seed, elapsed=(self.tick - self.begun) * 0.05)
        message.success, message.failure = over and self.seed % 2 == 0, over and self.seed % 2 == 1
        message.detail = "cube left the belt" if message.failure else ""
        message.header.stamp = rclpy.time.Time(nanoseconds=self.tick * TICK_NS).to_msg()
        self.task.publish(message)

    def publish_mode(self, reason: str) -> None:
        self.modes.publish(ControlMode(mode=self.mode, epoch=self.epoch, previous_mode=self.previous, reason=reason))

    def change(self, mode: int, reason: str) -> None:
        self.previous, self.mode, self.epoch = self.mode, mode, self.epoch + 1
        self.publish_mode(reason)

    def on_get_state(self, request: GetState.Request, response: GetState.Response) -> GetState.Response:
        response.current_state.id = self.lifecycle
        self.lifecycle = State.PRIMARY_STATE_ACTIVE  # up at the second look
        return response

    def on_reset(self, request: ResetScene.Request, response: ResetScene.Response) -> ResetScene.Response:
        if self.unheard:
            self.unheard -= 1
            response.success, response.message = False, "lock step has not heard of recorder yet"
            return response
        self.calls.append(("reset around the robot" if request.keep_robot else "reset", self.tick))
        self.seed, self.begun = request.seed, self.tick
        response.success, response.stamp = True, rclpy.time.Time(nanoseconds=self.tick * TICK_NS).to_msg()
        self.publish_task()
        return response

    def on_motion(self, handle: ServerGoalHandle) -> MoveTo.Result:
        self.calls.append((f"move to {handle.request.name}", self.tick))
        result = self.motions.pop(0)
        handle.succeed() if result.reason == MoveTo.Result.SUCCESS else handle.abort()
        return result

    def on_start(self, request: StartEpisode.Request, response: StartEpisode.Response) -> StartEpisode.Response:
        self.calls.append(("start", self.tick))
        self.metadata = json.loads(request.metadata)
        assert (request.task, request.seed) == ("pick", self.seed)
        response.success, response.message, response.episode = not self.refuse_start, self.refuse_start, self.episode
        return response

    def on_stop(self, request: StopEpisode.Request, response: StopEpisode.Response) -> StopEpisode.Response:
        self.calls.append(("stop", self.tick))
        self.outcomes.append((request.outcome, request.reason))
        response.success = True
        return response

    def on_change_mode(self, request: ChangeMode.Request, response: ChangeMode.Response) -> ChangeMode.Response:
        allowed = {ChangeMode.Request.RESUME: ControlMode.POLICY, ChangeMode.Request.HOLD: ControlMode.HOLD}
        self.calls.append((request.reason, self.tick))
        self.change(allowed.get(request.request, ControlMode.HOLD), request.reason)
        response.success, response.epoch = True, self.epoch
        return response


@pytest.fixture
def cell(request: pytest.FixtureRequest) -> Iterator[Cell]:
    with domain_of_its_own():  # what is left of the cell before must not count as serving the same action
        context = rclpy.Context()
        rclpy.init(context=context)
        node = Cell(context, lockstep=request.param)
        executor = SingleThreadedExecutor(context=context)
        executor.add_node(node)
        thread = threading.Thread(target=executor.spin)
        thread.start()
        yield node
        executor.shutdown()
        thread.join(timeout=10.0)
        node.motion_server.destroy()
        node.destroy_node()
        rclpy.try_shutdown(context=context)


def manager_of(cell: Cell, return_to: str = "") -> EpisodeManager:
    participant = "manager" if cell.lockstep else None
    return EpisodeManager(NAMESPACE, participant, lambda: None, settle_seconds=0.05, return_to=return_to)


@pytest.mark.parametrize("cell", [True], indirect=True)
def test_in_lock_step_time_stands_still_around_an_episode(cell: Cell) -> None:
    manager = manager_of(cell)
    manager.wait_for_nodes([f"{NAMESPACE}/cell"])
    verdicts = [manager.run_episode(seed, "scripted", {"device": "scripted"}, is_policy=False) for seed in (4, 5)]
    manager.close()
    assert [(v.outcome, v.reason, round(v.seconds, 3)) for v in verdicts] == [
        ("success", "task success", 0.5),
        ("failure", "cube left the belt", 0.5),
    ]
    names, ticks = zip(*cell.calls, strict=True)
    assert names == ("reset", "start", "stop") * 2
    said = cell.answers[: cell.answers.index(20 * TICK_NS)]
    assert ticks[0] == 20 and said and set(said) == {0}  # it is there; time begins with the first episode
    assert [tick - ticks[0] for tick in ticks] == [0, 0, 10, 10, 10, 20]
    assert cell.outcomes == [(EpisodeOutcome.SUCCESS, "task success"), (EpisodeOutcome.FAILURE, "cube left the belt")]
    assert cell.metadata == {"device": "scripted"}


@pytest.mark.parametrize("cell", [True, False], indirect=True)
def test_between_episodes_the_arm_is_brought_back_while_time_passes(cell: Cell) -> None:
    taken = MoveTo.Result(reason=MoveTo.Result.PREEMPTED, message="ended by another: human chunk")
    before = [] if cell.lockstep else ["move to start"]  # in real time a hand may have moved the arm by then
    cell.motions = [*(MoveTo.Result() for _ in before), taken, MoveTo.Result(), MoveTo.Result()]
    manager = manager_of(cell, return_to="start")
    manager.wait_for_nodes([f"{NAMESPACE}/cell"])
    for seed in (4, 6):
        assert manager.run_episode(seed, "scripted", {}, is_policy=False).outcome == "success"
    manager.close()
    names, ticks = zip(*cell.calls, strict=True)
    episode = ("reset around the robot", "start", "stop", "move to start")
    assert names == (*before, *episode, "move to start", *episode)  # once more after a human had driven
    ticks = ticks[len(before) :]
    assert ticks[5] > ticks[2]  # time has passed since the first episode's end
    if cell.lockstep:
        assert [tick - ticks[5] for tick in ticks[5:8]] == [0, 0, 10]  # and it stands around the second as ever


@pytest.mark.parametrize("cell", [True], indirect=True)
def test_an_arm_that_cannot_be_brought_back_ends_the_run(cell: Cell) -> None:
    cell.motions = [MoveTo.Result(reason=MoveTo.Result.START_IN_COLLISION, message="'hand' is in 'belt'")]
    manager = manager_of(cell, return_to="start")
    manager.wait_for_nodes([f"{NAMESPACE}/cell"])
    with pytest.raises(BcError, match="could not be brought to 'start': 'hand' is in 'belt'"):
        manager.run_episode(4, "scripted", {}, is_policy=False)
    manager.close()


@pytest.mark.parametrize("cell", [False], indirect=True)
def test_a_policy_is_resumed_at_the_start_and_after_starvation_and_held_at_the_end(cell: Cell) -> None:
    cell.starve_at, cell.length = 100, 300
    manager = manager_of(cell)
    manager.wait_for_nodes([f"{NAMESPACE}/cell"])
    verdict = manager.run_episode(8, "policy", {}, is_policy=True)
    manager.close()
    assert verdict.outcome == "success"
    names = [name for name, _ in cell.calls]
    assert names == ["reset", "start", "episode begins", "after starvation", "stop", "episode ended"]


@pytest.mark.parametrize("cell", [False], indirect=True)
def test_a_stopped_controller_fails_the_episode_and_is_reset(cell: Cell) -> None:
    cell.stop_at, cell.length = 100, 10_000
    manager = manager_of(cell)
    manager.wait_for_nodes([f"{NAMESPACE}/cell"])
    verdict = manager.run_episode(8, "policy", {}, is_policy=True)
    manager.close()
    assert (verdict.outcome, verdict.reason) == ("failure", "controller stopped: encoder frozen")
    assert cell.calls[-1][0] == "next episode"


@pytest.mark.parametrize("cell", [True], indirect=True)
def test_lock_step_begins_once_everybody_has_been_heard_of(cell: Cell) -> None:
    cell.unheard, cell.length = 3, 30
    manager = manager_of(cell)
    manager.wait_for_nodes([f"{NAMESPACE}/cell"])
    manager.run_episode(8, "scripted", {}, is_policy=False)
    assert cell.unheard == 0
    assert [name for name, _ in cell.calls] == ["reset", "start", "stop"]
    cell.unheard = 1
    with pytest.raises(BcError, match="sim/reset with seed 9 was refused: lock step has not heard of recorder yet"):
        manager.run_episode(9, "scripted", {}, is_policy=False)
    manager.close()


@pytest.mark.parametrize("cell", [False], indirect=True)
def test_a_refused_start_says_why(cell: Cell) -> None:
    cell.refuse_start = "no message on camera/image_raw"
    manager = manager_of(cell)
    manager.wait_for_nodes([f"{NAMESPACE}/cell"])
    with pytest.raises(BcError, match="episode/start was refused: no message on camera/image_raw"):
        manager.run_episode(8, "policy", {}, is_policy=False)
    manager.close()


@pytest.mark.parametrize("cell", [False], indirect=True)
def test_a_recorder_that_ends_by_itself_ends_the_run(cell: Cell) -> None:
    cell.recorder_ends_at, cell.length = 50, 10_000
    manager = manager_of(cell)
    manager.wait_for_nodes([f"{NAMESPACE}/cell"])
    with pytest.raises(BcError, match="the recorder ended '/bags/x' by itself: disk full"):
        manager.run_episode(8, "policy", {}, is_policy=False)
    manager.close()


@pytest.mark.parametrize("cell", [False], indirect=True)
@pytest.mark.parametrize(
    ("outcome", "word"), [(EpisodeOutcome.FAILURE, "failure"), (EpisodeOutcome.ABORTED, "aborted")]
)
def test_what_the_operator_ends_is_not_stopped_again(cell: Cell, outcome: int, word: str) -> None:
    cell.recorder_ends_at, cell.length = 50, 10_000
    cell.operator_ends = EpisodeOutcome(outcome=outcome, reason="operator")
    manager = manager_of(cell)
    manager.wait_for_nodes([f"{NAMESPACE}/cell"])
    verdict = manager.run_episode(8, "me", {}, is_policy=False)
    manager.close()
    assert (verdict.outcome, verdict.reason, verdict.by_operator) == (word, "operator", True)
    assert [name for name, _ in cell.calls] == ["reset", "start"]


@pytest.mark.parametrize("cell", [True], indirect=True)
def test_whatever_check_raises_ends_every_wait(cell: Cell) -> None:
    def check() -> None:
        raise BcError("the graph ended early")

    manager = EpisodeManager(NAMESPACE, "manager", check)
    with pytest.raises(BcError, match="the graph ended early"):
        manager.wait_for_nodes(["/nobody"])
    manager.close()
