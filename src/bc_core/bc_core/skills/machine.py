"""A state machine of skills in YAML (docs/skills.md, "State machine")."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bc_core.errors import BcError
from bc_core.schema import Section
from bc_core.skills.director import Choice
from bc_core.skills.executive import Ended, Outcome
from bc_core.skills.library import DONE, Library, read_yaml

_OUTCOMES = {outcome.value: outcome for outcome in Outcome if outcome is not Outcome.PREEMPTED}
"""What a state may go on from. After a takeover only a person goes on."""


@dataclass(frozen=True)
class State:
    """skill: that is carried out. then: the next state's name by how it ended; DONE: the machine ends."""

    skill: str
    then: Mapping[Outcome, str]


@dataclass(frozen=True)
class Machine:
    """initial: name of the first state. limit: most skills from begin to end."""

    name: str
    initial: str
    states: Mapping[str, State]
    limit: int

    @classmethod
    def load(cls, path: str | Path, library: Library) -> "Machine":
        """Read and check a machine: every skill and state that it names is there, and every state can be reached."""
        section = read_yaml(Path(path), "state machine")
        names = tuple(section.section("states").document)
        states = {name: _state(part, library, (*names, DONE)) for name, part in section.sections("states")}
        if DONE in states:
            raise section.error("states", DONE, "is the end, and has no skill: rename it")
        machine = cls(
            name=section.text("machine"),
            initial=section.text("initial", choices=names),
            states=states,
            limit=section.integer("limit", 100, minimum=1),
        )
        section.finish()
        lost = set(names) - machine._reachable()
        if lost:
            raise section.error("states", sorted(lost), f"cannot be reached from '{machine.initial}': remove them")
        return machine

    def _reachable(self) -> set[str]:
        found: set[str] = set()
        ahead = {self.initial}
        while ahead:
            found |= ahead
            ahead = {target for name in ahead for target in self.states[name].then.values()} - found - {DONE}
        return found

    def diagram(self) -> str:
        """The machine as a Mermaid state diagram."""
        lines = ["stateDiagram-v2", f"    [*] --> {self.initial}"]
        for name, state in self.states.items():
            lines.append(f"    {name}: {name}\\n{state.skill}" if name != state.skill else f"    {name}")
            for target in dict.fromkeys(state.then.values()):
                outcomes = ", ".join(outcome.value for outcome, to in state.then.items() if to == target)
                lines.append(f"    {name} --> {'[*]' if target == DONE else target}: {outcomes}")
        return "\n".join(lines)


class MachineSelector:
    """Goes through a machine (bc_core.skills.director.Selector)."""

    def __init__(self, machine: Machine) -> None:
        self.name = f"state machine '{machine.name}'"
        self._machine = machine
        self.begin()

    def begin(self) -> None:
        self._state = ""
        self._count = 0

    def choose(self, last: Ended | None, tick: int, now_ns: int) -> Choice:
        machine, why = self._machine, ""
        if last is None or not self._state:
            self._state = machine.initial
        else:
            here = f"{self.name}: state '{self._state}': skill '{last.skill}' ended with {last.outcome.value}"
            why = f"{last.outcome.value}: {last.reason}" if last.reason else last.outcome.value
            if last.outcome not in machine.states[self._state].then:
                raise BcError(f"{here} ({last.reason}), and no transition says what then: add it to `then`")
            self._state = machine.states[self._state].then[last.outcome]
        if self._state == DONE:
            return Choice("", f"{self.name} has ended: {why}", DONE)
        self._count += 1
        if self._count > machine.limit:
            raise BcError(
                f"{self.name}: {machine.limit} skills were carried out, its limit ({why}): raise it, or mend it"
            )
        return Choice(machine.states[self._state].skill, why, self._state)


def _state(section: Section, library: Library, targets: tuple[str, ...]) -> State:
    skill = section.text("skill", choices=tuple(library))
    then = section.section("then")
    state = State(skill, {o: then.text(name, choices=targets) for name, o in _OUTCOMES.items() if then.has(name)})
    then.finish()
    section.finish()
    return state
