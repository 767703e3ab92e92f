"""The skill library: a folder of YAML files, one skill each."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from bc_core.errors import BcError
from bc_core.schema import Section, suggestion
from bc_core.skills.clause import Clause, read_clause
from bc_core.skills.motion import Motion, read_motion

DONE = "done"
"""Chosen instead of a skill: there is nothing more to do."""
PATIENCE = 0.5
"""How long a precondition may take to become true, unless the skill says otherwise [s]: samples must come first."""
_NAME = re.compile(r"[a-z][a-z0-9_]*\Z")


@dataclass(frozen=True)
class Skill:
    """Something that a robot can do: a policy's (checkpoint) or a planner's (motion).

    description: for people, and for a model that chooses. precondition: None: it may always begin. patience: how long
    the precondition may take to become true [s]. success, failure: when it is over; timeout: at the latest [s].
    """

    name: str
    description: str
    timeout: float
    checkpoint: str = ""
    motion: Motion | None = None
    precondition: Clause | None = None
    patience: float = PATIENCE
    success: Clause | None = None
    failure: Clause | None = None

    def clauses(self) -> Iterator[tuple[str, Clause]]:
        """Every condition, with its name in the file."""
        parts = {
            "precondition": self.precondition,
            "termination.success": self.success,
            "termination.failure": self.failure,
        }
        yield from ((name, clause) for name, clause in parts.items() if clause is not None)


class Library(Mapping[str, Skill]):
    """Skills by name. A name that it lacks is a BcError that suggests one."""

    def __init__(self, skills: Iterable[Skill], where: str) -> None:
        self.where = where
        self._skills: dict[str, Skill] = {}
        for skill in skills:
            if skill.name in self._skills:
                raise BcError(f"skills '{where}' have two of the name '{skill.name}': rename one")
            self._skills[skill.name] = skill

    @classmethod
    def load(cls, folder: str | Path) -> "Library":
        """Every *.yaml of a folder. BcError names file, key, value and remedy."""
        paths = sorted(Path(folder).glob("*.yaml"))
        if not paths:
            raise BcError(f"no skills in '{folder}': give a folder with a YAML file for each skill")
        return cls((_load(path) for path in paths), str(folder))

    @property
    def checkpoints(self) -> tuple[str, ...]:
        """Of all skills, each once."""
        return tuple(dict.fromkeys(skill.checkpoint for skill in self.values() if skill.checkpoint))

    def __getitem__(self, name: str) -> Skill:
        if name not in self._skills:
            hint = suggestion(name, self._skills)
            raise BcError(
                f"no skill '{name}' in '{self.where}'{hint and f': {hint}'} (known: {', '.join(self._skills)})"
            )
        return self._skills[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._skills)

    def __len__(self) -> int:
        return len(self._skills)

    def __contains__(self, name: object) -> bool:
        return name in self._skills  # Mapping's own asks for a KeyError


def read_yaml(path: Path, what: str) -> Section:
    """A YAML file as a Section. BcError: it cannot be read, or is none. what: names the kind of file in messages."""
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise BcError(f"{what} '{path}' cannot be read: {error}") from error
    return Section(document, f"{what} '{path}'")


def _load(path: Path) -> Skill:
    section = read_yaml(path, "skill")
    name = section.text("skill", pattern=_NAME, hint="lower-case letters, digits and underscores")
    if name == DONE:
        raise section.error("skill", name, f"'{DONE}' is what is chosen when there is nothing more to do: rename it")
    is_motion = section.has("motion")
    if is_motion == section.has("checkpoint"):
        raise section.error("checkpoint", section.document.get("checkpoint"), "give either checkpoint or motion")
    if is_motion and section.has("termination"):
        raise section.error("termination", "...", "a motion ends where it is planned to: remove it")
    ends = section.section("termination", {}) if is_motion else section.section("termination")
    skill = Skill(
        name=name,
        description=section.text("description"),
        timeout=section.number("timeout", minimum=0.1, maximum=3600.0),
        checkpoint="" if is_motion else section.text("checkpoint"),
        motion=read_motion(section.section("motion")) if is_motion else None,
        precondition=_clause(section, "precondition", running=False),
        patience=section.number("patience", PATIENCE, minimum=0.0, maximum=3600.0),
        success=None if is_motion else read_clause(ends.section("success"), running=True),
        failure=_clause(ends, "failure", running=True),
    )
    ends.finish()
    section.finish()
    return skill


def _clause(section: Section, key: str, running: bool) -> Clause | None:
    return read_clause(section.section(key), running) if section.has(key) else None
