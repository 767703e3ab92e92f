"""The benchmark of action heads: its tasks are what the page says, and its claims can fail."""

import sys
from pathlib import Path
from typing import Any

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[1]))  # benchmarks are run from the checkout, not installed

from benchmarks.policies import plan, verdict
from benchmarks.policies.cells import Cell, run
from benchmarks.policies.fork import ALONG, ASIDE, CarelessFork, Fork
from benchmarks.policies.learning import Budget, demonstrate
from benchmarks.policies.peg import BROKEN, FORCE, HOLE, Peg, X, Z
from benchmarks.policies.tasks import CARELESS, TASKS, ExactPushT, JudgedPushT, Remembering
from benchmarks.rtc.demonstrations import collect
from benchmarks.rtc.tasks.balance import Balance


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Any:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_the_forks_experts_go_either_way_and_the_mean_of_both_crashes() -> None:
    task = Fork()
    data, share = collect(task, 100)
    assert share > 0.9
    beside = torch.stack([task.step(torch.zeros(1, 4), action[None])[0] for action in data.actions[:, 8]])
    assert beside[:, ALONG].min() > -1e-6
    mean = torch.zeros(1, 4)
    for tick in range(task.ticks):
        mean = task.step(mean, data.actions[:, min(tick, data.actions.shape[1] - 1)].mean(0, keepdim=True))
        if task.failed(mean):
            break
    assert task.failed(mean) and not task.solved(mean)
    assert mean[0, ASIDE].abs() < task.RADIUS


def test_the_side_is_one_choice_for_both_coordinates() -> None:
    """While an expert turns, one coordinate of the action is the larger: which one is its side."""
    task, generator = Fork(human=False), torch.Generator().manual_seed(0)
    style = task.style(40, generator)
    state = torch.tensor([[0.8, 0.0, 0.0, 0.0]]).repeat(40, 1)
    action, _ = task.expert(state, style)
    assert torch.equal(torch.sign(action[:, 1] - action[:, 0]), style[:, 0])
    swapped = action.flip(1)
    torch.testing.assert_close(swapped[style[:, 0] > 0][0], action[style[:, 0] < 0][0])


def test_careless_demonstrations_replace_good_ones_and_end_in_the_obstacle() -> None:
    task = TASKS["fork_left"]
    good = demonstrate(task, CARELESS["fork_left"], 0.0, 0)
    mixed = demonstrate(task, CARELESS["fork_left"], 0.4, 0)
    assert len(mixed.length) == len(good.length)
    bad = round(0.4 * len(good.length))
    assert torch.equal(mixed.length[:-bad], good.length[:-bad])
    assert mixed.length[-bad:].max() < good.length.min()  # over at the obstacle
    assert isinstance(CARELESS["fork_left"], CarelessFork)


def pegs(*tips: tuple[float, float]) -> torch.Tensor:
    """States with the hole at 0 and the tip at (x, z) [m]."""
    state = torch.zeros(len(tips), 7)
    state[:, [X, Z]] = torch.tensor(tips)
    return state


def drawn(x: float, z: float) -> torch.Tensor:
    return torch.tensor([[x, z]]) / Peg.STRETCH


