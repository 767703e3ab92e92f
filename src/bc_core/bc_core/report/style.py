"""How plots look, and how they get into the page."""

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

INK, MUTED, RULE, PAPER = "#1c2430", "#66707d", "#dfe3e8", "#ffffff"
MODE_COLOURS = {"no_delay": "#3c8d5a", "rtc": "#1b62c4", "naive": "#d5562b", "sync": "#7d6bb0"}
MODE_NAMES = {"no_delay": "without delay", "rtc": "RTC", "naive": "naive switching", "sync": "synchronous"}
FROZEN, GUIDED, FREE = "#12325e", "#3f8ae0", "#f0a03c"
BAND = "#c8d6e6"  # wide line under dots
ALARM = "#c3272b"
JOINT_COLOURS = ("#12325e", "#1b62c4", "#4aa3df", "#3c8d5a", "#b5a327", "#e07b28", "#b3364b")

_SETTINGS: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9.5,
    "text.color": INK,
    "axes.edgecolor": RULE,
    "axes.facecolor": PAPER,
    "axes.labelcolor": MUTED,
    "axes.labelsize": 9.5,
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": RULE,
    "grid.linewidth": 0.6,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "figure.facecolor": PAPER,
    "svg.fonttype": "path",
    "svg.hashsalt": "bc_ros",  # the same data give the same file
}


@contextmanager
def plot(
    width: float, height: float, rows: int = 1, columns: int = 1, **options: Any
) -> Iterator[tuple[Figure, list[Axes]]]:
    """A figure of `width` x `height` inches with rows * columns axes (row by row), drawn without a display."""
    with matplotlib.rc_context(_SETTINGS):
        figure = Figure(figsize=(width, height), layout="constrained")
        axes = figure.subplots(rows, columns, squeeze=False, **options)
        yield figure, [axis for row in axes for axis in row]


def as_svg(figure: Figure) -> str:
    """The figure as a data URI."""
    buffer = BytesIO()
    with matplotlib.rc_context(_SETTINGS):
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return "data:image/svg+xml;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
