"""The figures of report.json, from loaded trials and demonstrations; what each means: definitions.py."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import pairwise, zip_longest
from typing import Any

import numpy as np

from bc_core.grid import NANOSECONDS
from bc_core.report.changes import Change, changes, starved_ticks
from bc_core.report.definitions import definitions
from bc_core.report.recording import HOLD_MODE, POLICY_MODE, Recording
from bc_core.report.statistics import paired_difference, quantile, wilson
from bc_core.report.trials import MODES, Demonstrations, Rollouts, Trial


def figures(
    rollouts: Rollouts,
    demonstrations: Demonstrations,
    train_seconds: float | None,
    commit: str | None,
    timer: Mapping[str, float] | None = None,
) -> dict[str, Any]:
    """Everything in report.json; plain dicts, lists, numbers and strings. Figures that were not measured are None.

    timer: periods, late_over_1ms and late_max_us of a thread that did nothing (root/timer.json), if it was measured.
    """
    run = {mode: trials for mode, trials in rollouts.trials.items() if trials}
    by_mode = {
        mode: [c for trial in trials for c in changes(trial.recording, trial.grid)] for mode, trials in run.items()
    }
    controller, realtime_factor = controller_figures([trial.recording for trial in run.get("rtc", ())])
    report: dict[str, Any] = {
        "trials": min(len(trials) for trials in run.values()),
        "success": _per_mode({mode: _rate(trials) for mode, trials in run.items()}),
        "delay_ticks": delay_figures(by_mode.get("rtc", [])),
        "raw_jump": _per_mode({mode: jump_figures(found) for mode, found in by_mode.items()})
        | {"demonstrations_step_p99": quantile(demonstrations.steps, 0.99)},
        "controller": controller | timer_figures(timer),
        "realtime_factor": realtime_factor,
        "starved_ticks": _sum(run, lambda trial: starved_ticks(trial.recording, trial.grid)),
        "episodes": demonstrations.episodes,
        "train_seconds": train_seconds,
        "commit": commit,
        "trials_by_mode": {mode: len(trials) for mode, trials in rollouts.trials.items()},
        "paired_trials": len(rollouts.paired_seeds()),
        "success_interval": _per_mode({mode: _interval(trials) for mode, trials in run.items()}),
        "paired": {mode: _paired(rollouts, mode) for mode in MODES if mode != "rtc"},
        "starved_holds": _sum(run, lambda trial: starved_holds(trial.recording)),
        "chunks_refused": _per_mode({mode: _refused(trials) for mode, trials in run.items()}),
        "tracking_rms_rad": _per_mode({mode: tracking_rms(trials) for mode, trials in run.items()}),
        "torque_peak_nm": _per_mode({mode: torque_peak(trials) for mode, trials in run.items()}),
        "messages_lost": sum(trial.lost for trials in run.values() for trial in trials),
        "episodes_successful": demonstrations.successful,
    }
    return report | {
        "targets": targets(report),
        "left_out": list(rollouts.left_out),
        "notes": notes(report, rollouts),
        "definitions": definitions(),
    }


def delay_figures(found: Sequence[Change]) -> dict[str, Any]:
    """`delay_ticks`."""
    measured = [change.measured for change in found]
    pairs = [(change.estimated, change.measured) for change in found if change.estimated is not None]
    return {
        "estimated_p50": quantile([estimated for estimated, _ in pairs], 0.5),
        "measured_p50": quantile(measured, 0.5),
        "measured_p99": quantile(measured, 0.99),
        "measured_max": max(measured, default=None),
        "underestimated_share": sum(d > d_hat for d_hat, d in pairs) / len(pairs) if pairs else None,
        "chunks": len(found),
    }


def jump_figures(found: Sequence[Change]) -> dict[str, Any]:
    """`raw_jump` of one mode."""
    at_effect = [change.jump_at_effect for change in found]
    at_row_d = [change.jump_at_row_d for change in found if change.jump_at_row_d is not None]
    residuals = [change.item.residual_at_row_d for change in found if change.item.residual_at_row_d is not None]
    return {
        "at_effect_p99": quantile(at_effect, 0.99),
        "at_effect_max": max(at_effect, default=None),
        "at_row_d_p99": quantile(at_row_d, 0.99),
        "residual_at_row_d_p99": quantile([residual for residual in residuals if math.isfinite(residual)], 0.99),
        "chunks": len(at_effect),
        "chunks_with_row_d": len(at_row_d),
    }


def controller_figures(recordings: Sequence[Recording]) -> tuple[dict[str, Any], float | None]:
    """`controller` and `realtime_factor`."""
    last = last_status_per_start([recording.health for recording in recordings if recording.health])
    if not last:
        return dict.fromkeys(CONTROLLER_FIGURES), None
    periods = sum(int(status["periods"]) for status in last)
    late = sum(int(status["late_over_1ms"]) for status in last)
    controller = {
        "rate_hz": min(status["rate_hz"] for status in last),
        "late_p99_us": max(status["late_p99_us"] for status in last),
        "late_max_us": max(status["late_max_us"] for status in last),
        "late_over_1ms": late,
        "update_us_p50": max(status["update_p50_us"] for status in last),
        "update_us_p99": max(status["update_p99_us"] for status in last),
        "periods": periods,
        "on_time_share": 1 - late / periods if periods else None,
        "starts": len(last),
    }
    return controller, min(status["realtime_factor"] for status in last)


def timer_figures(timer: Mapping[str, float] | None) -> dict[str, Any]:
    """`controller.timer_*`: how punctual this machine is for a thread that does nothing."""
    if not timer or not timer["periods"]:
        return {"timer_on_time_share": None, "timer_late_max_us": None}
    share = 1 - timer["late_over_1ms"] / timer["periods"]
    return {"timer_on_time_share": share, "timer_late_max_us": timer["late_max_us"]}


CONTROLLER_FIGURES = (
    "rate_hz",
    "late_p99_us",
    "late_max_us",
    "late_over_1ms",
    "update_us_p50",
    "update_us_p99",
    "periods",
    "on_time_share",
    "starts",
)


def last_status_per_start(statuses: Sequence[dict[str, float]]) -> list[dict[str, float]]:
    """The last status of each start of the controller.

    Its counters began at stamp - periods / rate; where that lies after the status before, it was started anew.
    """
    ordered = sorted(statuses, key=lambda status: status["stamp_ns"])
    return [
        status
        for status, successor in zip_longest(ordered, ordered[1:])
        if successor is None or _began_ns(successor) > status["stamp_ns"]
    ]


def _began_ns(status: dict[str, float]) -> float:
    seconds = status["periods"] / status["rate_hz"] if status["rate_hz"] > 0 else 0.0
    return status["stamp_ns"] - seconds * NANOSECONDS


def starved_holds(recording: Recording) -> int:
    """Falls from POLICY to HOLD for starvation."""
    modes = recording.modes
    return sum(
        before.mode == POLICY_MODE and after.mode == HOLD_MODE and "starved" in after.reason
        for before, after in pairwise(modes)
    )


def tracking_rms(trials: Sequence[Trial]) -> float | None:
    """Root mean square of reference less measured position over samples, joints and trials [rad]."""
    errors = [trial.recording.motion.error.ravel() for trial in trials]
    together = np.concatenate(errors) if errors else np.empty(0)
    return float(np.sqrt(np.mean(together**2))) if together.size else None


def torque_peak(trials: Sequence[Trial]) -> float | None:
    """Largest absolute commanded torque [Nm]."""
    peaks = [np.abs(trial.recording.motion.effort).max() for trial in trials if trial.recording.motion.effort.size]
    return float(max(peaks)) if peaks else None


def targets(report: dict[str, Any]) -> list[dict[str, Any]]:
    """What is to be reached, against what was; reached is None where the figure was not measured.

    unit: "%" and "points" say how to show a share and a difference of shares; the numbers are shares, 0 ... 1.
    """
    success = report["success"]
    gap = report["paired"]["naive"]
    rows = [
        ("paired trials", "", report["paired_trials"], ">=", 30),
        ("success without delay", "%", success["no_delay"], ">=", 0.90),
        ("success of RTC", "%", success["rtc"], ">=", 0.80),
        ("success of RTC less that of naive switching", "points", gap["difference"] if gap else None, ">=", 0.15),
        ("starved ticks in RTC", "", report["starved_ticks"]["rtc"], "<=", 0),
        ("real-time factor", "", report["realtime_factor"], ">=", 0.99),
        ("control periods at most 1 ms late", "%", report["controller"]["on_time_share"], ">=", 0.999),
    ]
    keys = ("figure", "unit", "measured", "relation", "target")
    return [dict(zip(keys, row, strict=True)) | {"reached": _reached(*row[2:])} for row in rows]


def _reached(value: float | None, relation: str, target: float) -> bool | None:
    if value is None:
        return None
    margin = 1e-9  # a rate of exactly the target must not fail by rounding
    return value >= target - margin if relation == ">=" else value <= target + margin


def notes(report: dict[str, Any], rollouts: Rollouts) -> list[str]:
    """What is missing or doubtful in this report."""
    found = [f"{mode}: no trial was run" for mode, trials in rollouts.trials.items() if not trials]
    if not report["episodes"]:
        found.append("no demonstrations below episodes/: nothing to compare jumps with")
    if report["train_seconds"] is None:
        found.append("no training summary beside the checkpoint: the duration of the training is unknown")
    if rollouts.trials["rtc"] and report["realtime_factor"] is None:
        found.append("no ControllerStatus in the rtc trials: nothing is known of the control loop's timing")
    trials = [trial for trials in rollouts.trials.values() for trial in trials]
    if report["commit"] is None:
        found.append("the source tree is under no git that could be asked: its commit is unknown")
    cut = [f"{trial.mode}/{trial.path.name}" for trial in trials if trial.truncated]
    if cut:
        found.append(f"cut off, counted with what is whole: {', '.join(cut)}")
    missing = sum(trial.recording.timeline.missing for trial in trials)
    if missing:
        found.append(
            f"{missing} acknowledged chunks are not in the bags: their time counts as starved, no jump as theirs"
        )
    return found


def _per_mode(values: dict[str, Any]) -> dict[str, Any]:
    return {mode: values.get(mode) for mode in MODES}


def _rate(trials: Sequence[Trial]) -> float:
    return sum(trial.success for trial in trials) / len(trials)


def _interval(trials: Sequence[Trial]) -> list[float]:
    proportion = wilson(sum(trial.success for trial in trials), len(trials))
    return [proportion.low, proportion.high]


def _sum(run: dict[str, tuple[Trial, ...]], measure: Any) -> dict[str, int | None]:
    return _per_mode({mode: sum(measure(trial) for trial in trials) for mode, trials in run.items()})


def _refused(trials: Sequence[Trial]) -> dict[str, int]:
    return dict(sum((trial.recording.refused for trial in trials), Counter()))


def _paired(rollouts: Rollouts, mode: str) -> dict[str, Any] | None:
    rtc, other = rollouts.by_seed("rtc"), rollouts.by_seed(mode)
    seeds = sorted(rtc.keys() & other.keys())
    if not seeds:
        return None
    found = asdict(paired_difference([rtc[seed].success for seed in seeds], [other[seed].success for seed in seeds]))
    return {"only_rtc": found.pop("only_a"), "only_other": found.pop("only_b")} | found
