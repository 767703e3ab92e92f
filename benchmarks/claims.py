"""A claim and what a benchmark's cells say of it: confirmed, refuted, or open where the interval holds 0."""

from bc_core.report.statistics import PairedDifference

CONFIRMED, REFUTED, OPEN, MIXED = "confirmed", "refuted", "open", "mixed"


def make_claim(text: str, verdict: str, figures: str) -> dict[str, str]:
    """As the pages read it."""
    return {"claim": text, "verdict": verdict, "figures": figures}


def told(result: PairedDifference) -> str:
    """A difference of success with its interval, in points."""
    return f"{100 * result.difference:+.0f} points ({100 * result.low:+.0f} to {100 * result.high:+.0f})"


def judged(result: PairedDifference) -> str:
    """What a difference that should be above 0 says of the claim."""
    return CONFIRMED if result.low > 0.0 else REFUTED if result.high < 0.0 else OPEN
