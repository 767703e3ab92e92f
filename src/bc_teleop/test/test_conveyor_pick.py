"""The expert against a world that obeys: the tool moves exactly as commanded, the gripper closes on what is between."""

from dataclasses import dataclass, field

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from bc_teleop.command import DeviceCommand, ObjectView, Observation, Pose, TaskView
from bc_teleop.devices.conveyor_pick import ConveyorPickConfig, ConveyorPickExpert
from bc_teleop.devices.motion import Tremor, bump, pointing_down, yaw_of
from bc_teleop.devices.paths import Arc, Rise, Straight, grasp_yaw, left_of

DT = 0.05
CONFIG = ConveyorPickConfig()


@dataclass
class World:
    """Tool, cube on a belt along +y, and a gripper; the cube follows the tool once it is held."""

    yaw: float = 0.8
    speed: float = 0.14
    graspable: bool = True
    time_ns: int = 10**9
    elapsed: float = 0.0
    gripper: float = 0.08
    held: bool = False
    tool: Pose = field(default_factory=lambda: Pose(np.array([0.45, 0.0, 0.3]), pointing_down(0.0)))
    cube: np.ndarray = field(default_factory=lambda: np.array([0.52, -0.4, 0.12]))

    def see(self) -> Observation:
        view = ObjectView(Pose(self.cube, Rotation.from_euler("z", self.yaw)), np.array([0.0, self.speed, 0.0]))
        task = TaskView("conveyor_pick", 1, self.elapsed, False, False)
        return Observation(self.time_ns, self.tool, self.gripper, view, task)

    def step(self, command: DeviceCommand) -> None:
        rotation = Rotation.from_rotvec(command.angular * DT) * self.tool.rotation
        moved = command.linear * DT
        self.tool = Pose(self.tool.position + moved, rotation)
        self.cube = self.cube + (moved if self.held else np.array([0.0, self.speed * DT, 0.0]))
        between = self.graspable and float(np.linalg.norm(self.tool.position - self.cube)) < 0.015
        least = 0.04 if between else 0.0
        if command.gripper is not None:
            self.gripper = float(np.clip(command.gripper, max(self.gripper - 0.02, least), self.gripper + 0.02))
        self.held = between and self.gripper == least
        self.time_ns += round(DT * 1e9)
        self.elapsed += DT


def play(expert: ConveyorPickExpert, world: World, seconds: float) -> list[tuple[DeviceCommand, Observation, str]]:
    log = []
    for _ in range(round(seconds / DT)):
        seen = world.see()
        command = expert.command(seen)
        log.append((command, seen, type(expert.path).__name__))
        world.step(command)
    return log


@pytest.mark.parametrize("seed", range(8))
def test_it_picks_the_cube_briskly(seed: int) -> None:
    world, expert = World(), ConveyorPickExpert(CONFIG, np.random.default_rng(seed))
    log = play(expert, world, 4.5)
    stages = [stage for _, _, stage in log]
    assert expert.attempts == 1 and isinstance(expert.path, Rise)
    assert stages.index("Rise") * DT < 3.6
    assert world.held and world.cube[2] > 0.12 + 0.1
    grasp = log[stages.index("Straight")][1]
    quarters = (yaw_of(grasp.tcp.rotation) - 0.8) / (np.pi / 2)
    assert abs(quarters - round(quarters)) < 0.1  # two faces, not two edges


def test_the_side_is_chosen_early_the_turn_late_and_all_ways_occur() -> None:
    early, late = {}, {}
    for seed in range(40):
        world, expert = World(), ConveyorPickExpert(CONFIG, np.random.default_rng(seed))
        play(expert, world, 0.85)
        way = (expert.way.turn, expert.way.side)
        early.setdefault(way, []).append([world.tool.position[0], yaw_of(world.tool.rotation)])
        play(expert, world, 0.8)
        late.setdefault(way, []).append(yaw_of(world.tool.rotation))
    assert len(early) == 4
    before = {way: np.mean(seen, axis=0) for way, seen in early.items()}
    after = {way: np.mean(seen) for way, seen in late.items()}
    for turn in (-1, 1):
        assert abs(before[turn, 1][0] - before[turn, -1][0]) > 0.1  # [m] across the belt
    for side in (-1, 1):
        assert abs(before[1, side][1] - before[-1, side][1]) < 0.2  # [rad]
        assert after[1, side] - after[-1, side] > 0.8


