"""Say what is installed, what is missing, and how to get it."""

import argparse

from rich.console import Console
from rich.table import Table

from bc_bringup import doctor

_STYLES = {doctor.Status.OK: "green", doctor.Status.MISSING: "bold red", doctor.Status.ABSENT: "yellow"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--problems", action="store_true", help="show only what is not in order")


def run(args: argparse.Namespace) -> int:
    findings = list(doctor.examine())
    table = Table(box=None, pad_edge=False)
    for title in ("", "what", "status", "found", "remedy"):
        table.add_column(title, overflow="fold")
    group = ""
    for finding in findings:
        if args.problems and finding.status is doctor.Status.OK:
            continue
        style = _STYLES[finding.status]
        title, group = ("" if finding.group == group else finding.group), finding.group
        status = f"[{style}]{finding.status.value}[/]"
        table.add_row(f"[bold]{title}[/]", finding.name, status, finding.detail, finding.remedy)
    console = Console()
    (console if console.is_terminal else Console(width=140)).print(table)
    missing = [finding.name for finding in findings if finding.status is doctor.Status.MISSING]
    print(f"missing: {', '.join(missing)}" if missing else "everything that is needed is here")
    return 1 if missing else 0
