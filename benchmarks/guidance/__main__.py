"""python -m benchmarks.guidance: time of a guided chunk over an unguided one at the reference size, paired."""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.progress import track
from torch import Tensor

from bc_core import guidance
from bc_core.mask import Mask, mask_weights
from benchmarks.guidance import reference
from benchmarks.guidance.reference import BETA, HORIZON, STEPS, ReferencePolicy
from benchmarks.provenance import provenance

GOAL, AIM = 1.45, 1.2
FROZEN, EXECUTED = 6, 25

Head = Callable[[Tensor, Tensor, list[tuple[Tensor, Tensor]]], Tensor]


@dataclass(frozen=True)
class Variant:
    """guided: by VJP. weights_too: the network's parameters ask for gradients, as in a plain implementation.

    once: keys and values of the observation are made once per chunk, not in every flow step. last_step: guided too.
    """

    name: str
    guided: bool
    once: bool = True
    weights_too: bool = False
    last_step: bool = True


VARIANTS = (
    Variant("unguided", guided=False),
    Variant("unguided, keys made in every step", guided=False, once=False),
    Variant("guided", guided=True),
    Variant("guided, last step free", guided=True, last_step=False),
    Variant("guided, keys made in every step", guided=True, once=False),
    Variant("guided, plain: keys in every step, gradients of weights", guided=True, once=False, weights_too=True),
)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.guidance", description=__doc__)
    parser.add_argument("--repeats", type=int, default=40)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--compile", action="store_true", help="torch.compile the head")
    parser.add_argument("--out", default="out/bench/guidance.json")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    seconds = measure(arguments.repeats, arguments.compile)
    document = {
        **provenance(f"make bench-guidance{' COMPILE=1' if arguments.compile else ''}"),
        "threads": arguments.threads,
        "compiled": arguments.compile,
        "repeats": arguments.repeats,
        "variants": summarise(seconds),
        "goal": GOAL,
    }
    path = Path(arguments.out)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=1), encoding="utf-8")
    for row in document["variants"]:
        print(f"{row['name']:58s} {row['ms']:7.1f} ms  x{row['ratio']:.3f} ({row['low']:.3f}-{row['high']:.3f})")
    reached = next(row for row in document["variants"] if row["name"] == "guided")["ratio"] <= GOAL
    print(f"{'reached' if reached else 'MISSED'}: guided over unguided at most {GOAL} (aim {AIM}); {path}")
    return 0 if reached else 1


def measure(repeats: int, compiled: bool) -> dict[str, list[float]]:
    """Seconds per chunk, encoding included, of every variant; each repeat runs all of them, in turning order."""
    torch.manual_seed(0)
    policy = ReferencePolicy().eval()
    head: Head = torch.compile(policy.head) if compiled else policy.head
    images = torch.rand(reference.CAMERAS, 3, reference.SIZE, reference.SIZE)
    target = torch.randn(HORIZON, reference.COLUMNS)
    seconds: dict[str, list[float]] = {variant.name: [] for variant in VARIANTS}
    for repeat in track(range(repeats + 2), description="chunks"):
        turn = repeat % len(VARIANTS)
        for variant in (*VARIANTS[turn:], *VARIANTS[:turn]):
            policy.requires_grad_(variant.weights_too)
            begin = time.perf_counter()
            chunk(policy, head, variant, images, target)
            if repeat >= 2:  # warm by then
                seconds[variant.name].append(time.perf_counter() - begin)
    return seconds


def chunk(policy: ReferencePolicy, head: Head, variant: Variant, images: Tensor, target: Tensor) -> Tensor:
    """One chunk as policy_node would infer it."""
    with torch.no_grad():
        tokens = policy.tokens(images)
        memory = policy.remember(tokens)

    def denoise(actions: Tensor, tau: float) -> Tensor:
        known = memory if variant.once else policy.remember(tokens)
        return head(actions, torch.full((1,), tau), known)

    noise = torch.randn(1, HORIZON, reference.COLUMNS)
    mask = Mask.SOFT if variant.guided else Mask.FREE
    weights = torch.from_numpy(mask_weights(mask, HORIZON, FROZEN, EXECUTED, HORIZON - EXECUTED)).float()
    goal = target if variant.guided else None
    last = None if variant.last_step else torch.zeros_like(weights)
    return guidance.sample(denoise, noise, STEPS, goal, weights, BETA, last)


def summarise(seconds: dict[str, list[float]]) -> list[dict[str, Any]]:
    """Median time, and the median of the paired ratios to "unguided" with a 95 % bootstrap interval."""
    base = np.array(seconds["unguided"])
    rng = np.random.default_rng(0)
    rows = []
    for name, values in seconds.items():
        ratios = np.array(values) / base
        medians = np.median(rng.choice(ratios, (2000, len(ratios))), axis=1)
        low, high = np.quantile(medians, [0.025, 0.975])
        rows.append({
            "name": name,
            "ms": 1e3 * statistics.median(values),
            "ratio": float(np.median(ratios)),
            "low": float(low),
            "high": float(high),
        })  # fmt: skip
    return rows


if __name__ == "__main__":
    sys.exit(main())
