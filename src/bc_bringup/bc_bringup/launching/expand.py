"""From entities and arguments to processes: what `ros2 launch` would start, with every substitution performed.

The subset has no events and no timers, so a launch file expands to a fixed list of processes before anything runs:
a mistake in the last line is found before the first process starts. Scoping follows ROS 2 launch: a group restores
launch configurations, namespace and environment at its end (unless `scoped: false`), an include does not.
"""

import shlex
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bc_bringup.launching import document, parameters
from bc_bringup.launching.document import Entity, Place
from bc_bringup.launching.parameters import Parameter
from bc_bringup.launching.substitution import Call, Context, Template, evaluate_condition, is_literal, parse, perform
from bc_core.errors import BcError


@dataclass(frozen=True)
class Process:
    """One process to start.

    parameters: ROS parameters in order, mappings or parameter files; later ones win.
    required: its end ends the whole graph (`on_exit: shutdown`).
    """

    label: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    place: Place
    node_name: str = ""  # fully qualified; empty: not a node, or named by its own code
    parameters: tuple[dict[str, Parameter] | Path, ...] = ()
    cwd: Path | None = None
    required: bool = False
    output: str = "log"
    sigterm_timeout: float = 5.0  # from SIGINT to SIGTERM [s]
    sigkill_timeout: float = 5.0  # from SIGTERM to SIGKILL [s]


@dataclass(frozen=True)
class Argument:
    """An `arg` of a launch file, for `--show-args`."""

    name: str
    default: str | None
    description: str
    choices: tuple[str, ...]


@dataclass
class Expansion:
    """processes in order, the arguments met on the way, and the texts of `log` actions."""

    processes: list[Process] = field(default_factory=list)
    arguments: dict[str, Argument] = field(default_factory=dict)
    messages: list[str] = field(default_factory=list)


def expand(file: Path, arguments: Mapping[str, str], context: Context) -> Expansion:
    """Expand a launch file with arguments (`key:=value`). BcError with file and line for what is wrong."""
    expander = _Expander(replace(context, configurations={**context.configurations, **arguments}))
    expander.run(document.read(file))
    unknown = sorted(set(arguments) - set(expander.result.arguments))
    if unknown:
        known = ", ".join(expander.result.arguments) or "none"
        raise BcError(f"{file}: has no launch argument '{unknown[0]}' (known: {known})")
    return expander.result


def declared_arguments(file: Path) -> list[Argument]:
    """The arguments that a file itself declares, without expanding it."""

    def walk(entities: tuple[Entity, ...]) -> list[Argument]:
        found = [_argument(entity) for entity in entities if entity.type == "arg"]
        return found + [a for entity in entities for a in walk(entity.children)]

    return walk(document.read(file))


def _argument(entity: Entity) -> Argument:
    choices = tuple(str(choice.get("value")) for choice in entity.entities("choice"))
    return Argument(str(entity.get("name")), entity.get("default"), str(entity.get("description") or ""), choices)


