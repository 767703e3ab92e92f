"""What the cells say: paired differences, and each of the lecture's claims confirmed, refuted, or open."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from bc_core.report.statistics import PairedDifference, mean_interval, paired_difference
from benchmarks.claims import CONFIRMED, MIXED, OPEN, REFUTED, judged, make_claim, told
from benchmarks.policies.cells import CHUNKS, HISTORIES, LENGTHS, SHARES
from benchmarks.policies.plan import PATIENT

Row = Mapping[str, Any]
GENERATIVE = ("chain", "mixture", "lstm_gmm", "vqbet", "diffusion", "diffusion_transformer", "flow", "flow_transformer")


def find(rows: Sequence[Row], task: str, arm: str, **others: Any) -> list[Row]:
    """The rows of a task and head, of all seeds, with the usual chunks, history, experts and patience unless told."""
    horizon = CHUNKS[task.split("_")[0]][0]
    usual = {"horizon": horizon, "history": 1, "careless": 0.0, "patience": 1.0}
    wanted = {"task": task, "arm": arm, **usual, **others}
    return [row for row in rows if all(row[key] == value for key, value in wanted.items())]


def rate(found: Sequence[Row]) -> float | None:
    return sum(row["solved"] for row in found) / len(found) if found else None


def difference(first: Sequence[Row], second: Sequence[Row]) -> PairedDifference | None:
    """First less second over the same training seeds and episodes. Its interval is that over episodes; of several
    seeds it reaches as far as that over trainings, too."""
    seeds = common_seeds(first, second)
    if not seeds:
        return None
    each = [paired_difference(_episodes(first, [seed]), _episodes(second, [seed])) for seed in seeds]
    result = paired_difference(_episodes(first, seeds), _episodes(second, seeds))
    if len(each) == 1:
        return result
    _, low, high = mean_interval([one.difference for one in each])
    return replace(result, low=max(-1.0, min(low, result.low)), high=min(1.0, max(high, result.high)))


def common_seeds(first: Sequence[Row], second: Sequence[Row]) -> list[int]:
    return sorted({row["seed"] for row in first} & {row["seed"] for row in second})


def _episodes(rows: Sequence[Row], seeds: Sequence[int]) -> list[bool]:
    """Which were solved, seed after seed."""
    return [good == "1" for seed in seeds for row in rows if row["seed"] == seed for good in row["episodes"]]


def pairs(rows: Sequence[Row], other: str = "l2") -> list[dict[str, Any]]:
    """Every head less `other` on the tasks on which all are compared."""
    found = []
    for task in dict.fromkeys(row["task"] for row in rows):
        for arm in dict.fromkeys(row["arm"] for row in rows if row["task"] == task):
            result = difference(find(rows, task, arm), find(rows, task, other)) if arm != other else None
            if result is not None:
                found.append({"task": task, "arm": arm, "difference": result.difference, "low": result.low,
                              "high": result.high})  # fmt: skip
    return found


def claims(rows: Sequence[Row]) -> list[dict[str, str]]:
    """The lecture's claims: text, verdict and figures. Open: cells are missing, or the interval holds 0."""
    return [
        _averaging(rows),
        *[_bins(rows, patience) for patience in (1.0, PATIENT)],
        *[_lengths(rows, task) for task in ("catch", "fork")],
        _styles(rows),
        *_bad(rows),
        _history(rows),
    ]


def _averaging(rows: Sequence[Row]) -> dict[str, str]:
    text = "L2 averages two ways into one that is none, and fails at the fork"
    l2 = rate(find(rows, "fork", "l2"))
    others = {arm: share for arm in GENERATIVE if (share := rate(find(rows, "fork", arm))) is not None}
    if l2 is None or not others:
        return make_claim(text, OPEN, "cells are missing")
    best = max(others, key=lambda arm: others[arm])
    result = difference(find(rows, "fork", best), find(rows, "fork", "l2"))
    assert result is not None
    figures = f"L2 {l2:.0%}, generative heads {min(others.values()):.0%} to {max(others.values()):.0%}; {best} less L2 "
    return make_claim(text, CONFIRMED if l2 < 0.5 and result.low > 0.0 else judged(result), figures + told(result))


def _bins(rows: Sequence[Row], patience: float) -> dict[str, str]:
    text = "Independent bins break what belongs together, autoregressive ones do not"
    if patience > 1.0:
        text += f" ({patience:g} times the steps)"
    chain, bins = (find(rows, "fork", arm, patience=patience) for arm in ("chain", "bins"))
    result = difference(chain, bins)
    if result is None:
        return make_claim(text, OPEN, "cells are missing")
    figures = f"at the fork, autoregressive {rate(chain) or 0.0:.0%}, less independent {told(result)}"
    return make_claim(text, judged(result), figures)


