import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from bc_core.errors import BcError
from bc_teleop.command import DeviceCommand, Observation, Pose, TaskView
from bc_teleop.devices.scripted import ScriptedDevice

MS = 1_000_000


class Nod:
    """An expert that holds the dead-man and remembers what it was made with."""

    made: list[int]

    def command(self, seen: Observation) -> DeviceCommand:
        return DeviceCommand(enabled=True)


def device(await_recording: bool = False) -> tuple[ScriptedDevice, list[float]]:
    """A device with one expert, and the first random number of every expert made."""
    draws: list[float] = []

    def make(rng: np.random.Generator) -> Nod:
        draws.append(float(rng.uniform()))
        return Nod()

    return ScriptedDevice({"nod": make}, 5, await_recording), draws


def seen(task: TaskView | None, recording: bool = False) -> Observation:
    return Observation(0, Pose(np.zeros(3), Rotation.identity()), 0.08, None, task, recording)


def task(seed: int, elapsed: float, success: bool = False, failure: bool = False, name: str = "nod") -> TaskView:
    return TaskView(name, seed, elapsed, success, failure)


def test_every_new_seed_is_a_new_expert_drawn_from_it() -> None:
    scripted, draws = device()
    assert not scripted.command(seen(None)).enabled
    for view in (task(3, 0.0), task(3, 0.05), task(4, 0.0), task(3, 0.0)):
        assert scripted.command(seen(view)).enabled
    assert len(draws) == 3
    assert draws[0] == draws[2] != draws[1]


def test_the_same_seed_again_is_a_new_episode() -> None:
    scripted, draws = device()
    scripted.command(seen(task(3, 2.0)))
    scripted.command(seen(task(3, 0.0)))
    assert len(draws) == 2


@pytest.mark.parametrize("ending", [{"success": True}, {"failure": True}])
def test_a_decided_episode_is_let_go(ending: dict[str, bool]) -> None:
    scripted, draws = device()
    assert scripted.command(seen(task(3, 0.0))).enabled
    assert not scripted.command(seen(task(3, 3.0, **ending))).enabled
    assert not scripted.command(seen(task(3, 3.1))).enabled
    assert len(draws) == 1


def test_it_waits_for_the_recorder_once_per_episode() -> None:
    scripted, draws = device(await_recording=True)
    assert scripted.waits(task(3, 0.0), recording=False)
    assert not scripted.command(seen(task(3, 0.0))).enabled
    assert scripted.waits(task(3, 0.0), recording=False)
    assert not scripted.waits(task(3, 0.0), recording=True)
    assert scripted.command(seen(task(3, 0.05), recording=True)).enabled
    assert not scripted.waits(task(3, 0.1), recording=False)  # an episode under way is not held up
    assert not scripted.waits(task(4, 9.0, failure=True), recording=False)
    assert len(draws) == 1


def test_without_the_wish_it_never_waits() -> None:
    scripted, _ = device()
    assert not scripted.waits(task(3, 0.0), recording=False)


def test_an_unknown_task_is_an_error_that_names_it() -> None:
    scripted, _ = device()
    with pytest.raises(BcError, match=r"'juggle'.*nod"):
        scripted.command(seen(task(1, 0.0, name="juggle")))
