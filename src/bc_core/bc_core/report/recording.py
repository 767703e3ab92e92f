"""What one bag says: chunks in force, refusals, modes, motion and the health of the control loop.

Messages are read by duck typing; nothing here knows where they came from.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from bc_core.chunks import ActionChunk, ActionGroup, Array
from bc_core.commands import (
    ACK_TOPIC,
    COMMAND_TOPICS,
    MODE_TOPIC,
    CommandTimeline,
    ack_key,
    chunk_from_message,
    chunk_key,
    read_timeline,
)
from bc_core.fields import stamp_ns, time_ns
from bc_core.grid import Grid

STATE_TOPIC, STATUS_TOPIC, SCHEDULER_TOPIC = "controller/state", "controller/status", "scheduler/status"
TOPICS = (*COMMAND_TOPICS, ACK_TOPIC, MODE_TOPIC, STATE_TOPIC, STATUS_TOPIC, SCHEDULER_TOPIC)
HOLD_MODE, POLICY_MODE = 0, 1  # bc_msgs/ControlMode
IN_FORCE = 1  # bc_msgs/ChunkAck
REASONS = (  # bc_msgs/ChunkAck, by value
    "none",
    "size",
    "layout",
    "not finite",
    "old sequence",
    "foreign epoch",
    "wrong source",
    "expired",
    "clock",
    "timing",
    "superseded",
    "overflow",
)
HEALTH = (  # of bc_msgs/ControllerStatus
    "rate_hz",
    "realtime_factor",
    "periods",
    "late_over_1ms",
    "late_p99_us",
    "late_max_us",
    "update_p50_us",
    "update_p99_us",
)


@dataclass(frozen=True)
class InForce:
    """A chunk that took effect. epoch: the controller's. raw_jump: its own measurement, before any smoothing [rad].

    execution_horizon: s of the request that it answers; residual_at_row_d: the step at row d that the splice took away
    [rad], NaN where there was none to take. Both from the scheduler's status; None where there is no status.
    """

    chunk: ActionChunk
    source: str
    effective_ns: int
    epoch: int
    raw_jump: float
    execution_horizon: int | None
    residual_at_row_d: float | None

    def delay(self, grid: Grid) -> int:
        """d = k_effect - k_obs [ticks]: the first tick at or after the effect, less the tick of the observation."""
        return grid.ceil(self.effective_ns) - grid.ceil(self.chunk.stamp_ns)


@dataclass(frozen=True)
class ModeChange:
    """One message of controller/mode."""

    stamp_ns: int
    mode: int
    reason: str


@dataclass(frozen=True)
class Motion:
    """Samples of controller/state: time_ns (N,), the rest (N, J) in rad and Nm."""

    time_ns: npt.NDArray[np.int64]
    joint_names: tuple[str, ...]
    position: Array
    reference: Array
    effort: Array

    @property
    def error(self) -> Array:
        """Reference less measured position [rad], (N, J)."""
        return self.reference - self.position


@dataclass(frozen=True)
class Recording:
    """One bag, as far as the report needs it; sequences in order of time.

    health: stamp_ns and the figures named in HEALTH of the last ControllerStatus; empty: none was recorded.
    start_ns, end_ns: times of the first and the last message of the controller.
    """

    in_force: tuple[InForce, ...]
    timeline: CommandTimeline
    modes: tuple[ModeChange, ...]
    refused: Counter[str]
    motion: Motion
    health: dict[str, float]
    start_ns: int
    end_ns: int


def read_recording(messages: Iterable[tuple[str, Any]], groups: tuple[ActionGroup, ...], where: str) -> Recording:
    """Build a Recording from (topic, message) pairs of TOPICS in any order; other topics are ignored.

    groups, where: as in bc_core.commands.read_timeline.
    """
    by_topic: dict[str, list[Any]] = {topic: [] for topic in TOPICS}
    for topic, message in messages:
        if topic in by_topic:
            by_topic[topic].append(message)
    for stamped in by_topic.values():
        stamped.sort(key=stamp_ns)
    acks, modes, states, statuses = (by_topic[topic] for topic in (ACK_TOPIC, MODE_TOPIC, STATE_TOPIC, STATUS_TOPIC))
    # The stamp of a chunk may lie ahead, that of a latched mode long ago: neither says when the recording ran.
    times = [stamp_ns(message) for message in (*acks, *states, *statuses)]
    return Recording(
        in_force=_in_force(by_topic),
        timeline=read_timeline(((topic, message) for topic in by_topic for message in by_topic[topic]), groups, where),
        modes=tuple(ModeChange(stamp_ns(message), int(message.mode), message.reason) for message in modes),
        refused=Counter(_reason(ack.reason) for ack in acks if ack.verdict != IN_FORCE),
        motion=_motion(states),
        health=_health(statuses[-1]) if statuses else {},
        start_ns=min(times, default=0),
        end_ns=max(times, default=0),
    )


def _in_force(by_topic: dict[str, list[Any]]) -> tuple[InForce, ...]:
    """Pair acknowledgements with chunks by (source, producer_id, sequence); those without a chunk are left out."""
    chunks = {chunk_key(topic, message): message for topic in COMMAND_TOPICS for message in by_topic[topic]}
    statuses = by_topic[SCHEDULER_TOPIC]
    times = [stamp_ns(status) for status in statuses]
    found = []
    for ack in by_topic[ACK_TOPIC]:
        message = chunks.get(ack_key(ack))
        chunk = chunk_from_message(message) if message is not None and ack.verdict == IN_FORCE else None
        if chunk is None:
            continue
        # The scheduler reports after every acknowledgement: its first status from then on belongs to this chunk.
        after = int(np.searchsorted(times, stamp_ns(ack)))
        status = statuses[after] if after < len(statuses) and ack.source == "policy" else None
        found.append(
            InForce(
                chunk=chunk,
                source=ack.source,
                effective_ns=time_ns(ack.effective),
                epoch=int(ack.mode_epoch),
                raw_jump=float(ack.raw_jump),
                execution_horizon=None if status is None else int(status.execution_horizon),
                residual_at_row_d=None if status is None else float(status.residual_at_row_d),
            )
        )
    return tuple(sorted(found, key=lambda item: item.effective_ns))


def _motion(states: list[Any]) -> Motion:
    if not states:
        none = np.empty((0, 0))
        return Motion(np.empty(0, dtype=np.int64), (), none, none, none)
    return Motion(
        time_ns=np.array([stamp_ns(state) for state in states], dtype=np.int64),
        joint_names=tuple(states[0].joint_names),
        position=np.array([state.position for state in states], dtype=np.float64),
        reference=np.array([state.position_reference for state in states], dtype=np.float64),
        effort=np.array([state.effort for state in states], dtype=np.float64),
    )


def _health(status: Any) -> dict[str, float]:
    return {"stamp_ns": float(stamp_ns(status))} | {name: float(getattr(status, name)) for name in HEALTH}


def _reason(value: int) -> str:
    return REASONS[value] if value < len(REASONS) else f"reason {value}"
