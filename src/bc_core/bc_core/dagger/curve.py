"""How rounds compare: a table for the terminal and a learning curve.

An account is what a round's round.json holds: round, episodes, trials (seed -> success), corrected (None in round 0;
else `expert_rows` and `share`), and what training says.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib

from bc_core.report.statistics import Proportion, paired_difference, wilson
from bc_core.report.style import plot

Account = Mapping[str, Any]
_COLOURS = ("#1b62c4", "#d5562b")


def success(account: Account) -> Proportion:
    """Of the round's policy alone, with its 95 % interval. ValueError without trials."""
    trials = account["trials"]
    return wilson(sum(trials.values()), len(trials))


def intervention_rate(account: Account) -> float | None:
    """Share of the driving that was the expert's while the policy of the round before was to drive: ticks of a human
    who corrects, chunks of an expert that is asked. None: nobody drove.
    """
    corrected = account["corrected"]
    return None if not corrected or corrected["share"] is None else float(corrected["share"])


def gain(account: Account, first: Account) -> str:
    """Difference of the success rate to round 0's on the scenes that both have, with its 95 % interval."""
    seeds = [seed for seed in account["trials"] if seed in first["trials"]]
    if account is first or not seeds:
        return "-"
    change = paired_difference([account["trials"][s] for s in seeds], [first["trials"][s] for s in seeds])
    return f"{100 * change.difference:+.0f} ({100 * change.low:+.0f} to {100 * change.high:+.0f})"


def format_table(accounts: Sequence[Account]) -> str:
    """One line per round."""
    rows = [("round", "episodes", "frames", "expert rows", "intervened", "success % (95 %)", "to round 0, points")]
    for account in accounts:
        rate, corrected = success(account), account["corrected"]
        share = intervention_rate(account)
        rows.append(
            (
                str(account["round"]),
                str(account["episodes"]),
                "-" if account["frames"] is None else str(account["frames"]),
                "-" if corrected is None else str(corrected["expert_rows"]),
                "-" if share is None else f"{100 * share:.1f} %",
                f"{100 * rate.rate:.0f} ({100 * rate.low:.0f}-{100 * rate.high:.0f})",
                gain(account, accounts[0]),
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)


def write_curve(accounts: Sequence[Account], path: Path) -> None:
    """Success and intervention rate by round, as SVG; the same accounts give the same file."""
    rounds = [account["round"] for account in accounts]
    rates = [success(account) for account in accounts]
    with plot(6.4, 5.0, rows=2, sharex=True) as (figure, (above, below)):
        errors = [[r.rate - r.low for r in rates], [r.high - r.rate for r in rates]]
        above.errorbar(
            rounds, [r.rate for r in rates], yerr=errors, marker="o", capsize=3, color=_COLOURS[0], clip_on=False
        )
        above.set(title="Success without corrections (95 % interval)", ylim=(0.0, 1.0), ylabel="share of trials")
        shares = [(account["round"], intervention_rate(account)) for account in accounts]
        known = [(number, share) for number, share in shares if share is not None]
        if known:
            below.plot([n for n, _ in known], [share for _, share in known], marker="o", color=_COLOURS[1])
        below.set(title="Driven by the expert in episodes of the round before's policy", xlabel="round")
        below.set(ylim=(0.0, None), ylabel="share", xticks=rounds)
        path.parent.mkdir(parents=True, exist_ok=True)
        with matplotlib.rc_context({"svg.hashsalt": "bc_ros", "svg.fonttype": "path"}):
            figure.savefig(path, format="svg", metadata={"Date": None})
