"""report.html: one file that needs nothing else, made of report.json and pictures from the bags."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from bc_core.grid import NANOSECONDS
from bc_core.report.definitions import definitions
from bc_core.report.overlay import overlay_plot
from bc_core.report.plots import delay_plot, jump_plot, motion_plot
from bc_core.report.style import MODE_COLOURS, MODE_NAMES
from bc_core.report.table import measured, number, percent, points, span
from bc_core.report.templates import page_environment
from bc_core.report.trials import MODES, Rollouts, Track, Trial, untracked
from bc_core.report.video import as_data_uri, camera_of, encode_mp4, read_footage

_EXPLAINED_ELSEWHERE = ("targets", "left_out", "notes", "definitions")


def render_page(report: dict[str, Any], rollouts: Rollouts, track: Track = untracked) -> str:
    """The page as HTML. Videos, chunks and motion are shown for one seed, see exhibit_seed."""
    run = {mode: rollouts.trials[mode] for mode in MODES if rollouts.trials[mode]}
    seed, why = exhibit_seed(rollouts)
    exhibits = {mode: rollouts.by_seed(mode).get(seed, trials[0]) for mode, trials in run.items()}
    compared = [exhibits[mode] for mode in ("rtc", "naive") if mode in exhibits] or list(exhibits.values())[:1]
    environment = page_environment("bc_core.report")
    environment.filters |= {"percent": percent, "number": number, "points": points, "span": span, "measured": measured}
    return environment.get_template("page.html.j2").render(
        report=report,
        modes=list(run),
        names=MODE_NAMES,
        colours=MODE_COLOURS,
        contract=next(iter(exhibits.values())).contract,
        ended=_last_end(rollouts),
        seed=seed,
        why=why,
        videos=[(trial, _video(trial)) for trial in track(list(exhibits.values()), "encoding videos")],
        grid=_outcomes(rollouts, list(run)),
        overlay=overlay_plot(compared),
        delays=delay_plot(run["rtc"]) if "rtc" in run else None,
        jumps=jump_plot(run, report["raw_jump"]["demonstrations_step_p99"]),
        motion=motion_plot(compared),
        everything=explained_figures(report),
    )


def exhibit_seed(rollouts: Rollouts) -> tuple[int, str]:
    """The seed to show, and why this one: the first at which RTC succeeds and naive switching fails, else the first."""
    rtc, naive = rollouts.by_seed("rtc"), rollouts.by_seed("naive")
    paired = rollouts.paired_seeds()
    for seed in paired:
        if seed in rtc and seed in naive and rtc[seed].success and not naive[seed].success:
            return seed, "the first seed at which RTC succeeds and naive switching fails"
    if paired:
        return paired[0], "the first seed that every mode ran"
    return next(trials[0].seed for trials in rollouts.trials.values() if trials), "the first seed that was run"


def explained_figures(report: dict[str, Any]) -> list[tuple[str, list[tuple[str, list[str]]], str]]:
    """Rows (figure, [(mode or "", lines of its value)], definition) of all of report.json; headings have no value."""
    meanings = definitions()
    rows = []
    for name, text in meanings.items():
        if name in _EXPLAINED_ELSEWHERE:
            continue
        modes: Sequence[str] = MODES if "MODE" in name else ("",)
        heading = any(other.startswith(f"{name}.") for other in meanings)
        places = [] if heading else [(mode, name.replace("MODE", mode)) for mode in modes]
        found = [(mode, value) for mode, place in places for value in _lookup(report, place)]
        rows.append((name, [(mode, _lines(value)) for mode, value in found], text))
    return rows


def _lookup(report: dict[str, Any], name: str) -> list[Any]:
    """The value at a dotted name, in a list that is empty where there is no such place."""
    value: Any = report
    for key in name.split("."):
        if value is None:
            return [None]
        if key not in value:
            return []
        value = value[key]
    return [value]


def _lines(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [f"{key} {number(item)}" for key, item in value.items()] or ["none"]
    if isinstance(value, list):
        return [f"{number(value[0])} ... {number(value[1])}"]
    return [number(value)]


def _video(trial: Trial) -> str | None:
    """The trial's first camera as a data URI; None: it has no camera, or saw nothing."""
    camera = camera_of(trial.contract)
    footage = read_footage(trial.path, camera) if camera is not None else None
    return as_data_uri(encode_mp4(footage)) if footage is not None and footage.images else None


def _outcomes(rollouts: Rollouts, modes: Sequence[str]) -> list[tuple[str, list[tuple[int, Trial | None]]]]:
    """Per mode the trial of every seed that any mode ran."""
    seeds = sorted({trial.seed for trials in rollouts.trials.values() for trial in trials})
    return [(mode, [(seed, rollouts.by_seed(mode).get(seed)) for seed in seeds]) for mode in modes]


def _last_end(rollouts: Rollouts) -> str:
    """When the last trial ended, UTC."""
    last = max(trial.recording.end_ns for trials in rollouts.trials.values() for trial in trials)
    return datetime.fromtimestamp(last / NANOSECONDS, UTC).strftime("%Y-%m-%d %H:%M UTC")
