"""report.json: complete, explained, and honest about what is missing."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bc_core.errors import BcError
from bc_core.report import format_table, write_report
from bc_core.report.definitions import definitions
from bc_core.report.figures import controller_figures, figures, targets
from bc_core.report.trials import Rollouts, load_demonstrations, load_rollouts

MODES = {"no_delay", "rtc", "naive", "sync"}


@pytest.fixture(scope="module")
def written(run: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path]:
    out = tmp_path_factory.mktemp("report")
    return write_report(run.root, out), out


def copy_of(run: Any, tmp_path: Path, *modes: str) -> Path:
    root = tmp_path / "run"
    for mode in modes:
        shutil.copytree(run.root / "rollout" / mode, root / "rollout" / mode)
    return root


def edit_info(bag: Path, **changes: Any) -> None:
    file = bag / "episode.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def test_report_json_has_every_figure_asked_for(written: tuple[dict[str, Any], Path]) -> None:
    returned, out = written
    report = json.loads((out / "report.json").read_text())
    assert report == returned
    assert report["trials"] == 3
    assert set(report["success"]) == set(report["starved_ticks"]) == MODES
    assert {"estimated_p50", "measured_p50", "measured_max", "underestimated_share"} <= set(report["delay_ticks"])
    assert {"at_effect_p99", "at_row_d_p99"} <= set(report["raw_jump"]["rtc"]) & set(report["raw_jump"]["naive"])
    assert report["raw_jump"]["demonstrations_step_p99"] > 0
    asked = {"rate_hz", "late_p99_us", "late_max_us", "late_over_1ms", "update_us_p50", "update_us_p99"}
    assert asked <= set(report["controller"])
    assert report["realtime_factor"] == 0.998
    assert (report["episodes"], report["train_seconds"]) == (2, 61.5)
    assert re.fullmatch(r"[0-9a-f]{40}(-dirty)?", report["commit"])


def leaves(value: Any, name: str = "") -> list[str]:
    if isinstance(value, dict) and value:
        return [leaf for key, item in value.items() for leaf in leaves(item, f"{name}.{key}" if name else key)]
    return [name]


def test_every_figure_is_defined_and_every_definition_is_used(written: tuple[dict[str, Any], Path]) -> None:
    report, _ = written
    names = definitions().keys()
    headings = {name for name in names if any(other.startswith(f"{name}.") for other in names)}
    used = set(headings)
    for figure in [*leaves({name: value for name, value in report.items() if name != "definitions"}), "definitions"]:
        parts = ["MODE" if part in MODES else part for part in figure.split(".")]
        places = {".".join(parts[:length]) for length in range(1, len(parts) + 1)}
        assert places & names - headings, f"{figure} is not defined"
        used |= places & names
    assert used == names
    assert all(text.endswith(".") for text in definitions().values())


def test_jumps_and_delays_of_the_run_are_what_was_played(run: Any, written: tuple[dict[str, Any], Path]) -> None:
    report, _ = written
    for mode in ("rtc", "naive"):
        jumps = [cycle.raw_jump_at_effect for trial in run.trials[mode] for cycle in trial.cycles]
        assert report["raw_jump"][mode]["at_effect_p99"] == pytest.approx(np.quantile(jumps, 0.99))
    cycles = [cycle for trial in run.trials["rtc"] for cycle in trial.cycles]
    assert report["delay_ticks"]["measured_max"] == max(cycle.delay_measured for cycle in cycles)
    under = sum(cycle.delay_measured > cycle.delay_estimated for cycle in cycles) / len(cycles)
    assert report["delay_ticks"]["underestimated_share"] == pytest.approx(under)
    assert report["starved_ticks"]["rtc"] == sum(trial.scheduler.counters.starved_ticks for trial in run.trials["rtc"])


def health(stamp: float, periods: int, **changes: float) -> dict[str, float]:
    """A status at `stamp` seconds."""
    base = {
        "stamp_ns": stamp * 1e9,
        "rate_hz": 1000.0,
        "realtime_factor": 1.0,
        "periods": periods,
        "late_over_1ms": 0,
        "late_p99_us": 50.0,
        "late_max_us": 100.0,
        "update_p50_us": 20.0,
        "update_p99_us": 30.0,
    }
    return base | changes


def test_controller_counts_each_start_once_and_takes_the_worst(rollouts: Rollouts) -> None:
    """First start at 0 s: statuses at 10 and 20 s. Second at 25 s, with more periods already at 60 s."""
    recording = rollouts.trials["rtc"][0].recording
    statuses = [
        health(10, 10_000, late_over_1ms=5),
        health(20, 20_000, late_over_1ms=7, late_p99_us=80.0),
        health(60, 35_000, late_over_1ms=3, realtime_factor=0.97, late_max_us=900.0, rate_hz=999.0),
    ]
    found, factor = controller_figures([replace(recording, health=status) for status in statuses])
    assert (found["starts"], found["periods"], found["late_over_1ms"]) == (2, 55_000, 10)
    assert (found["late_p99_us"], found["late_max_us"], found["rate_hz"], factor) == (80.0, 900.0, 999.0, 0.97)
    assert found["on_time_share"] == pytest.approx(1 - 10 / 55_000)


def test_controller_without_status_is_unknown_not_perfect(rollouts: Rollouts) -> None:
    recording = rollouts.trials["rtc"][0].recording
    found, factor = controller_figures([replace(recording, health={})])
    assert set(found.values()) == {None}
    assert factor is None


def test_the_machine_s_own_punctuality_stands_beside_the_loop_s(run: Any, tmp_path: Path) -> None:
    file = run.root / "timer.json"
    file.write_text(
        json.dumps({"periods": 20_000, "late_over_1ms": 30, "late_max_us": 4200.0, "scheduling": "fifo 80"})
    )
    try:
        controller = write_report(run.root, tmp_path)["controller"]
        assert controller["timer_on_time_share"] == pytest.approx(1 - 30 / 20_000)
        assert controller["timer_late_max_us"] == 4200.0
        assert "99.850" in (tmp_path / "report.html").read_text()
        file.write_text("{}")
        with pytest.raises(BcError, match=r"timer measurement '.*timer.json' cannot be read"):
            write_report(run.root, tmp_path)
    finally:
        file.unlink()


def test_modes_that_were_not_run_are_null_and_said(run: Any, tmp_path: Path) -> None:
    report = write_report(copy_of(run, tmp_path, "rtc"), tmp_path)
    assert report["success"]["naive"] is None
    assert report["paired"]["naive"] is None
    assert (report["trials"], report["episodes"], report["train_seconds"]) == (3, 0, None)
    notes = "\n".join(report["notes"])
    assert all(words in notes for words in ("naive: no trial was run", "no demonstrations", "no training summary"))
    missed = {row["figure"]: row["reached"] for row in report["targets"]}
    assert missed["success without delay"] is None
    assert missed["paired trials"] is False


def test_aborted_repeated_and_misplaced_bags_are_left_out_by_name(run: Any, tmp_path: Path) -> None:
    root = copy_of(run, tmp_path, "rtc")
    bags = [root / "rollout" / "rtc" / f"episode_{number:06d}" for number in range(3)]
    shutil.copytree(bags[0], root / "rollout" / "rtc" / "episode_000009")
    edit_info(root / "rollout" / "rtc" / "episode_000009", outcome="failure")
    edit_info(bags[1], outcome="aborted", reason="operator")
    edit_info(bags[2], metadata={"mode": "naive"})
    rollouts = load_rollouts(root)
    assert [(trial.seed, trial.path) for trial in rollouts.trials["rtc"]] == [(0, bags[0])]
    said = "\n".join(rollouts.left_out)
    assert "episode_000001: outcome 'aborted' (operator)" in said
    assert "episode_000002: its episode.json says mode 'naive'" in said
    assert "episode_000009: seed 0 was run before" in said


def test_truncated_bag_counts_with_a_note(run: Any, tmp_path: Path) -> None:
    root = copy_of(run, tmp_path, "naive")
    (file,) = (root / "rollout" / "naive" / "episode_000000").glob("*.mcap")
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    rollouts = load_rollouts(root)
    report = figures(rollouts, load_demonstrations(root), None, None)
    assert len(rollouts.trials["naive"]) == 3
    assert any("cut off" in note and "naive/episode_000000" in note for note in report["notes"])
    assert report["messages_lost"] > 0


def test_nothing_to_report_names_the_place_and_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(BcError, match=r"no finished trial below .*rollout.*bcros rollout"):
        write_report(tmp_path, tmp_path)


def test_damaged_checkpoint_and_unwritable_place_are_refused(run: Any, tmp_path: Path) -> None:
    root = copy_of(run, tmp_path, "rtc")
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(BcError, match=r"cannot be written to .*taken"):
        write_report(root, tmp_path / "taken")
    (root / "checkpoint").mkdir()
    (root / "checkpoint" / "config.json").write_text("{")
    with pytest.raises(BcError, match=r"checkpoint .* cannot be read"):
        write_report(root, tmp_path)


def test_targets_are_missed_by_a_hair_and_reached_exactly(written: tuple[dict[str, Any], Path]) -> None:
    report, _ = written
    success = report["success"] | {"no_delay": 0.9, "rtc": 0.7999}
    rows = {row["figure"]: row for row in targets(report | {"success": success, "realtime_factor": 0.9899})}
    assert rows["success without delay"]["reached"] is True
    assert rows["success of RTC"]["reached"] is False
    assert rows["real-time factor"]["reached"] is False
    assert rows["control periods at most 1 ms late"]["reached"] is True


def test_table_shows_every_mode_and_every_target(written: tuple[dict[str, Any], Path]) -> None:
    report, _ = written
    text = format_table(report)
    assert max(map(len, text.splitlines())) <= 110
    for name in ("without delay", "RTC", "naive switching", "synchronous", "MISSED"):
        assert name in text
    for row in report["targets"]:
        assert row["figure"] in text
