"""teleop_node in a real graph of its own domain, against a controller that the test plays."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from std_srvs.srv import SetBool, Trigger
from teleop_graph import PATIENCE, Graph, joystick, patient_joystick

from bc_core.errors import BcError
from bc_msgs.msg import EpisodeOutcome, EpisodeStatus, TaskState
from bc_msgs.srv import ChangeMode, StartEpisode, StopEpisode
from bc_nodes.convert import chunk_from_msg
from bc_teleop.feedback import WARNED


def test_a_joystick_drives_and_letting_go_releases(
    graph: Callable[..., Graph], config_folder: Path, tmp_path: Path
) -> None:
    world = graph(device="joy", settings=patient_joystick(config_folder, tmp_path), max_age=PATIENCE)
    world.up()
    world.spin_until(lambda: world.publishers["joy"].get_subscription_count() > 0)

    def drive(dead_man: int, until: Callable[[], bool]) -> None:
        def turn() -> bool:
            joystick(world, dead_man, 1.0)
            return until()

        world.spin_until(turn)

    drive(0, lambda: world.node.session.armed)
    drive(1, lambda: len(world.chunks) >= 3)
    chunk = chunk_from_msg(world.chunks[0])
    assert not chunk.release and chunk.horizon >= 3
    assert abs(chunk.actions[-1][:7] - chunk.actions[0][:7]).max() > 1e-3
    world.spin_until(lambda: bool(world.felt))
    assert world.felt[0] > 0.0
    drive(0, lambda: world.chunks[-1].release)


def test_a_button_asks_the_controller(graph: Callable[..., Graph]) -> None:
    world = graph(device="joy")
    asked: list[int] = []

    def answer(request: ChangeMode.Request, response: ChangeMode.Response) -> ChangeMode.Response:
        asked.append(request.request)
        response.success = True
        return response

    world.peer.create_service(ChangeMode, "controller/change_mode", answer)
    world.up()
    world.spin_until(lambda: world.node.count_services("controller/change_mode") > 0)
    world.spin_until(lambda: world.publishers["joy"].get_subscription_count() > 0)

    def press() -> bool:
        joystick(world, 0, 0.0, resume=len(asked) == 0)
        return bool(asked)

    world.spin_until(press)
    assert asked == [ChangeMode.Request.RESUME]


def test_one_button_begins_an_episode_and_ends_it_and_warnings_are_felt(graph: Callable[..., Graph]) -> None:
    world = graph(device="joy", operator="me")
    asked: list[Any] = []

    def answer(request: Any, response: Any) -> Any:
        asked.append(request)
        response.success = True
        return response

    world.peer.create_service(StartEpisode, "episode/start", answer)
    world.peer.create_service(StopEpisode, "episode/stop", answer)
    world.peer.create_service(SetBool, "episode/pause", answer)
    world.peer.create_service(Trigger, "episode/rerecord", answer)
    world.up()
    world.spin_until(lambda: world.node.count_services("episode/rerecord") > 0)
    world.spin_until(lambda: world.publishers["joy"].get_subscription_count() > 0)
    world.publishers["task/state"].publish(TaskState(task="pick", seed=7))

    def press(button: int) -> Any:
        """Hold a button until something was asked, and let it go."""
        before = len(asked)

        def held() -> bool:
            joystick(world, 0, 0.0, pressed=button)
            return len(asked) > before

        world.spin_until(held)
        for _ in range(5):
            joystick(world, 0, 0.0)
            world.spin(4)
        assert len(asked) == before + 1
        return asked[-1]

    def status(state: int, **fields: Any) -> None:
        world.publishers["episode/status"].publish(EpisodeStatus(state=state, **fields))
        world.spin_until(lambda: world.node.episode_state == state)

    began = press(7)
    assert (began.task, began.operator_name, began.seed) == ("pick", "me", 7)
    world.felt.clear()
    status(EpisodeStatus.RECORDING, warnings=["'camera' is silent"])
    world.spin_until(lambda: WARNED.intensity in world.felt)
    assert press(8) == SetBool.Request(data=True)
    status(EpisodeStatus.PAUSED)
    assert press(8) == SetBool.Request(data=False)
    assert press(2) == Trigger.Request()
    status(EpisodeStatus.RECORDING)
    assert press(7).outcome == EpisodeOutcome.SUCCESS
    assert press(6).outcome == EpisodeOutcome.FAILURE
    assert press(2).discard


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"device": "telepathy"}, "telepathy"),
        ({"robot": "nowhere.yaml"}, r"nowhere\.yaml"),
        ({"contract": "nowhere.yaml"}, r"nowhere\.yaml"),
        ({"knots": 2}, "knots"),
        ({"row_dt": 1.0}, "row_dt"),
        ({"period": 2.0}, "period"),
    ],
)
def test_a_wrong_parameter_is_one_clear_error(
    graph: Callable[..., Graph], parameters: dict[str, Any], message: str
) -> None:
    world = graph(**parameters)
    with pytest.raises(BcError, match=message):
        world.node.bring_up()


def test_another_robots_joints_are_an_error(graph: Callable[..., Graph]) -> None:
    world = graph()
    world.up()
    stranger = world.state(world.peer.get_clock().now().nanoseconds, joint_names=[f"ur_{i}" for i in range(7)])

    def spin() -> bool:
        stranger.header.stamp = world.peer.get_clock().now().to_msg()
        world.publishers["controller/state"].publish(stranger)
        return False

    with pytest.raises(BcError, match="panda_joint1"):
        world.spin_until(spin)
