"""When the scripted operator sees a failure coming, and what it does then."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from bc_teleop.command import Button, DeviceCommand, ObjectView, Observation, Pose, TaskView
from bc_teleop.devices.intervening import ConveyorPickJudge, InterveningDevice, InterventionConfig

DOWN = Rotation.from_euler("x", np.pi)


class Pusher:
    """An expert whose commands can be told from others."""

    def command(self, seen: Observation) -> DeviceCommand:
        return DeviceCommand(True, np.array([0.0, 0.0, 0.1]))


def scene(elapsed: float, tool: tuple[float, float, float], cube_y: float = -0.3, gripper: float = 0.08) -> Observation:
    """The cube on the belt at 0.1 m/s, the tool at a place relative to the cube's centre."""
    cube = np.array([0.5, cube_y, 0.12])
    return Observation(
        round(elapsed * 1e9),
        Pose(cube + np.array(tool), DOWN),
        gripper,
        ObjectView(Pose(cube, Rotation.identity()), np.array([0.0, 0.1, 0.0])),
        TaskView("conveyor_pick", 1, elapsed, False, False),
    )


def device(**settings: object) -> InterveningDevice:
    config = InterventionConfig(**settings)
    return InterveningDevice(
        {"conveyor_pick": lambda rng: Pusher()}, {"conveyor_pick": ConveyorPickJudge(config)}, config, seed=0
    )


@pytest.mark.parametrize(
    ("seen", "why"),
    [
        (scene(1.0, (0.0, 0.0, 0.1)), ""),
        (scene(1.0, (0.0, 0.0, 0.0), gripper=0.04), ""),  # held
        (scene(1.0, (0.0, 0.0, 0.0), cube_y=0.3, gripper=0.04), ""),  # held, wherever it is
        (scene(1.0, (0.0, 0.0, 0.0), gripper=0.001), "closed on nothing"),
        (scene(1.0, (0.05, 0.0, 0.0)), "beside"),
        (scene(1.0, (0.0, 0.0, 0.1), cube_y=0.1), "leaves"),
    ],
)
def test_what_counts_as_failing(seen: Observation, why: str) -> None:
    found = ConveyorPickJudge(InterventionConfig()).failing(seen)
    assert (why in found) and bool(found) == bool(why)


def test_it_takes_over_after_its_reaction_and_gives_back_what_is_safe() -> None:
    operator = device(reaction=0.18, settle=0.09)
    beside, held = (0.05, 0.0, 0.0), (0.0, 0.0, 0.0)
    assert not operator.command(scene(1.0, beside)).enabled
    assert not operator.command(scene(1.15, beside)).enabled
    assert operator.command(scene(1.2, beside)).enabled is False  # decided in this reading, acts from the next
    assert operator.command(scene(1.25, beside)).enabled
    assert operator.command(scene(2.0, held, gripper=0.04)).enabled
    released = operator.command(scene(2.1, held, gripper=0.04))
    assert not released.enabled and not released.pressed
    waiting = operator.command(scene(2.15, held, gripper=0.04))
    assert not waiting.pressed  # HUMAN still: the release has not ended
    resumed = operator.command(replace(scene(2.2, held, gripper=0.04), held=True))
    assert resumed.pressed == {Button.RESUME}
    assert not operator.command(scene(2.25, held, gripper=0.04)).pressed  # once
    assert operator.reasons == ["the tool is beside the cube"]


def test_a_glimpse_of_a_failure_is_none() -> None:
    operator = device(reaction=0.18)
    operator.command(scene(1.0, (0.05, 0.0, 0.0)))
    operator.command(scene(1.1, (0.0, 0.0, 0.1)))
    operator.command(scene(1.2, (0.05, 0.0, 0.0)))
    assert not operator.command(scene(1.25, (0.05, 0.0, 0.0))).enabled
    assert operator.reasons == []


def test_a_new_episode_begins_with_watching() -> None:
    operator = device(reaction=0.0, give_back=False)
    operator.command(scene(3.0, (0.05, 0.0, 0.0)))
    assert operator.command(scene(3.05, (0.05, 0.0, 0.0))).enabled
    assert not operator.command(scene(0.0, (0.0, 0.0, 0.1))).enabled
    assert operator.reasons == []
