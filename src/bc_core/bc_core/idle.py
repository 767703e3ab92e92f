"""Stretches in which the operator did nothing: the command stands still. Found, so that they can be cut or weigh less.

A policy trained on them learns to stand: where the demonstrator stopped to think, "do nothing" is the label.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bc_core.chunks import ActionGroup, Space
from bc_core.dataset import EpisodeTicks
from bc_core.schema import Section


@dataclass(frozen=True)
class IdleRule:
    """A stretch is idle where nothing moves faster than `speed` [rad/s or m/s] for at least `seconds`.

    weight: what its frames weigh in training, relative to 1; 0 leaves them out.
    """

    speed: float = 0.005
    seconds: float = 0.5
    weight: float = 0.0

    @classmethod
    def from_section(cls, section: Section) -> "IdleRule":
        """Keys speed, seconds, weight; what is not given is default."""
        rule = cls(
            speed=section.number("speed", cls.speed, minimum=0.0),
            seconds=section.number("seconds", cls.seconds, minimum=0.0, maximum=3600.0),
            weight=section.number("weight", cls.weight, minimum=0.0, maximum=1.0),
        )
        section.finish()
        return rule


def idle_ticks(
    episode: EpisodeTicks, groups: tuple[ActionGroup, ...], dt: float, rule: IdleRule
) -> npt.NDArray[np.bool_]:
    """Whether each tick lies in an idle stretch, shape (T,); ticks without a command do not.

    Speed is that of the command from tick to tick; of a pose, that of its position and of its rotation vector.
    """
    commands = episode.commands
    still = np.zeros(len(commands), dtype=np.bool_)
    if len(commands) > 1:
        speed: npt.NDArray[np.float64] = np.zeros(len(commands) - 1)
        for group in groups:
            columns = commands[:, group.offset : group.offset + group.width]
            speed = np.maximum(speed, _speed(columns, group.space, dt))
        still[:-1] = speed <= rule.speed  # NaN, no command: false
        still[-1] = still[-2]
    return _long_runs(still & episode.has_command, round(rule.seconds / dt))


def idle_weight(
    episode: EpisodeTicks, groups: tuple[ActionGroup, ...], dt: float, rule: IdleRule | None
) -> npt.NDArray[np.float64]:
    """Weight of every tick, shape (T,): 1, or the rule's where the episode idles. None: 1 everywhere."""
    if rule is None:
        return np.ones(len(episode.commands))
    return np.where(idle_ticks(episode, groups, dt, rule), rule.weight, 1.0)


def _speed(columns: npt.NDArray[np.float64], space: Space, dt: float) -> npt.NDArray[np.float64]:
    steps = np.abs(np.diff(columns, axis=0))
    if space == Space.CARTESIAN_POSE:
        position, quaternion = columns[:, :3], columns[:, 3:]
        cosine = np.abs(np.sum(quaternion[1:] * quaternion[:-1], axis=1)).clip(max=1.0)
        angle = 2.0 * np.arccos(cosine)
        return np.asarray(np.maximum(np.linalg.norm(np.diff(position, axis=0), axis=1), angle) / dt)
    return np.asarray(steps.max(axis=1) / dt)


def _long_runs(flags: npt.NDArray[np.bool_], least: int) -> npt.NDArray[np.bool_]:
    """Only those runs of true that are at least so long."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    kept = np.zeros_like(flags)
    for begin, end in zip(edges[::2], edges[1::2], strict=True):
        kept[begin:end] = end - begin >= least
    return kept
