"""Launch files read into entities that know their line, and checked against the subset before anything starts.

The subset is what ROS 2 Jazzy's launch_yaml accepts, and never more: a file that passes here runs under `ros2 launch`
unchanged. That is why `default: false` is refused (launch_yaml wants text: `"false"`).
"""

from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from bc_core.errors import BcError

TEXT, FLAG, NUMBER, ANY = "text", "true or false", "a number", "text, a number, true or false, or a list of these"


@dataclass(frozen=True)
class Entities:
    """A list of mappings, e.g. `param: [{name: ..., value: ...}]`, with the keys each may have."""

    keys: dict[str, str]


_CONDITION: dict[str, str | Entities] = {"if": TEXT, "unless": TEXT}
_PAIR = {"name": TEXT, "value": TEXT}
_PROCESS: dict[str, str | Entities] = {
    **_CONDITION, "output": TEXT, "on_exit": TEXT, "cwd": TEXT, "env": Entities(_PAIR),
    "sigterm_timeout": NUMBER, "sigkill_timeout": NUMBER,
}  # fmt: skip

# entity -> keys -> what each may be
SUBSET: dict[str, dict[str, str | Entities]] = {
    "arg": {**_CONDITION, "name": TEXT, "default": TEXT, "description": TEXT, "choice": Entities({"value": TEXT})},
    "let": {**_CONDITION, "name": TEXT, "value": TEXT},
    "set_env": {**_CONDITION, "name": TEXT, "value": TEXT},
    "log": {**_CONDITION, "message": TEXT},
    "push_ros_namespace": {**_CONDITION, "namespace": TEXT},
    "include": {**_CONDITION, "file": TEXT, "arg": Entities(_PAIR)},
    "group": {**_CONDITION, "scoped": FLAG},
    "executable": {**_PROCESS, "cmd": TEXT, "name": TEXT},
    "node": {
        **_PROCESS, "pkg": TEXT, "exec": TEXT, "name": TEXT, "namespace": TEXT, "args": TEXT, "ros_args": TEXT,
        "remap": Entities({"from": TEXT, "to": TEXT}),
        "param": Entities({"name": TEXT, "value": ANY, "type": TEXT, "from": TEXT}),
    },
}  # fmt: skip

_REQUIRED = {
    "arg": ["name"], "let": ["name", "value"], "set_env": ["name", "value"], "log": ["message"],
    "push_ros_namespace": ["namespace"], "include": ["file"], "executable": ["cmd"], "node": ["pkg", "exec"],
}  # fmt: skip


@dataclass(frozen=True)
class Place:
    """A line of a file, for messages."""

    file: Path
    line: int

    def error(self, message: str) -> BcError:
        return BcError(f"{self.file}:{self.line}: {message}")


@dataclass(frozen=True)
class Entity:
    """One `- type: {key: value, ...}` of a launch file, or one mapping of a list in it (type: the list's key)."""

    type: str
    place: Place
    values: dict[str, Any]  # text, number, bool, list of these, or list[Entity]
    places: dict[str, Place]
    children: "tuple[Entity, ...]" = ()

    def get(self, key: str) -> Any:
        return self.values.get(key)

    def entities(self, key: str) -> "list[Entity]":
        value = self.values.get(key, [])
        assert isinstance(value, list)
        return value

    def where(self, key: str) -> Place:
        return self.places.get(key, self.place)


def read(file: Path) -> tuple[Entity, ...]:
    """The entities of a launch file. BcError with file and line for whatever is outside the subset."""
    try:
        text = file.read_text()
    except OSError as error:
        raise BcError(f"launch file {file}: {error.strerror}; give the path of a *.launch.yaml") from error
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise Place(file, line).error(f"not YAML: {error.problem}") from error
    place = Place(file, 1)
    if not isinstance(root, yaml.MappingNode) or [key.value for key, _ in root.value] != ["launch"]:
        raise place.error("a launch file is one mapping with the key 'launch'")
    return _Reader(file).children(root.value[0][1])