class _Expander:
    def __init__(self, context: Context) -> None:
        self.context = context
        self.result = Expansion()
        self.including: list[Path] = []

    def run(self, entities: tuple[Entity, ...]) -> None:
        for entity in entities:
            if self.applies(entity):
                getattr(self, "do_" + entity.type)(entity)

    # --- text -----------------------------------------------------------------------------------------------------

    def parse(self, entity: Entity, key: str, text: str) -> Template:
        try:
            return parse(text)
        except BcError as error:
            raise entity.where(key).error(str(error)) from error

    def perform(self, entity: Entity, key: str, template: Template) -> str:
        try:
            return perform(template, self.context)
        except BcError as error:
            raise entity.where(key).error(str(error)) from error

    def text(self, entity: Entity, key: str) -> str:
        return self.perform(entity, key, self.parse(entity, key, entity.get(key)))

    def applies(self, entity: Entity) -> bool:
        for key, wanted in (("if", True), ("unless", False)):
            if entity.get(key) is not None:
                try:
                    return evaluate_condition(self.text(entity, key)) is wanted
                except BcError as error:
                    raise entity.where(key).error(str(error)) from error
        return True

    def words(self, entity: Entity, key: str) -> list[str]:
        """Split a command line at spaces; a substitution never splits, whatever its value holds."""
        if entity.get(key) is None:
            return []
        template = self.parse(entity, key, entity.get(key))
        calls = {chr(0xE000 + i): part for i, part in enumerate(template) if isinstance(part, Call)}
        marks = iter(calls)
        try:
            for part in template:
                if isinstance(part, str):
                    shlex.split(part)  # ROS 2 launch splits every literal by itself: quotes cannot span substitutions
            line = "".join(part if isinstance(part, str) else next(marks) for part in template)
            words = shlex.split(line)
        except ValueError as error:
            raise entity.where(key).error(f"'{entity.get(key)}': {error}") from error
        return ["".join(self.perform(entity, key, (calls[c],)) if c in calls else c for c in word) for word in words]

    # --- actions --------------------------------------------------------------------------------------------------

    def do_arg(self, entity: Entity) -> None:
        argument = _argument(entity)
        configurations = self.context.configurations
        if argument.name not in configurations:
            if argument.default is None:
                about = f" ({argument.description})" if argument.description else ""
                raise entity.place.error(
                    f"launch argument '{argument.name}'{about} is required: give {argument.name}:=VALUE"
                )
            configurations[argument.name] = self.text(entity, "default")
        value = configurations[argument.name]
        if argument.choices and value not in argument.choices:
            raise entity.place.error(f"{argument.name}:={value} is not one of {', '.join(argument.choices)}")
        self.result.arguments.setdefault(argument.name, argument)

    def do_let(self, entity: Entity) -> None:
        self.context.configurations[self.text(entity, "name")] = self.text(entity, "value")

    def do_set_env(self, entity: Entity) -> None:
        environment = {**self.context.environment, self.text(entity, "name"): self.text(entity, "value")}
        self.context = replace(self.context, environment=environment)

    def do_log(self, entity: Entity) -> None:
        self.result.messages.append(self.text(entity, "message"))

    def do_push_ros_namespace(self, entity: Entity) -> None:
        self.context.configurations["ros_namespace"] = self.namespace(self.text(entity, "namespace"))

    def do_group(self, entity: Entity) -> None:
        if entity.get("scoped") is False:
            self.run(entity.children)
            return
        before = replace(self.context, configurations=dict(self.context.configurations))
        self.run(entity.children)
        self.context = before

    def do_include(self, entity: Entity) -> None:
        file = Path(self.text(entity, "file"))
        if file in self.including:
            raise entity.place.error(f"{file} includes itself")
        for pair in entity.entities("arg"):
            self.context.configurations[self.text(pair, "name")] = self.text(pair, "value")
        self.including.append(file)
        try:
            self.run(document.read(file))
        except BcError as error:
            raise BcError(f"{error}\n  included from {entity.place.file}:{entity.place.line}") from error
        self.including.pop()

    def do_executable(self, entity: Entity) -> None:
        command = self.words(entity, "cmd")
        if not command:
            raise entity.where("cmd").error("'executable.cmd' is empty")
        label = self.text(entity, "name") if entity.get("name") is not None else Path(command[0]).name
        self.add(entity, label, command)

    def do_node(self, entity: Entity) -> None:
        package, executable = self.text(entity, "pkg"), self.text(entity, "exec")
        command = [self.find(entity, package, executable), *self.words(entity, "args")]
        ros_arguments = self.words(entity, "ros_args")
        command += ["--ros-args", *ros_arguments] if ros_arguments else []
        command.append("--ros-args")
        name = self.text(entity, "name") if entity.get("name") is not None else ""
        if name:
            command += ["-r", f"__node:={name}"]
        namespace = self.context.configurations.get("ros_namespace", "")
        if entity.get("namespace") is not None:
            namespace = self.namespace(self.text(entity, "namespace"))
        if namespace:
            command += ["-r", f"__ns:={namespace}"]
        for pair in entity.entities("remap"):
            command += ["-r", f"{self.text(pair, 'from')}:={self.text(pair, 'to')}"]
        full_name = f"{namespace.rstrip('/')}/{name}" if name else ""
        values: list[dict[str, Parameter] | Path] = []
        for param in entity.entities("param"):
            value = self.parameter(param)
            if isinstance(value, dict) and values and isinstance(values[-1], dict):
                values[-1].update(value)
            else:
                values.append(value)
        self.add(entity, name or executable, command, node_name=full_name, parameters=tuple(values))

    # --- parts of actions -----------------------------------------------------------------------------------------

    def namespace(self, name: str) -> str:
        """An absolute namespace: a relative one is pushed on the current one."""
        base = self.context.configurations.get("ros_namespace", "").rstrip("/")
        path = name if name.startswith("/") else f"{base}/{name}"
        return path.rstrip("/") or "/"

    def find(self, entity: Entity, package: str, executable: str) -> str:
        try:
            folder = self.context.packages.prefix(package) / "lib" / package
        except BcError as error:
            raise entity.where("pkg").error(str(error)) from error
        found = shutil.which(executable, path=str(folder))
        if found is None:
            there = ", ".join(sorted(p.name for p in folder.iterdir())) if folder.is_dir() else "nothing"
            raise entity.where("exec").error(
                f"package '{package}' has no executable '{executable}' in {folder} (there: {there or 'nothing'})"
            )
        return found

    def parameter(self, entity: Entity) -> dict[str, Parameter] | Path:
        if entity.get("from") is not None:
            file = Path(self.text(entity, "from"))
            if not file.is_file():
                raise entity.where("from").error(f"parameter file {file} does not exist")
            return file
        name = self.text(entity, "name")
        kind = entity.get("type")
        if kind is not None and kind not in parameters.TYPES:
            raise entity.where("type").error(f"unknown type '{kind}' (known: {', '.join(parameters.TYPES)})")
        value = entity.get("value")
        try:
            return {name: self.parameter_value(entity, value, kind)}
        except ValueError as error:
            raise entity.where("value").error(f"parameter '{name}': {error}") from error

    def parameter_value(self, entity: Entity, value: Any, kind: str | None) -> Parameter:
        """A literal keeps its YAML type, and must have the one asked for; a substitution is converted to it.

        ValueError names value and type.
        """
        if isinstance(value, str):
            parameters.refuse_text_for_list(value, kind)
            template = self.parse(entity, "value", value)
            text = self.perform(entity, "value", template)
            return parameters.checked(text, kind) if is_literal(template) else parameters.converted(text, kind)
        if isinstance(value, list):
            items = [self.parameter_value(entity, item, parameters.item_type(kind)) for item in value]
            return parameters.checked(items, kind)
        return parameters.checked(value, kind)

    def add(self, entity: Entity, label: str, command: list[str], **more: Any) -> None:
        on_exit = entity.get("on_exit")
        if on_exit not in (None, "shutdown"):
            raise entity.where("on_exit").error(f"'on_exit' can only be 'shutdown', got '{on_exit}'")
        output = self.text(entity, "output") if entity.get("output") is not None else "log"
        if output not in ("screen", "log", "both"):
            raise entity.where("output").error(f"'output' must be screen, log or both, got '{output}'")
        environment = dict(self.context.environment)
        for pair in entity.entities("env"):
            environment[self.text(pair, "name")] = self.text(pair, "value")
        for key in ("sigterm_timeout", "sigkill_timeout"):
            if entity.get(key) is not None:
                more[key] = float(entity.get(key))
        labels = {process.label for process in self.result.processes}
        unique = next(c for c in (label, *(f"{label}_{i}" for i in range(2, len(labels) + 3))) if c not in labels)
        self.result.processes.append(
            Process(
                label=unique, command=tuple(command), environment=environment, place=entity.place, output=output,
                cwd=Path(self.text(entity, "cwd")) if entity.get("cwd") is not None else None,
                required=on_exit == "shutdown", **more,
            )
        )  # fmt: skip
