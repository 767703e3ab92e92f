"""A policy as one HTML file that needs nothing else: summary.html of a training run, and of `bcros eval`."""

from collections.abc import Mapping, Sequence
from typing import Any

from bc_core.chunks import Array
from bc_core.evaluation import plots
from bc_core.evaluation.chunks import RowErrors
from bc_core.policies.chunk_policy import ChunkPolicy
from bc_core.report.templates import page_environment
from bc_core.training.curves import Curves
from bc_core.training.data import Frames

PAGE = "summary.html"


def render_page(
    title: str,
    facts: Mapping[str, Any],
    shown: str,
    policy: ChunkPolicy,
    frames: Frames,
    predicted: Array,
    errors: Sequence[RowErrors],
    curves: Curves | None = None,
) -> str:
    """facts: name -> value, tiles at the top. shown: which frames errors and samples are of. curves: of training."""
    return (
        page_environment("bc_core.evaluation")
        .get_template("page.html.j2")
        .render(
            title=title,
            facts=facts,
            shown=shown,
            samples=len(predicted),
            head=policy.config.head.type,
            settings=policy.config.to_document(),
            curves=plots.curve_plot(curves) if curves is not None else None,
            scored=bool(curves and curves.scores),
            errors=plots.error_plot(errors, policy.contract.grid.dt),
            table=[_line(error, policy.contract.grid.dt) for error in errors],
            actions=plots.action_plot(policy),
            features=plots.feature_plot(policy, frames),
            chunks=plots.sample_plot(policy, frames, predicted),
        )
    )


def _line(error: RowErrors, dt: float) -> dict[str, Any]:
    """First, middle and last row of a quantity, in thousandths of its unit."""
    rows = sorted({0, len(error.mean) // 2, len(error.mean) - 1})
    cells = [f"{1e3 * error.mean[row]:.2f} ({1e3 * error.p95[row]:.2f})" for row in rows]
    return {"quantity": error.quantity, "unit": f"m{error.unit}", "rows": [f"{dt * row:.2f} s" for row in rows],
            "cells": cells}  # fmt: skip
