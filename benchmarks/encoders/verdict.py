"""What the trials say: paired differences, and what the lecture says of each representation, confirmed or refuted."""

from collections.abc import Mapping, Sequence
from typing import Any

from bc_core.report.statistics import PairedDifference, paired_difference
from benchmarks.claims import CONFIRMED, MIXED, OPEN, REFUTED, judged, make_claim, told
from benchmarks.encoders.arms import ARMS
from benchmarks.encoders.plan import LIGHT, LOOKS, PLAIN, TEXTURE

Row = Mapping[str, Any]


def find(rows: Sequence[Row], arm: str, episodes: int, look: str = PLAIN) -> Row | None:
    """The row of a policy in scenes of one look; None: it was not run."""
    wanted = (arm, episodes, look)
    return next((row for row in rows if (row["arm"], row["episodes"], row["look"]) == wanted), None)


def difference(first: Row | None, second: Row | None) -> PairedDifference | None:
    """First less second over the scenes that both were judged in."""
    if first is None or second is None:
        return None
    return paired_difference(*([good == "1" for good in row["solved"]] for row in (first, second)))


def pairs(rows: Sequence[Row], sizes: Sequence[int]) -> list[dict[str, Any]]:
    """The arms against one another at every size, and every changed look against the look of the demonstrations."""
    found = []

    def add(what: str, episodes: int, first: Row | None, second: Row | None) -> None:
        result = difference(first, second)
        if result is not None:
            found.append({"what": what, "episodes": episodes, "difference": result.difference, "low": result.low,
                          "high": result.high, "p": result.p_value})  # fmt: skip

    names = [arm for arm in ARMS if any(row["arm"] == arm for row in rows)]
    for episodes in sizes:
        for index, arm in enumerate(names):
            for other in names[index + 1 :]:
                what = f"{ARMS[arm].title} less {ARMS[other].title}"
                add(what, episodes, find(rows, arm, episodes), find(rows, other, episodes))
        for look in LOOKS:
            for arm in names if look != PLAIN else ():
                what = f"{ARMS[arm].title}: {look} less {PLAIN}"
                add(what, episodes, find(rows, arm, episodes, look), find(rows, arm, episodes))
    return found


def claims(rows: Sequence[Row], sizes: Sequence[int]) -> list[dict[str, str]]:
    """The lecture's words on input representations: text, verdict and figures. Open: the interval holds 0, or rows are
    missing."""
    few, many = min(sizes), max(sizes)
    middle = sorted(sizes)[len(sizes) // 2]
    return [
        _above("Explicit representations are sample efficient: ahead of pictures from few demonstrations",
               rows, "explicit", "scratch", (few, middle)),
        _above("Intermediate representations need many samples still: explicit ones are ahead of them too",
               rows, "explicit", "mae", (few, middle)),
        _above("A pre-trained encoder needs fewer demonstrations than one trained from scratch",
               rows, "mae", "scratch", (few, middle)),
        _above_with("Minimal representations have a large sample complexity: they gain by more demonstrations",
                    rows, "scratch", few, many),
        _robust("Explicit representations are robust to input variations", rows, "explicit", many),
        _inherited("Intermediate representations inherit robustness from pre-training", rows, many),
    ]  # fmt: skip


def _together(verdicts: Sequence[str]) -> str:
    """One verdict where all agree; what is open does not speak against what is not."""
    spoken = {verdict for verdict in verdicts if verdict != OPEN}
    return OPEN if not spoken else spoken.pop() if len(spoken) == 1 else MIXED


def _above(text: str, rows: Sequence[Row], arm: str, other: str, sizes: Sequence[int]) -> dict[str, str]:
    results = {n: difference(find(rows, arm, n), find(rows, other, n)) for n in dict.fromkeys(sizes)}
    there = {n: result for n, result in results.items() if result is not None}
    if not there:
        return make_claim(text, OPEN, "not run")
    names = f"{ARMS[arm].title} less {ARMS[other].title}"
    figures = f"{names}: " + ", ".join(f"{n} demonstrations {told(result)}" for n, result in there.items())
    return make_claim(text, _together([judged(result) for result in there.values()]), figures)


def _above_with(text: str, rows: Sequence[Row], arm: str, few: int, many: int) -> dict[str, str]:
    result = difference(find(rows, arm, many), find(rows, arm, few))
    if result is None:
        return make_claim(text, OPEN, "not run")
    return make_claim(text, judged(result), f"{ARMS[arm].title}: {many} less {few} demonstrations {told(result)}")


def _robust(text: str, rows: Sequence[Row], arm: str, episodes: int) -> dict[str, str]:
    """Confirmed where neither look costs more than a tenth of the trials, by the interval."""
    plain = find(rows, arm, episodes)
    results = {look: difference(find(rows, arm, episodes, look), plain) for look in (LIGHT, TEXTURE)}
    there = {look: result for look, result in results.items() if result is not None}
    if len(there) < len(results):
        return make_claim(text, OPEN, "not run")
    figures = f"{ARMS[arm].title}: " + ", ".join(f"{look} {told(result)}" for look, result in there.items())
    if all(result.low > -0.1 for result in there.values()):
        return make_claim(text, CONFIRMED, figures)
    return make_claim(text, REFUTED if any(result.high < 0.0 for result in there.values()) else OPEN, figures)


def _inherited(text: str, rows: Sequence[Row], episodes: int) -> dict[str, str]:
    """By what each loses of what it had, of one's own frames here: no picture of pre-training had another light."""
    figures, verdicts = [], []
    for look in (LIGHT, TEXTURE):
        changed = {arm: find(rows, arm, episodes, look) for arm in ("mae", "scratch")}
        result = difference(changed["mae"], changed["scratch"])
        plain = {arm: find(rows, arm, episodes) for arm in changed}
        if result is None:
            continue
        verdicts.append(judged(result))
        losses = [f"{ARMS[arm].title} {_rate(plain[arm]):.0%} to {_rate(changed[arm]):.0%}" for arm in changed]
        figures.append(f"{look}: {', '.join(losses)}, difference of the two {told(result)}")
    return make_claim(text, _together(verdicts), "; ".join(figures)) if figures else make_claim(text, OPEN, "not run")


def _rate(row: Row | None) -> float:
    return 0.0 if row is None else row["solved"].count("1") / len(row["solved"])