def test_an_episode_can_be_repeated() -> None:
    runs = []
    for _ in range(2):
        world = World()
        play(ConveyorPickExpert(CONFIG, np.random.default_rng([7, 3])), world, 2.0)
        runs.append(world.tool.position)
    np.testing.assert_array_equal(runs[0], runs[1])


def test_it_waits_its_reaction_time_with_the_dead_man_released() -> None:
    expert, world = ConveyorPickExpert(CONFIG, np.random.default_rng(2)), World()
    enabled = [command.enabled for command, _, _ in play(expert, world, 1.0)]
    first = enabled.index(True)
    assert CONFIG.reaction_time <= first * DT <= CONFIG.reaction_time + CONFIG.reaction_spread + DT
    assert all(enabled[first:])


def test_a_missed_cube_is_tried_again() -> None:
    expert, world = ConveyorPickExpert(CONFIG, np.random.default_rng(2)), World(graspable=False)
    play(expert, world, 3.5)
    assert expert.attempts == 2
    world.graspable = True
    play(expert, world, 3.0)
    assert world.held and isinstance(expert.path, Rise)


def test_while_the_cube_cannot_be_seen_the_hand_lets_go() -> None:
    expert, world = ConveyorPickExpert(CONFIG, np.random.default_rng(2)), World()
    play(expert, world, 1.0)
    blind = Observation(world.time_ns, world.tool, 0.08, None, world.see().task)
    assert not expert.command(blind).enabled


def test_the_hand_is_smooth() -> None:
    config = ConveyorPickConfig(linear_tremor=0.0, angular_tremor=0.0)
    log = play(ConveyorPickExpert(config, np.random.default_rng(4)), World(), 4.5)
    linear = np.stack([command.linear for command, _, _ in log])
    assert np.linalg.norm(np.diff(linear, axis=0), axis=1).max() < 0.15  # [m/s] from tick to tick
    assert np.linalg.norm(linear, axis=1).max() < 0.8


def test_a_grasp_yaw_is_the_next_face_in_the_wanted_direction() -> None:
    assert grasp_yaw(0.0, 0.5, 1) == pytest.approx(0.5)
    assert grasp_yaw(0.0, 0.5, -1) == pytest.approx(0.5 - np.pi / 2)
    assert grasp_yaw(0.0, 3.0, 1) == pytest.approx(3.0 - np.pi / 2)
    assert grasp_yaw(0.0, 0.1, 0) == pytest.approx(0.1)
    assert grasp_yaw(0.0, 1.5, 0) == pytest.approx(1.5 - np.pi / 2)


def test_left_is_left() -> None:
    np.testing.assert_allclose(left_of(np.array([0.0, -0.3])), [1.0, 0.0], atol=1e-12)
    np.testing.assert_allclose(left_of(np.zeros(2)), [0.0, 1.0], atol=1e-12)


def test_a_bump_and_its_rate_agree() -> None:
    assert bump(0.0) == bump(1.0) == (0.0, 0.0)
    assert bump(0.5)[0] == pytest.approx(1.0)
    for phase in (0.1, 0.4, 0.8):
        assert bump(phase)[1] == pytest.approx((bump(phase + 1e-6)[0] - bump(phase - 1e-6)[0]) / 2e-6, abs=1e-6)


def test_tremor_has_the_deviation_and_the_correlation_asked_for() -> None:
    tremor = Tremor(np.array([0.04]), 0.25, np.random.default_rng(0))
    values = np.array([tremor.step(DT)[0] for _ in range(20_000)])
    assert values.std() == pytest.approx(0.04, rel=0.05)
    lagged = np.corrcoef(values[:-5], values[5:])[0, 1]
    assert lagged == pytest.approx(np.exp(-1.0), abs=0.05)


def test_closing_goes_along_with_the_belt_and_not_with_the_cube_seen() -> None:
    path = Straight(np.zeros(3), np.array([0.0, 0.1, 0.0]), pointing_down(0.0))
    view = World().see().object
    assert view is not None
    np.testing.assert_allclose(path.target(2.0, view).pose.position, [0.0, 0.2, 0.0])


def test_an_arc_ends_upon_the_cube() -> None:
    expert, world = ConveyorPickExpert(CONFIG, np.random.default_rng(1)), World()
    play(expert, world, 1.0)
    arc, view = expert.path, world.see().object
    assert isinstance(arc, Arc) and view is not None
    goal = arc.target(arc.end, view)
    grasp = view.pose.position + np.array([0.0, 0.0, CONFIG.grasp_height])
    np.testing.assert_allclose(goal.pose.position, grasp, atol=1e-9)
    np.testing.assert_allclose(goal.linear, view.velocity, atol=1e-9)
