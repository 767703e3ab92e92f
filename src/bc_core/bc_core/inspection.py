"""What a bag holds, for a person or a script: `bcros inspect`."""

from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

from bc_core.bags import Episode, find_episodes, open_episode
from bc_core.commands import ACK_TOPIC, MODE_TOPIC, TIMELINE_TYPES
from bc_core.errors import BcError
from bc_core.grid import NANOSECONDS

_UNITS = ("B", "KiB", "MiB", "GiB")


def inspect(path: Path | str) -> dict[str, Any]:
    """Account of one bag, in plain data (JSON).

    Keys: path, name, episode (what episode.json says, without contract and topics), contract (its name), seconds,
    bytes, messages, lost, truncated, damage, topics {name: {type, count, lost, rate_hz, longest_gap_s}}, chunks
    {source: {verdict: count}}, refused {reason: count}, mode_seconds {mode: s}. Raises BcError: no bag there, or not
    one.
    """
    path = Path(path)
    if path.is_dir() and not is_bag(path):
        inside = find_episodes(path)
        hint = f"it holds {len(inside)} bags: name one, e.g. {inside[0]}" if inside else "give an episode's directory"
        raise BcError(f"{path} is no bag: {hint}")
    episode = open_episode(path)
    times = _reception_times(episode)
    topics = {
        name: {"type": topic.type_name, "count": topic.count, "lost": episode.lost.get(name, 0), **_rhythm(times[name])}
        for name, topic in sorted(episode.topics.items())
    }
    chunks, refused, modes = _commands(episode)
    return {
        "path": str(path),
        "name": episode.name,
        "episode": {key: value for key, value in episode.info.items() if key not in ("contract", "topics")},
        "contract": episode.info.get("contract", {}).get("contract", ""),
        "seconds": round(episode.seconds, 6),
        "bytes": sum(file.stat().st_size for file in (path.iterdir() if path.is_dir() else [path])),
        "messages": sum(topic.count for topic in episode.topics.values()),
        "lost": episode.lost_total,
        "truncated": episode.truncated,
        "damage": episode.damage,
        "topics": topics,
        "chunks": chunks,
        "refused": refused,
        "mode_seconds": modes,
    }


def format_text(account: dict[str, Any]) -> str:
    """The account as lines for a terminal."""
    info = account["episode"]
    lines = [
        f"{account['name']}  {account['seconds']:.2f} s, {account['messages']} messages, {_size(account['bytes'])}"
    ]
    for key in ("task", "seed", "operator", "outcome", "reason", "state"):
        if info.get(key) not in (None, ""):
            lines.append(f"  {key:<10} {info[key]}")
    if account["contract"]:
        lines.append(f"  {'contract':<10} {account['contract']}")
    lines += [f"  {'modes':<10} {_pairs(account['mode_seconds'], ' s')}"] if account["mode_seconds"] else []
    for source, verdicts in account["chunks"].items():
        lines.append(f"  {'chunks':<10} {source}: {_pairs(verdicts)}")
    lines += [f"  {'refused':<10} {_pairs(account['refused'])}"] if account["refused"] else []
    width = max((len(name) for name in account["topics"]), default=0)
    lines.append(f"  {'topic':<{width}}  {'messages':>8} {'lost':>6} {'rate':>9} {'longest gap':>12}  type")
    for name, topic in account["topics"].items():
        rate = f"{topic['rate_hz']:.1f} Hz" if topic["rate_hz"] is not None else "-"
        gap = f"{topic['longest_gap_s']:.3f} s" if topic["longest_gap_s"] is not None else "-"
        lines.append(f"  {name:<{width}}  {topic['count']:>8} {topic['lost']:>6} {rate:>9} {gap:>12}  {topic['type']}")
    lines += [f"  note: {text}" for text in info.get("irregularities", [])]
    if account["lost"]:
        lines.append(f"  LOST: {account['lost']} messages")
    if account["truncated"]:
        lines.append(f"  DAMAGED: {account['damage']}")
    return "\n".join(lines)


def is_bag(path: Path) -> bool:
    """Whether a directory is itself a bag, and not one that holds bags."""
    return any(path.glob("*.mcap")) or (path / "metadata.yaml").exists()


def _reception_times(episode: Episode) -> dict[str, list[int]]:
    times: dict[str, list[int]] = {name: [] for name in episode.topics}
    for message in episode.raw_messages():
        times[message.topic].append(message.received_ns)
    return times


def _rhythm(times_ns: list[int]) -> dict[str, float | None]:
    """Mean rate and longest gap between receptions; None with fewer than two."""
    if len(times_ns) < 2 or times_ns[-1] == times_ns[0]:
        return {"rate_hz": None, "longest_gap_s": None}
    gap = max(after - before for before, after in pairwise(times_ns))
    rate = (len(times_ns) - 1) * NANOSECONDS / (times_ns[-1] - times_ns[0])
    return {"rate_hz": round(rate, 3), "longest_gap_s": round(gap / NANOSECONDS, 6)}


def _commands(episode: Episode) -> tuple[dict[str, dict[str, int]], dict[str, int], dict[str, float]]:
    """Verdicts per source, reasons of refusals, and seconds spent in each mode."""
    chunks: dict[str, Counter[str]] = {}
    refused: Counter[str] = Counter()
    modes: Counter[str] = Counter()
    since, mode = episode.start_ns, ""
    ours = [
        name
        for name in (ACK_TOPIC, MODE_TOPIC)
        if name in episode.topics and episode.topics[name].type_name == TIMELINE_TYPES[name]
    ]  # a foreign bag may call something else so; its type is told with the topics
    for topic, received_ns, msg in episode.messages(ours):
        if topic == ACK_TOPIC:
            verdict = constant_name(msg, msg.verdict, ("IN_FORCE", "REFUSED"))
            chunks.setdefault(msg.source, Counter())[verdict] += 1
            if msg.verdict == msg.REFUSED:
                refused[constant_name(msg, msg.reason, exclude=("IN_FORCE", "REFUSED"))] += 1
        else:
            modes[mode] += received_ns - since
            since, mode = received_ns, constant_name(msg, msg.mode)
    modes[mode] += episode.end_ns - since
    seconds = {name: round(duration / NANOSECONDS, 3) for name, duration in modes.items() if name and duration > 0}
    return {source: dict(counts) for source, counts in chunks.items()}, dict(refused), seconds


def constant_name(msg: Any, value: int, among: tuple[str, ...] = (), exclude: tuple[str, ...] = ()) -> str:
    """Name, in lower case, of the message's constant with a value; the number itself where there is none."""
    names = among or tuple(name for name in dir(msg) if name.isupper() and name not in exclude)
    return next((name.lower().replace("_", " ") for name in names if getattr(msg, name) == value), str(value))


def _pairs(counts: dict[str, Any], unit: str = "") -> str:
    return ", ".join(f"{name} {value}{unit}" for name, value in counts.items())


def _size(size: float) -> str:
    unit = 0
    while size >= 1024 and unit < len(_UNITS) - 1:
        size, unit = size / 1024, unit + 1
    return f"{size:.1f} {_UNITS[unit]}"