def _lengths(rows: Sequence[Row], task: str) -> dict[str, str]:
    text = f"Longer chunks help at first and hurt when they are too long ({task})"
    found = {length: find(rows, task, "flow", horizon=length) for length in LENGTHS}
    if not all(found.values()):
        return make_claim(text, OPEN, "cells are missing")
    shares = {length: rate(each) or 0.0 for length, each in found.items()}
    best = max(shares, key=lambda length: shares[length])
    rise, fall = difference(found[best], found[LENGTHS[0]]), difference(found[best], found[LENGTHS[-1]])
    assert rise is not None and fall is not None
    both = best not in (LENGTHS[0], LENGTHS[-1]) and rise.low > 0.0 and fall.low > 0.0
    figures = ", ".join(f"H = {length}: {share:.0%}" for length, share in shares.items())
    figures += f"; best (H = {best}) less H = 1 {told(rise)}, less H = {LENGTHS[-1]} {told(fall)}"
    half = "the fall only" if fall.low > 0.0 else "the rise only" if rise.low > 0.0 else REFUTED
    return make_claim(text, CONFIRMED if both else half, figures)


def _styles(rows: Sequence[Row]) -> dict[str, str]:
    text = "ACT's CVAE matters for human-like demonstrations and not for scripted ones"
    human = difference(find(rows, "fork", "act"), find(rows, "fork", "act_plain"))
    scripted = difference(find(rows, "fork_scripted", "act"), find(rows, "fork_scripted", "act_plain"))
    if human is None or scripted is None:
        return make_claim(text, OPEN, "cells are missing")
    verdict = CONFIRMED if human.low > 0.0 and scripted.low <= 0.0 <= scripted.high else REFUTED
    return make_claim(text, verdict, f"with less without: human-like {told(human)}, scripted {told(scripted)}")


def _bad(rows: Sequence[Row]) -> list[dict[str, str]]:
    """Against L2 and against L1: the median ignores a minority."""
    found = []
    for loss in ("l2", "l1"):
        text = f"Generative heads absorb bad demonstrations better than regression ({loss.upper()})"
        figures, results = [], []
        for share in SHARES[1:]:
            for arm in ("mixture", "diffusion", "flow"):
                result = difference(
                    find(rows, "fork_left", arm, careless=share), find(rows, "fork_left", loss, careless=share)
                )
                if result is not None:
                    results.append(result)
                    figures.append(f"{arm} at {share:.0%} bad {told(result)}")
        if not results:
            found.append(make_claim(text, OPEN, "cells are missing"))
            continue
        better, worse = all(r.low > 0.0 for r in results), all(r.high < 0.0 for r in results)
        verdict = CONFIRMED if better else REFUTED if worse else MIXED
        found.append(make_claim(text, verdict, f"less {loss.upper()}: " + ", ".join(figures)))
    return found


def _history(rows: Sequence[Row]) -> dict[str, str]:
    """Of demonstrations that pulse: what L2 cannot explain is what is still open, given what is seen."""
    text = "History reduces multimodality: what was done before says what comes next"
    found = {k: find(rows, "balance", "l2", history=k) for k in HISTORIES}
    if not all(found.values()):
        return make_claim(text, OPEN, "cells are missing")
    left = {k: sum(row["held_out"] for row in each) / len(each) for k, each in found.items()}
    figures = "unexplained share of the variance by ticks seen: " + ", ".join(f"{k}: {v:.2f}" for k, v in left.items())
    most, verdict = HISTORIES[-1], OPEN
    seeds = common_seeds(found[most], found[1])
    if len(seeds) > 1:
        of = {(k, row["seed"]): row["held_out"] for k in (1, most) for row in found[k]}
        mean, low, high = mean_interval([of[1, seed] - of[most, seed] for seed in seeds])
        verdict = CONFIRMED if low > 0.0 else REFUTED if high < 0.0 else OPEN
        figures += f"; 1 less {most} {mean:+.3f} ({low:+.3f} to {high:+.3f}, {len(seeds)} trainings)"
    flow = {k: rate(find(rows, "balance", "flow", history=k)) for k in HISTORIES}
    if all(share is not None for share in flow.values()):
        figures += "; success of flow: " + ", ".join(f"{k}: {share:.0%}" for k, share in flow.items())
    return make_claim(text, verdict, figures)