def test_the_pegs_experts_come_down_on_either_side_and_never_press_too_hard() -> None:
    task = Peg()
    data, share = collect(task, 100)
    assert share > 0.9
    beside = data.observations[torch.arange(len(data.length)), data.length // 2, 2]
    assert (beside > 0.004).any() and (beside < -0.004).any()
    assert data.observations[..., 3].max() < task.STRONGEST


def test_the_surface_carries_the_peg_friction_holds_it_and_the_hole_lets_it_in() -> None:
    task = Peg()
    on, over = pegs((0.01, 0.0)), pegs((0.0, 0.0))
    assert task.step(on, drawn(0.0, -0.005))[0, [Z, FORCE]].tolist() == pytest.approx([0.0, 0.005])
    assert task.step(over, drawn(0.0, -0.005))[0, Z] < -0.001
    held = task.step(on, drawn(0.9 * task.FRICTION * 0.005, -0.005))
    assert held[0, X] == on[0, X]
    assert task.step(on, drawn(1.5 * task.FRICTION * 0.005, -0.005))[0, X] > on[0, X]


def test_walls_hold_the_peg_and_who_leans_on_them_goes_no_deeper() -> None:
    task, inside = Peg(), pegs((Peg.CLEARANCE, -0.005))
    leaning = task.step(inside, drawn(0.01, -0.003))
    assert leaning[0, X] == pytest.approx(task.CLEARANCE) and leaning[0, Z] == inside[0, Z]
    assert task.step(inside, drawn(0.0, -0.003))[0, Z] < inside[0, Z]


def test_a_peg_breaks_by_force_and_is_lost_far_away() -> None:
    task = Peg()
    pressed = task.step(pegs((0.01, 0.0)), drawn(0.0, -1.1 * task.STRONGEST))
    lost = task.step(pegs((1.1 * task.FAR, 0.02)), drawn(0.0, 0.0))
    assert task.failed(pressed) and task.failed(lost) and lost[0, HOLE] == 0.0
    assert task.step(pressed, drawn(0.0, 0.0))[0, BROKEN] == 1.0  # and stays broken


def test_overlap_is_one_at_the_goal_and_falls_with_distance() -> None:
    task = ExactPushT()
    state = torch.zeros(4, 6)
    state[1, 2] = 0.012  # a fifth of the unit aside: the stem and the ends of the bar stick out
    state[2, 4] = 3.14159
    state[3, 2:4] = 1.0
    overlap = task.overlap(state)
    assert overlap[0] == 1.0
    unit_squares = 7.0  # of the T's area
    assert overlap[1].item() == pytest.approx(1.0 - 0.2 * 4.0 / unit_squares, abs=0.02)
    assert 0.0 < overlap[2] < 0.5 and overlap[3] == 0.0
    assert JudgedPushT().solved(state).tolist() == [True, False, False, False]


def test_history_is_the_newest_and_differences_and_the_task_underneath_is_the_same() -> None:
    inner, generator = Balance(), torch.Generator().manual_seed(0)
    plain, task = inner.reset(3, generator), Remembering(inner, 3)
    state = task.reset(3, torch.Generator().manual_seed(0))
    seen = [inner.observe(plain)] * 3
    for tick in range(4):
        action = torch.full((3, 1), 0.1 * tick)
        plain, state = inner.step(plain, action), task.step(state, action)
        seen = [*seen[1:], inner.observe(plain)]
        expected = torch.cat([seen[2], seen[1] - seen[0], seen[2] - seen[1]], dim=1)
        torch.testing.assert_close(task.observe(state), expected)
    assert task.observation_width == task.observe(state).shape[1]


def test_a_cell_gives_the_same_row_again_but_for_the_time() -> None:
    budget = Budget(steps=20, width=16, blocks=1, episodes=10)
    rows = [run(Cell("fork", "mixture", 8, 8), budget) for _ in range(2)]
    timed = {"train_cpu_seconds", "drive_cpu_seconds"}
    assert {k: v for k, v in rows[0].items() if k not in timed} == {k: v for k, v in rows[1].items() if k not in timed}
    assert len(rows[0]["episodes"]) == 10


def row(task: str, arm: str, episodes: str, **others: Any) -> dict[str, Any]:
    """A row of the benchmark as `run` writes it, less what no claim reads."""
    usual: dict[str, Any] = {"horizon": 8, "history": 1, "careless": 0.0, "patience": 1.0, "seed": 0, "held_out": 0.5}
    return {"task": task, "arm": arm, "episodes": episodes, "solved": episodes.count("1") / len(episodes),
            **usual, **others}  # fmt: skip


def of(claims: list[dict[str, str]], words: str) -> str:
    return next(claim["verdict"] for claim in claims if words in claim["claim"])


def test_claims_are_confirmed_refuted_or_left_open_by_what_the_cells_say() -> None:
    good, bad = "1" * 60, "0" * 60
    assert {claim["verdict"] for claim in verdict.claims([])} == {verdict.OPEN}
    for l2, flow, expected in ((bad, good, "confirmed"), (good, good, "open"), (good, bad, "refuted")):
        assert of(verdict.claims([row("fork", "l2", l2), row("fork", "flow", flow)]), "averages") == expected
    for chain, bins, expected in ((good, bad, "confirmed"), (bad, good, "refuted"), (good, good, "open")):
        assert of(verdict.claims([row("fork", "chain", chain), row("fork", "bins", bins)]), "Independent") == expected
    for shares, expected in (
        (("0", "1", "0"), "confirmed"),
        (("1", "1", "0"), "the fall only"),
        (("1",) * 3, "refuted"),
    ):
        first, middle, last = shares
        by_length = {1: first, 2: first, 4: middle, 8: middle, 16: middle, 32: last}
        rows = [row("catch", "flow", 60 * each, horizon=rows_) for rows_, each in by_length.items()]
        assert of(verdict.claims(rows), "(catch)") == expected


@pytest.mark.parametrize(
    ("left", "expected"),
    [((0.2,), "open"), ((0.2, 0.25, 0.22), "confirmed"), ((0.2, 0.8, 0.5), "open"), ((0.8, 0.82, 0.79), "refuted")],
)
def test_history_is_judged_by_the_interval_over_trainings(left: tuple[float, ...], expected: str) -> None:
    rows = [
        row("balance", "l2", "1" * 60, history=k, seed=seed, held_out=0.5 + 0.01 * seed if k < 8 else most)
        for seed, most in enumerate(left)
        for k in (1, 2, 4, 8)
    ]
    assert of(verdict.claims(rows), "History") == expected


def test_trainings_that_disagree_leave_a_claim_open_however_many_episodes_agree() -> None:
    """Pooled, +33 points over 600 episodes: but one training in three says the opposite."""
    good, bad = "1" * 200, "0" * 200
    for won, expected in (((True,) * 3, "confirmed"), ((True, True, False), "open")):
        rows = [row("fork", "chain", good if first else bad, seed=seed) for seed, first in enumerate(won)]
        rows += [row("fork", "bins", bad if first else good, seed=seed) for seed, first in enumerate(won)]
        assert of(verdict.claims(rows), "Independent") == expected


def test_every_head_is_compared_on_four_tasks() -> None:
    gate = plan.planned("gate")
    assert len(gate) == len({cell.name for cell in gate})
    for task in ("fork", "conveyor", "pusht", "peg"):
        compared = {cell.arm for cell in gate if cell.task == task and cell.patience == 1.0}
        assert len(compared) == 16
    history = [cell for cell in gate if (cell.task, cell.arm) == ("balance", "l2")]
    assert len(history) == 3 * len({cell.history for cell in history})
    assert {cell.seed for cell in plan.planned("gate", 2) if cell.task == "fork"} == {0, 1}
    assert len(plan.planned("full")) > 2 * len(gate) > 4 * len(plan.planned("quick"))
