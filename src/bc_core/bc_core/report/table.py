"""The report for the terminal."""

from io import StringIO
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from bc_core.report.style import MODE_NAMES
from bc_core.report.trials import MODES

UNKNOWN = "-"


def format_table(report: dict[str, Any], width: int = 100) -> str:
    """Success per mode and the figures to reach as plain text; `report` as write_report returns it."""
    console = Console(file=StringIO(), width=width, color_system=None)
    console.print(_success(report))
    console.print(_targets(report))
    console.print(_delays(report["delay_ticks"]), highlight=False, soft_wrap=True)
    for note in report["notes"]:
        console.print(f"note: {note}", highlight=False, markup=False)
    assert isinstance(console.file, StringIO)
    return console.file.getvalue().rstrip("\n")


def percent(share: float | None, digits: int = 0) -> str:
    """0.8333 -> "83 %"."""
    return UNKNOWN if share is None else f"{100 * share:.{digits}f} %"


def span(interval: list[float] | None) -> str:
    """[0.74, 0.97] -> "74 ... 97 %"."""
    return UNKNOWN if interval is None else f"{100 * interval[0]:.0f} ... {100 * interval[1]:.0f} %"


def points(row: dict[str, Any] | None) -> str:
    """A paired difference with its interval, in percentage points."""
    if row is None:
        return UNKNOWN
    return f"{100 * row['difference']:+.0f} [{100 * row['low']:+.0f}, {100 * row['high']:+.0f}]"


def number(value: Any) -> str:
    """Any figure, short: at most four significant digits, integers whole."""
    if value is None:
        return UNKNOWN
    if isinstance(value, bool | str):
        return str(value)
    if float(value).is_integer():
        return f"{int(value):,}".replace(",", " ")
    return f"{value:.4g}"


def measured(target: dict[str, Any]) -> tuple[str, str]:
    """The measured value of a target and the target itself, both as text."""
    relation = {">=": "≥", "<=": "≤"}[target["relation"]]
    return _in_unit(target["measured"], target), f"{relation} {_in_unit(target['target'], target)}"


def _in_unit(value: float | None, target: dict[str, Any]) -> str:
    if value is None or not target["unit"]:
        return number(value)
    digits = 0 if float(100 * target["target"]).is_integer() else 2
    return f"{100 * value:.{digits}f} {target['unit']}"


def _success(report: dict[str, Any]) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("mode", no_wrap=True)
    for heading in ("trials", "success", "95 % interval", "RTC less it, points", "starved", "jump p99, rad"):
        table.add_column(heading, justify="right", no_wrap=True)
    for mode in MODES:
        interval = report["success_interval"][mode]
        jump = report["raw_jump"][mode]
        table.add_row(
            MODE_NAMES[mode],
            str(report["trials_by_mode"][mode]),
            percent(report["success"][mode]),
            span(interval),
            "" if mode == "rtc" else points(report["paired"][mode]),
            number(report["starved_ticks"][mode]),
            UNKNOWN if jump is None else number(jump["at_effect_p99"]),
        )
    return table


def _targets(report: dict[str, Any]) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("to reach", no_wrap=True)
    table.add_column("measured", justify="right")
    table.add_column("target", justify="right")
    table.add_column("")
    for target in report["targets"]:
        word = {True: "reached", False: "MISSED", None: "not measured"}[target["reached"]]
        table.add_row(target["figure"], *measured(target), word)
    return table


def _delays(delay: dict[str, Any]) -> str:
    return (
        f"delay of RTC's chunks in ticks: estimated p50 {number(delay['estimated_p50'])}, measured p50 "
        f"{number(delay['measured_p50'])}, max {number(delay['measured_max'])}; "
        f"underestimated for {percent(delay['underestimated_share'], 1)} of {number(delay['chunks'])}"
    )
