"""What the conditions of skills look at: newest samples of the contract's observations, by the contract's own rules."""

from collections.abc import Iterable
from dataclasses import replace

from bc_core.contract import Contract, Observation
from bc_core.errors import BcError
from bc_core.fields import ObservationError, column_names
from bc_core.frames import FrameAssembler
from bc_core.resampling import Value
from bc_core.skills.clause import OUTCOMES, TASK_STREAM, Bound
from bc_core.skills.library import Library

_TASK = Observation(
    name=TASK_STREAM,
    topic="task/state",
    type="bc_msgs/msg/TaskState",
    fields=OUTCOMES,
    names=(),
    shape=(),
    encoding="",
    unit="",
    rate=20.0,
    rule="asof",
    latency=0.0,
    max_age=0.25,
)
"""What a simulation, or whoever judges the task, tells at every tick."""


class World:
    """The numbers that a library's conditions need, and one image for those who choose by sight.

    camera: an image observation; empty: none. BcError names the condition whose stream or column the contract lacks.
    """

    def __init__(self, contract: Contract, library: Library, camera: str = "") -> None:
        self.contract = replace(contract, observations={**contract.observations, TASK_STREAM: _TASK})
        self._columns: dict[Bound, int] = {}
        for skill in library.values():
            for name, clause in skill.clauses():
                for bound in clause.all_bounds():
                    self._columns[bound] = self._column(bound, f"skill '{skill.name}' in '{library.where}': {name}")
        if camera and not self._observation(camera, "camera").is_picture:
            raise BcError(f"camera '{camera}' is no image that shows colours in contract '{contract.name}'")
        streams = dict.fromkeys([bound.stream for bound in self._columns] + ([camera] if camera else []))
        self._assemblers = {stream: FrameAssembler(self.contract, (stream,)) for stream in streams}

    @property
    def assemblers(self) -> Iterable[FrameAssembler]:
        """To be fed with samples: one for each stream, so that one that is missing does not hide the others."""
        return self._assemblers.values()

    def begin(self, time_ns: int) -> None:
        """From now on nothing counts that was seen before this time: another scene, or driver."""
        for assembler in self._assemblers.values():
            assembler.begin(time_ns)

    def newest(self, stream: str, tick: int) -> Value:
        """The value of a stream at a tick. ObservationError: missing, or too old."""
        return self._assemblers[stream].frame(tick).values[stream][-1]

    def number(self, bound: Bound, tick: int) -> float:
        """The number that a bound is about. ObservationError as `newest`."""
        value, column = self.newest(bound.stream, tick), self._columns[bound]
        if column >= value.shape[0]:
            raise ObservationError(bound.stream, f"has {value.shape[0]} numbers, '{bound.column}' is not among them")
        return float(value[column])

    def _observation(self, stream: str, who: str) -> Observation:
        if stream not in self.contract.observations:
            known = ", ".join(name for name in self.contract.observations if name != TASK_STREAM)
            raise BcError(f"{who}: contract '{self.contract.name}' has no observation '{stream}' (known: {known})")
        return self.contract.observations[stream]

    def _column(self, bound: Bound, who: str) -> int:
        observation = self._observation(bound.stream, who)
        if observation.is_image:
            raise BcError(f"{who}: observation '{bound.stream}' is an image: name one that has numbers")
        names = column_names(observation, len(observation.fields) * max(1, len(observation.names)))
        found = [i for i, name in enumerate(names) if f".{name}".endswith(f".{bound.column}")]
        if len(found) != 1:
            state = "several columns" if found else "no column"
            short = ", ".join(name.removeprefix(f"{bound.stream}.") for name in names)
            raise BcError(f"{who}: '{bound.stream}' has {state} '{bound.column}': name one of {short}")
        return found[0]
