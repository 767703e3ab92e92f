"""What a recording holds, by the publishers' own numbers, and what it cost its process."""

import os
import time
from pathlib import Path
from typing import Any

import numpy as np

from bc_core.bags import open_episode
from bc_core.cdr import header_stamp
from benchmarks.record.load import RATES, frame_number, kind


class Cost:
    """Share of a core and greatest memory of a process, from its making to `found`."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._cpu, self._began = _cpu_seconds(pid), time.monotonic()

    def found(self) -> dict[str, float]:
        cpu, wall = _cpu_seconds(self._pid) - self._cpu, time.monotonic() - self._began
        return {"cpu_share_of_one_core": cpu / wall, "peak_memory_mb": _peak_megabytes(self._pid), "seconds": wall}


def account_of(path: Path) -> dict[str, Any]:
    """Messages recorded and lost by topic; lost is what is missing between the first and the last number of a topic.

    age_ms: reception less stamp, p50, p99 and greatest. missing_at_end: messages of the same publisher's other topics
    that came after this topic's last; more than a second of them: the topic stood still, and they count as lost.
    """
    episode = open_episode(path)
    numbers: dict[str, list[int]] = {}
    ages: dict[str, list[int]] = {}
    for topic, received_ns, _, data in episode.raw_messages([t for t in episode.topics if "outcome" not in t]):
        numbers.setdefault(topic, []).append(frame_number(data))
        ages.setdefault(topic, []).append(received_ns - header_stamp(data))
    last = {topic: max(found) for topic, found in numbers.items()}
    topics: dict[str, dict[str, Any]] = {
        topic: {
            "recorded": len(found),
            "lost": max(found) - min(found) + 1 - len(set(found)),
            "hz": len(found) / episode.seconds,
            "missing_at_end": max(last[other] for other in last if kind(other) == kind(topic)) - last[topic],
            "age_ms": [round(float(age) / 1e6, 1) for age in np.quantile(ages[topic], [0.5, 0.99, 1.0])],
        }
        for topic, found in sorted(numbers.items())
    }
    return {
        "topics": topics,
        "lost": sum(topic["lost"] + _stood_still(name, topic["missing_at_end"]) for name, topic in topics.items()),
        "megabytes_per_second": sum(file.stat().st_size for file in path.iterdir()) / episode.seconds / 1e6,
    }


def _stood_still(topic: str, missing: int) -> int:
    return missing if missing > RATES[kind(topic)] else 0


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _peak_megabytes(pid: int) -> float:
    line = next(text for text in Path(f"/proc/{pid}/status").read_text().splitlines() if text.startswith("VmHWM"))
    return int(line.split()[1]) / 1024
