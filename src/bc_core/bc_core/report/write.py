"""From a run's directory to report.json and report.html."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bc_core.errors import BcError
from bc_core.report.figures import figures
from bc_core.report.page import render_page
from bc_core.report.trials import Track, load_demonstrations, load_rollouts, untracked


def write_report(root: Path, out: Path, track: Track = untracked) -> dict[str, Any]:
    """Measure the run below `root` (layout: bc_core.report.trials) and write out/report.json and out/report.html.

    track: shows progress over the bags, e.g. rich.progress.track. Returns the contents of report.json; what its figures
    mean: bc_core.report.definitions. BcError: no finished trial, an unreadable bag, or `out` cannot be written.
    """
    root, out = Path(root), Path(out)
    with _writing(out):
        out.mkdir(parents=True, exist_ok=True)
    rollouts = load_rollouts(root, track)
    demonstrations = load_demonstrations(root, track)
    trained = train_seconds(root / "checkpoint")
    report = figures(rollouts, demonstrations, trained, source_commit(), read_timer(root / "timer.json"))
    page = render_page(report, rollouts, track)
    with _writing(out):
        _replace(out / "report.json", json.dumps(report, indent=2, ensure_ascii=False, allow_nan=False) + "\n")
        _replace(out / "report.html", page)
    return report


def train_seconds(checkpoint: Path) -> float | None:
    """Duration of the training that made a checkpoint; None: there is none, or it does not say."""
    file = checkpoint / "config.json"
    if not file.is_file():
        return None
    try:
        seconds = json.loads(file.read_text(encoding="utf-8")).get("training", {}).get("train_seconds")
    except (OSError, ValueError, AttributeError) as error:
        raise BcError(f"checkpoint '{file}' cannot be read ({error}): train again") from error
    return None if seconds is None else float(seconds)


def read_timer(file: Path) -> dict[str, float] | None:
    """How punctual the machine is (`bcros demo` measures it); None: it was not measured."""
    if not file.is_file():
        return None
    try:
        timer = json.loads(file.read_text(encoding="utf-8"))
        return {key: float(timer[key]) for key in ("periods", "late_over_1ms", "late_max_us")}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BcError(f"timer measurement '{file}' cannot be read ({error}): delete it and run again") from error


def source_commit() -> str | None:
    """Commit of the source tree this module lies in, "-dirty" with changes; None: no git, or no repository."""
    command = ["git", "describe", "--always", "--abbrev=40", "--dirty", "--exclude=*"]
    try:
        result = subprocess.run(
            command, cwd=Path(__file__).resolve().parent, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return result.stdout.strip()


@contextmanager
def _writing(out: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = f"the report cannot be written to {out} ({error.strerror})"
        raise BcError(f"{reason}: free space, or name another directory") from error


def _replace(file: Path, text: str) -> None:
    """Write in one step: a reader finds the old or the new file, never half of one."""
    temporary = file.with_name(file.name + ".tmp")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(file)
