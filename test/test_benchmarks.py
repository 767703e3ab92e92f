"""The chunking benchmark: its clock, its seeds, and its arithmetic, on a task that takes no time."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parents[1]))  # benchmarks are run from the checkout, not installed

from bc_core.delay import WindowMax, make_estimator
from bc_core.strategies.registry import STRATEGIES
from bc_core.strategies.sampling import Splice
from bc_policy_node.chunk_scheduler import TUNABLE
from benchmarks.command import DOCS
from benchmarks.dagger import driving, lane, learners
from benchmarks.dagger import verdict as dagger_verdict
from benchmarks.rtc import cells, delays, jitter, published, verdict
from benchmarks.rtc.__main__ import found_rows
from benchmarks.rtc.arms import ARMS
from benchmarks.rtc.demonstrations import collect
from benchmarks.rtc.rollout import Arm, Rollout
from benchmarks.rtc.tasks import TASKS
from benchmarks.rtc.tasks.base import Task

HORIZON = 8


class Clock(Task):
    """Shows the time and remembers what it was told: (N, ticks) actions after one column for the time."""

    name, ticks, observation_width, action_width, force_controlled, action_noise = "clock", 30, 1, 1, True, 0.0

    def reset(self, count: int, generator: torch.Generator) -> Tensor:
        return torch.zeros(count, 1 + self.ticks)

    def observe(self, state: Tensor) -> Tensor:
        return state[:, :1]

    def step(self, state: Tensor, action: Tensor) -> Tensor:
        state = state.clone()
        state[torch.arange(len(state)), 1 + state[:, 0].long()] = action[:, 0]
        state[:, 0] += 1.0
        return state

    def solved(self, state: Tensor) -> Tensor:
        return state[:, 0] >= self.ticks

    def failed(self, state: Tensor) -> Tensor:
        return state[:, 0] < 0

    def style(self, count: int, generator: torch.Generator) -> Tensor:
        return torch.zeros(count, 0)

    def expert(self, state: Tensor, style: Tensor) -> tuple[Tensor, Tensor]:
        return state[:, :1] / 100.0, style


def time_plan(observation: Tensor, splice: Splice) -> Tensor:
    """Row i commands the tick it belongs to, in hundredths: what is executed shows whether rows are aligned."""
    chunk = (observation[:, None] + torch.arange(HORIZON)[:, None]) / 100.0
    given = torch.arange(HORIZON) < splice.frozen[:, None]
    return torch.where(given[..., None], splice.prefix, chunk)


def executed(name: str, waiting: delays.Delays, **options: object) -> tuple[Tensor, Rollout]:
    task = Clock()
    arm = Arm(STRATEGIES[name], HORIZON, 1, time_plan, foresee=lambda observation, _: observation + 1.0)
    rollout = Rollout(task, arm, waiting, 0, **options)  # type: ignore[arg-type]
    rollout.run()
    return rollout.state[:, 1:], rollout


@pytest.mark.parametrize("name", ["naive", "rtc", "ensemble", "conditioned", "foresight", "rtc_foresight"])
@pytest.mark.parametrize("delay", [0, 1, 3, 4])
def test_every_row_is_executed_at_the_tick_it_belongs_to(name: str, delay: int) -> None:
    actions, rollout = executed(name, delays.constant(3, 40, delay))
    torch.testing.assert_close(actions, torch.arange(30.0).expand(3, 30) / 100.0)
    assert rollout.measures.starved == 0


def test_alignment_holds_under_any_delays() -> None:
    """Where the delay is longer than rows are left the episode starves, and says so; no row is executed late."""
    waiting = np.random.default_rng(1).integers(0, 9, (50, 40))
    actions, rollout = executed("rtc", waiting)
    ticks = torch.arange(30.0).expand(50, 30) / 100.0
    wrong = (actions - ticks).abs() > 1e-6
    assert torch.equal(wrong, (actions == 0.0) & (ticks > 0.0))  # without a row there is no force
    assert rollout.measures.starved == int(wrong.sum())
    assert wrong.any()


def test_synchronous_execution_stands_while_it_waits() -> None:
    actions, _ = executed("sync", delays.constant(1, 40, 2))
    # the first chunk is there at once; then two ticks of waiting, two rows inferred before them, and so on
    assert actions[0, :8].tolist() == pytest.approx([0.0, 0.0, 0.0, 0.01, 0.02, 0.0, 0.0, 0.05])


def test_an_estimator_is_told_each_delay_after_it_happened() -> None:
    told: list[int] = []

    class Recorder(WindowMax):
        def observe(self, delay: int) -> None:
            told.append(delay)
            super().observe(delay)

    waiting = delays.spike_mixture(1, 40, 1, 4, 0.3, 3)
    _, rollout = executed("rtc", waiting, estimators=[Recorder(2, 3)])
    assert told == waiting[0, 1 : 1 + len(told)].tolist()
    assert rollout.measures.underestimated >= 0
    assert len(told) >= rollout.measures.chunks - 1


def test_an_estimate_that_does_not_fit_is_cut_and_starves_nobody() -> None:
    waiting = delays.constant(2, 40, 2)
    actions, rollout = executed("rtc", waiting, estimators=[WindowMax(9, 50) for _ in range(2)])
    assert rollout.measures.starved == 0
    torch.testing.assert_close(actions, torch.arange(30.0).expand(2, 30) / 100.0)
    assert int(rollout.interval.max()) == HORIZON // 2


def test_episodes_do_not_depend_on_the_strategy() -> None:
    """Pairs are pairs: the same start and the same noise, whatever drives."""
    task = TASKS["catch"]
    starts = []
    for name in ("naive", "rtc"):
        arm = Arm(STRATEGIES[name], HORIZON, 1, lambda o, s: torch.zeros(len(o), HORIZON, 1))
        rollout = Rollout(task, arm, delays.constant(5, task.ticks + 1, 1), 3)
        rollout.run()
        starts.append(rollout.state)
    assert torch.equal(starts[0], starts[1])


@pytest.mark.parametrize("name", sorted(TASKS))
def test_experts_solve_their_tasks_in_more_than_one_way(name: str) -> None:
    task = TASKS[name]
    data, rate = collect(task, 100)
    assert rate > 0.9
    assert torch.isfinite(data.observations).all()
    assert data.actions.abs().max() <= 1.0
    windows = data.windows(HORIZON)
    assert windows.valid[:, 0].all()
    assert windows.chunk.shape[1:] == (HORIZON, task.action_width)


def test_a_pushed_block_gives_way_along_the_normal_and_turns_with_the_moment() -> None:
    """Push-T without a push stays; a push through the centre does not turn it; one beside it turns it by J^T f."""
    task = TASKS["pusht"]
    far = torch.tensor([[0.4, 0.4, 0.0, 0.0, 0.3, 0.0]])
    assert torch.equal(task.step(far, far[:, :2] / 0.5)[:, 2:5], far[:, 2:5])
    top = 1.25 * 0.06 + 0.03  # the bar's upper side, and the tool's radius
    state = torch.tensor([[0.0, top, 0.0, 0.0, 0.0, 0.0], [0.06, top, 0.0, 0.0, 0.0, 0.0]])
    for _ in range(3):
        state = task.step(state, torch.cat([state[:, :1], state[:, 1:2] - 0.02], dim=1) / 0.5)
    assert state[0, 3].item() == pytest.approx(state[0, 1].item() - top, abs=1e-6)
    assert state[0, 4].item() == pytest.approx(0.0, abs=1e-6)
    assert state[1, 4].item() < -0.05
    assert state[1, 3] > state[0, 3]  # a block that turns moves less


def test_a_result_is_kept_by_what_made_it() -> None:
    """Another sampler, strategy or seed is another result; the table of strategies alone is not."""
    cells_ = {arm: cells.made_by(cells.Cell("catch", arm, 8, 1, 1, 5)) for arm in ("rtc", "rtc_paper", "rtc_hard")}
    assert len(set(cells_.values())) == 3
    assert cells.made_by(cells.Cell("slalom", "rtc", 8, 1, 1, 5)) != cells_["rtc"]


class Coin(Clock):
    """Solved at once or never, as the start says."""

    def reset(self, count: int, generator: torch.Generator) -> Tensor:
        return torch.cat([super().reset(count, generator), torch.rand(count, 1, generator=generator)], dim=1)

    def solved(self, state: Tensor) -> Tensor:
        return state[:, -1] > 0.5

    def failed(self, state: Tensor) -> Tensor:
        return ~self.solved(state)


def test_a_shorter_cell_has_the_first_episodes_of_a_longer_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """What pairs cells of unlike length: every block of episodes has a seed of its own."""

    class Spec:
        def build(self, *_: object) -> Arm:
            return Arm(STRATEGIES["naive"], HORIZON, 1, time_plan)

    monkeypatch.setitem(cells.TASKS, "coin", Coin())
    monkeypatch.setitem(cells.ARMS, "coin", Spec())  # type: ignore[misc]
    monkeypatch.setattr(cells, "BLOCK", 20)
    short, long = (cells.run(cells.Cell("coin", "coin", HORIZON, 1, 1, n), None) for n in (20, 50))  # type: ignore[arg-type]
    assert long["episodes"][:20] == short["episodes"] != long["episodes"][20:40]
    assert long["solved"] == long["episodes"].count("1") / 50 and long["n"] == len(long["episodes"])


def test_pairs_are_over_the_episodes_that_both_ran() -> None:
    rows = [row("naive", 1, "01" * 500), row("rtc", 1, "1" * 500)]
    assert verdict.pairs(rows)[0]["difference"] == pytest.approx(0.5)
    with pytest.raises(ValueError, match="40 and more episodes share no whole blocks"):
        verdict.pairs([row("naive", 1, "1" * 500), row("rtc", 1, "1" * 40)])


def test_what_was_published_fills_in_for_cells_that_are_not_run_anew(tmp_path: Path) -> None:
    """With the commit that made it and its episodes, of which leading failures are kept; what is run anew wins."""
    cell = {"jump": None, "wilson_low": 0.1234567, "wilson_high": 0.9}
    old = [row(name, 1, "0001" * 125) | cell | {"n": 500, "commit": "aaaaaaa"} for name in ("naive", "rtc")]
    published.write(tmp_path / "rtc.json", old, [])
    before = published.Published(tmp_path / "rtc.json")
    assert before.cell("t", "rtc", 8, 1, 1) == old[1] | {"wilson_low": 0.123457}
    assert before.cell("t", "rtc", 8, 1, 2) is None and before.shaken("t", "rtc", "ar1", "oracle") is None
    results, jobs = cells.Results(tmp_path, "", lambda _: b""), [cells.Cell("t", a, 8, 1, 1, 500) for a in ARMS]
    results.put(jobs[list(ARMS).index("rtc")], old[1] | {"commit": "bbbbbbb"})
    rows, shaken = found_rows(jobs, results, before)
    assert {one["strategy"]: one["commit"] for one in rows} == {"naive": "aaaaaaa", "rtc": "bbbbbbb"}
    assert found_rows(jobs, results, None)[0] == [old[1] | {"commit": "bbbbbbb"}] and shaken == []


def test_the_published_page_is_made_from_the_published_results() -> None:
    """Every cell of FULL has its commit, and the rates in the page are those of the file."""
    before, page = published.Published(DOCS / "rtc.json"), (DOCS / "rtc.md").read_text(encoding="utf-8")
    for cell in cells.full():
        found = before.cell(cell.task, cell.arm, cell.horizon, cell.d, cell.s)
        assert found is not None, cell.name
        assert found["commit"] in page and len(found["episodes"]) == found["n"]
        assert found["solved"] == pytest.approx(found["episodes"].count("1") / found["n"], abs=1e-6)
        assert f"{100 * found['solved']:.1f} ({100 * found['wilson_low']:.1f}-" in page, cell.name
    for shaken in jitter.grid(cells.FULL_EPISODES):
        assert before.shaken(shaken.task, shaken.arm, shaken.process, shaken.estimator) is not None, shaken.name


def test_the_estimator_that_is_the_default_is_the_one_that_the_published_benchmark_recommends() -> None:
    before = published.Published(DOCS / "rtc.json")
    rows = [before.shaken(one.task, one.arm, one.process, one.estimator) for one in jitter.grid(cells.FULL_EPISODES)]
    recommended = [row["estimator"] for row in verdict.estimators([row for row in rows if row]) if row["recommended"]]
    assert len(recommended) == 1
    defaults = {name: value for name, value, _ in TUNABLE}
    by_default = make_estimator(defaults["delay_estimator"], 2, defaults["delay_window"], defaults["delay_quantile"])
    measured = jitter.ESTIMATORS[recommended[0]]()
    for delay in np.random.default_rng(0).integers(1, 6, 200).tolist():
        by_default.observe(delay)
        measured.observe(delay)
        assert by_default.estimate == measured.estimate


def test_an_estimator_that_solves_most_but_underestimates_often_is_not_recommended() -> None:
    figures = {"starved": 0.0, "jump": 0.1, "jump_p99": 0.2, "jerk": 1.0}
    rates = {"bold": (0.2, 0.99), "even": (0.1, 0.97), "shy": (0.01, 0.9), "oracle": (0.0, 1.0)}
    rows = [
        {"estimator": name, "missed": missed, "solved": solved} | figures for name, (missed, solved) in rates.items()
    ]
    assert [row["estimator"] for row in verdict.estimators(rows) if row["recommended"]] == ["even"]


def test_delays_are_integers_that_the_seed_decides() -> None:
    first, again = (delays.autoregressive(200, 100, 2.0, 0.8, 0.9, 4, 5) for _ in range(2))
    assert np.array_equal(first, again)
    assert first.min() >= 0 and first.max() <= 4
    assert first.mean() == pytest.approx(2.0, abs=0.1)
    centred = first - first.mean()
    assert (centred[:, 1:] * centred[:, :-1]).mean() / centred.var() > 0.7


def row(strategy: str, d: int, solved: str) -> dict[str, object]:
    rate = solved.count("1") / len(solved)
    return {"task": "t", "strategy": strategy, "H": 8, "d": d, "s": max(d, 1), "solved": rate, "episodes": solved}


def test_the_verdict_counts_tasks_where_delay_hurts() -> None:
    rows = [row("naive", d, "1" * (100 - 20 * d) + "0" * 20 * d) for d in range(5)]
    rows += [row("rtc", d, "1" * (100 - 4 * d) + "0" * 4 * d) for d in range(5)]
    found = verdict.verdict(rows)
    assert found["tasks_that_count"] == ["t"]
    assert found["kept"]["t"] == pytest.approx({"naive": 0.2, "rtc": 0.84})
    assert found["above_naive"]["t"]["rtc"] > 0.0
    assert dict(found["best"])["strategy"] == "rtc"
    reached = dict(verdict.goals(found))
    assert [ok for text, ok in reached.items() if "rtc keeps 84.0%" in text] == [True]
    assert [ok for text, ok in reached.items() if "best strategy" in text] == [False]


def test_an_easy_task_does_not_count() -> None:
    rows = [row(name, d, "1" * 100) for name in ("naive", "rtc") for d in range(5)]
    found = verdict.verdict(rows)
    assert found["tasks_that_count"] == []
    assert not dict(verdict.goals(found))["at least two tasks count: none"]


def test_the_lane_expert_stays_and_comes_back() -> None:
    """What the DAgger benchmark rests on: the expert never leaves the lane, and finds back from outside."""
    task = lane.Lane(200)
    state = task.reset(50, torch.Generator().manual_seed(0))
    astray = state.clone()
    astray[:, lane.OFFSET] = torch.linspace(-3.0, 3.0, 50)
    for _ in range(task.ticks):
        state, astray = (task.step(s, task.expert(s, s[:, :0])[0]) for s in (state, astray))
    assert task.solved(state).all()
    assert not task.outside(astray).any() and (astray[:, lane.OUTSIDE] > 0).any()


def test_what_a_human_drove_is_a_target_up_to_the_end_of_the_intervention() -> None:
    human = torch.tensor([[False, True, True, True, False, True, False]])
    actions = torch.arange(7.0).reshape(1, 7, 1)
    window = driving.Driven(actions.clone(), actions, human).windows(3)
    assert window.observation[:, 0].tolist() == [1.0, 2.0, 3.0, 5.0]
    assert window.valid.int().tolist() == [[1, 1, 1], [1, 1, 0], [1, 0, 0], [1, 0, 0]]


def test_every_arm_spends_no_more_expert_rows_than_it_is_given() -> None:
    torch.set_num_threads(1)  # as the benchmark's workers: on a busy machine threads wait for one another
    plan = learners.Plan(rounds=2, rows=120, episodes=4, longest=60, steps=12)
    for name in learners.ARMS:
        result = learners.learn(name, 0, plan)
        assert result["rows"][0] == 120 and result["rows"][1] <= 240
        assert len(result["cost"]) == 60 and [len(solved) for solved in result["episodes"]] == [4, 4]


def test_errors_that_are_never_mended_grow_with_the_square() -> None:
    ticks = np.arange(1, 201)
    assert dagger_verdict.exponent(1e-4 * ticks**2) == pytest.approx(2.0)
    assert dagger_verdict.exponent(0.01 * ticks) == pytest.approx(1.0)
    assert dagger_verdict.exponent(np.zeros(200)) is None
