"""A survey as one HTML file that needs nothing else."""

from pathlib import Path

from bc_core.report.templates import page_environment
from bc_core.survey.plots import OUTCOME_COLOURS, coverage_plot, length_plot, stream_plot
from bc_core.survey.summary import Survey, totals


def render_page(survey: Survey) -> str:
    """The page; episodes that cannot be read are told at its top, like all others that stand out."""
    readable = survey.readable
    return (
        page_environment("bc_core.survey")
        .get_template("page.html.j2")
        .render(
            roots=survey.roots,
            totals=totals(survey),
            episodes=survey.episodes,
            flags=survey.flags,
            names={path: Path(path).name for path in survey.flags},
            colours=OUTCOME_COLOURS,
            lengths=length_plot(readable) if readable else None,
            streams=stream_plot(readable),
            coverage=coverage_plot(readable),
        )
    )