class _Reader:
    def __init__(self, file: Path) -> None:
        self.file = file
        self.construct = yaml.SafeLoader("")

    def place(self, node: yaml.Node) -> Place:
        return Place(self.file, node.start_mark.line + 1)

    def items(self, node: yaml.Node, of: str) -> Iterator[tuple[yaml.Node, str, yaml.Node]]:
        if not isinstance(node, yaml.MappingNode):
            raise self.place(node).error(f"'{of}' must be a mapping, e.g. {{name: ..., ...}}")
        seen: set[Hashable] = set()
        for key, value in node.value:
            if key.value in seen:
                raise self.place(key).error(f"'{of}' has the key '{key.value}' twice")
            seen.add(key.value)
            yield key, str(key.value), value

    def children(self, node: yaml.Node) -> tuple[Entity, ...]:
        if not isinstance(node, yaml.SequenceNode) or not node.value:
            raise self.place(node).error("expected a list of actions, e.g. '- node: {pkg: ..., exec: ...}'")
        return tuple(self.action(child) for child in node.value)

    def action(self, node: yaml.Node) -> Entity:
        entries = list(self.items(node, "action"))
        if len(entries) != 1:
            raise self.place(node).error("an action is a mapping with one key, e.g. '- node: {pkg: ..., exec: ...}'")
        key, kind, body = entries[0]
        if kind not in SUBSET:
            known = ", ".join(SUBSET)
            raise self.place(key).error(
                f"unknown launch action '{kind}' (known: {known}); use one of these, or run the file with ros2 launch"
            )
        if kind == "group" and isinstance(body, yaml.SequenceNode):
            return Entity(kind, self.place(key), {}, {}, self.children(body))
        children: tuple[Entity, ...] = ()
        allowed: dict[str, str | Entities] = dict(SUBSET[kind])
        if kind == "group":
            for _, name, value in self.items(body, kind):
                if name == "children":
                    children = self.children(value)
            if not children:
                raise self.place(key).error("'group' needs 'children', a list of actions")
            allowed["children"] = ANY
        entity = self.mapping(kind, self.place(key), body, allowed, skip="children" if kind == "group" else "")
        return Entity(kind, entity.place, entity.values, entity.places, children)

    def mapping(
        self, kind: str, place: Place, node: yaml.Node, allowed: dict[str, str | Entities], skip: str = ""
    ) -> Entity:
        values: dict[str, Any] = {}
        places: dict[str, Place] = {}
        for key, name, value in self.items(node, kind):
            if name not in allowed:
                raise self.place(key).error(f"'{kind}' has no key '{name}' (known: {', '.join(allowed)})")
            if name == skip:
                continue
            values[name] = self.value(f"{kind}.{name}", value, allowed[name])
            places[name] = self.place(value)
        for name in _REQUIRED.get(kind, []):
            if name not in values:
                raise place.error(f"'{kind}' needs the key '{name}'")
        if "if" in values and "unless" in values:
            raise place.error(f"'{kind}' has both 'if' and 'unless': one of them can be given")
        return Entity(kind, place, values, places)

    def value(self, name: str, node: yaml.Node, expected: str | Entities) -> Any:
        if isinstance(expected, Entities):
            if not isinstance(node, yaml.SequenceNode) or not node.value:
                raise self.place(node).error(f"'{name}' must be a list of mappings")
            kind = name.rsplit(".", 1)[-1]
            allowed: dict[str, str | Entities] = dict(expected.keys)
            entities = [self.mapping(kind, self.place(item), item, allowed) for item in node.value]
            return [self.complete(kind, entity, expected) for entity in entities]
        value = self.construct.construct_object(node, deep=True)
        if expected == TEXT and not isinstance(value, str):
            raise self.place(node).error(f"'{name}' must be text, got {value!r}: write it in quotes")
        if expected == FLAG and not isinstance(value, bool):
            raise self.place(node).error(f"'{name}' must be true or false, got {value!r}")
        if expected == NUMBER and (isinstance(value, bool) or not isinstance(value, float)):
            raise self.place(node).error(f"'{name}' must be a decimal number such as 5.0, got {value!r}")
        if expected == ANY and not _is_parameter_value(value):
            raise self.place(node).error(f"'{name}' must be {ANY}, got {value!r}")
        return value

    def complete(self, kind: str, entity: Entity, expected: Entities) -> Entity:
        """Every key of a pair is needed; a param has either name and value, or from."""
        if kind == "param":
            if ("from" in entity.values) == ("name" in entity.values):
                raise entity.place.error("'param' needs either 'name' and 'value', or 'from' (a parameter file)")
            needed = ["name", "value"] if "name" in entity.values else ["from"]
        else:
            needed = list(expected.keys)
        for key in needed:
            if key not in entity.values:
                raise entity.place.error(f"'{kind}' needs the key '{key}'")
        return entity


def _is_parameter_value(value: Any) -> bool:
    if isinstance(value, list):
        return all(isinstance(item, bool | int | float | str) for item in value)
    return isinstance(value, bool | int | float | str)
