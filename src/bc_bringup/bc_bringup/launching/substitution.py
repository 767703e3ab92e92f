"""Substitutions in launch files: text with `$(name argument ...)` in it, as ROS 2 launch writes them.

    parse("$(find-pkg-share bc_sim)/$(var file)")  ->  template
    perform(template, context)                     ->  str

Arguments are separated by one space, may hold substitutions themselves, and may be quoted; `\\x` stands for x.
"""

import math
import os
import re
import shlex
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn, Protocol

from bc_core.errors import BcError

IDENTIFIER = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")


@dataclass(frozen=True)
class Call:
    """One `$(name argument ...)`; every argument is a template."""

    name: str
    arguments: "tuple[Template, ...]"


Template = tuple[str | Call, ...]


class Packages(Protocol):
    """Where packages are installed. Raises BcError for a package that is not."""

    def prefix(self, package: str) -> Path: ...


@dataclass
class Context:
    """What substitutions may read: launch configurations, the environment, installed packages."""

    packages: Packages
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    configurations: dict[str, str] = field(default_factory=dict)


class _Scanner:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def fail(self, why: str) -> NoReturn:
        raise BcError(f"{self.text!r}: {why} at column {self.at + 1}; see docs/launch.md, 'Substitutions'")

    def template(self, stop: str, in_argument: bool = False) -> Template:
        """Read up to (not including) one of the characters in `stop`, or to the end of the text."""
        parts: list[str | Call] = []
        literal = ""
        while self.at < len(self.text) and self.text[self.at] not in stop:
            if self.text.startswith("$(", self.at):
                if literal:
                    parts.append(literal)
                    literal = ""
                parts.append(self.call())
                continue
            if self.text[self.at] == "\\" and self.at + 1 < len(self.text):
                self.at += 1
            elif in_argument and self.text[self.at] in "'\"(":
                self.fail(f"{self.text[self.at]!r} inside an argument: quote the whole argument, or put \\ before it")
            literal += self.text[self.at]
            self.at += 1
        if literal:
            parts.append(literal)
        return tuple(parts)

    def call(self) -> Call:
        self.at += 2
        name = IDENTIFIER.match(self.text, self.at)
        if name is None:
            self.fail("a substitution's name must follow '$('")
        self.at = name.end()
        arguments: list[Template] = []
        while self.text[self.at : self.at + 1] == " ":
            self.at += 1
            arguments.append(self.argument())
        if self.text[self.at : self.at + 1] != ")":
            self.fail(f"$({name[0]} ...) is not closed with ')'")
        self.at += 1
        if name[0] not in _SUBSTITUTIONS:
            self.fail(f"unknown substitution '{name[0]}' (known: {', '.join(sorted(_SUBSTITUTIONS))})")
        fewest, most, _ = _SUBSTITUTIONS[name[0]]
        if not fewest <= len(arguments) <= most:
            expected = str(fewest) if fewest == most else f"{fewest} to {most}"
            self.fail(f"$({name[0]}) takes {expected} arguments, got {len(arguments)}")
        return Call(name[0], tuple(arguments))

    def argument(self) -> Template:
        quote = self.text[self.at : self.at + 1]
        if quote in ("'", '"'):
            self.at += 1
            value = self.template(stop=quote)
            if self.at >= len(self.text):
                self.fail(f"{quote} is not closed")
            if not value:
                self.fail("an empty argument, which ROS 2 launch takes for '[]'")
            self.at += 1
            return value
        value = self.template(stop=" )", in_argument=True)
        if not value:
            self.fail("an empty argument: arguments are separated by exactly one space")
        return value


def parse(text: str) -> Template:
    """Parse text with substitutions. BcError names the column of what is wrong."""
    return _Scanner(text).template(stop="")


def is_literal(template: Template) -> bool:
    """True when a template holds no substitution."""
    return all(isinstance(part, str) for part in template)


def perform(template: Template, context: Context) -> str:
    """The text that a template stands for. BcError when something it names does not exist."""
    return "".join(part if isinstance(part, str) else _perform_call(part, context) for part in template)


def evaluate_condition(text: str) -> bool:
    """What `if` and `unless` make of a text: true | 1 | false | 0, in any case. BcError for anything else."""
    value = text.strip().lower()
    if value in ("true", "1"):
        return True
    if value in ("false", "0"):
        return False
    raise BcError(f"condition {text!r} is neither true, false, 1 nor 0")


def _perform_call(call: Call, context: Context) -> str:
    values = [perform(argument, context) for argument in call.arguments]
    _, _, function = _SUBSTITUTIONS[call.name]
    return function(context, values)


def _variable(context: Context, values: Sequence[str]) -> str:
    name, *default = values
    if name in context.configurations:
        return context.configurations[name]
    if default:
        return default[0]
    known = ", ".join(sorted(context.configurations)) or "none"
    raise BcError(f"launch argument '{name}' does not exist: declare it with 'arg' above its use (known: {known})")


def _environment(context: Context, values: Sequence[str]) -> str:
    name, *default = values
    if name in context.environment:
        return context.environment[name]
    if default:
        return default[0]
    raise BcError(f"environment variable {name} is not set: set it, or write $(env {name} default)")


def _command(context: Context, values: Sequence[str]) -> str:
    """What a command prints. Like ROS 2 launch, refuses one that fails, and one that complains on stderr."""
    try:
        words = shlex.split(values[0])
        run = subprocess.run(words, capture_output=True, text=True, check=False, env=dict(context.environment))
    except (OSError, ValueError) as error:
        raise BcError(f"$(command '{values[0]}') cannot be run: {error}; correct it") from error
    if run.returncode != 0 or run.stderr:
        raise BcError(f"$(command '{values[0]}') failed with code {run.returncode}: {run.stderr.strip()}")
    return run.stdout


def _equal(left: str, right: str) -> bool:
    booleans = {"true": True, "1": True, "false": False, "0": False}
    if left.lower() in booleans and right.lower() in booleans:
        return booleans[left.lower()] == booleans[right.lower()]
    try:
        return math.isclose(float(left), float(right))
    except ValueError:
        return left == right


def _text(value: bool) -> str:
    return "true" if value else "false"


# name -> fewest arguments, most arguments, function
_SUBSTITUTIONS: dict[str, tuple[int, int, Callable[[Context, Sequence[str]], str]]] = {
    "var": (1, 2, _variable),
    "env": (1, 2, _environment),
    "command": (1, 1, _command),
    "find-pkg-prefix": (1, 1, lambda context, v: str(context.packages.prefix(v[0]))),
    "find-pkg-share": (1, 1, lambda context, v: str(context.packages.prefix(v[0]) / "share" / v[0])),
    "equals": (2, 2, lambda _, v: _text(_equal(v[0], v[1]))),
    "not-equals": (2, 2, lambda _, v: _text(not _equal(v[0], v[1]))),
    "not": (1, 1, lambda _, v: _text(not evaluate_condition(v[0]))),
    "and": (2, 2, lambda _, v: _text(evaluate_condition(v[0]) and evaluate_condition(v[1]))),
    "or": (2, 2, lambda _, v: _text(evaluate_condition(v[0]) or evaluate_condition(v[1]))),
}
