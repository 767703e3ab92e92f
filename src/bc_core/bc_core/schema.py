"""Typed reading of a YAML or JSON mapping: every error names the key, the value and what would be right.

A `Section` hands out values by key and type; `finish` refuses keys that nobody asked for, so that a misspelt setting is
an error and never silently the default.
"""

import difflib
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import field, fields
from typing import Any, TypeVar

from bc_core.errors import BcError

T = TypeVar("T")
_REQUIRED: Any = object()


class Section:
    """A mapping with string keys; `where` names it in messages. BcError if the document is something else."""

    def __init__(self, document: object, where: str, path: str = "") -> None:
        if not isinstance(document, dict) or not all(isinstance(key, str) for key in document):
            name = f"{where}: {path}" if path else where
            raise BcError(f"{name} must be a mapping of names to values, got {_brief(document)}")
        self.document: dict[str, Any] = document
        self._where = where
        self._path = path
        self._read: set[str] = set()

    def error(self, key: str, value: object, remedy: str) -> BcError:
        """The error for a value that was read but does not fit."""
        return BcError(f"{self._where}: {self._key(key)} = {_brief(value)}: {remedy}")

    def finish(self) -> None:
        """Refuse every key that was not read."""
        unknown = [key for key in self.document if key not in self._read]
        if unknown:
            known = ", ".join(sorted(self._read))
            remedy = suggestion(unknown[0], self._read) or "remove or correct it"
            raise BcError(f"{self._where}: unknown key {self._key(unknown[0])}: {remedy} (known: {known})")

    def has(self, key: str) -> bool:
        """Is a value given, other than null? The key counts as read."""
        self._read.add(key)
        return self.document.get(key) is not None

    def text(
        self,
        key: str,
        default: str = _REQUIRED,
        choices: Sequence[str] = (),
        pattern: re.Pattern[str] | None = None,
        hint: str = "",
    ) -> str:
        value = self._take(key, default)
        if not isinstance(value, str) or (value == "" and default is _REQUIRED):
            raise self.error(key, value, "must be a non-empty text")
        if choices and value not in choices:
            hint = suggestion(value, choices)
            raise self.error(key, value, f"must be one of {', '.join(choices)}{hint and f'; {hint}'}")
        if pattern is not None and not pattern.match(value):
            raise self.error(key, value, f"must be {hint}")
        return value

    def boolean(self, key: str, default: bool = _REQUIRED) -> bool:
        value = self._take(key, default)
        if not isinstance(value, bool):
            raise self.error(key, value, "must be true or false")
        return value

    def number(
        self, key: str, default: float = _REQUIRED, minimum: float = -math.inf, maximum: float = math.inf
    ) -> float:
        value = self._take(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise self.error(key, value, "must be a finite number")
        if not minimum <= value <= maximum:
            raise self.error(key, value, f"must lie in [{minimum:g}, {maximum:g}]")
        return float(value)

    def integer(self, key: str, default: int = _REQUIRED, minimum: int = 0, maximum: int = 2**63 - 1) -> int:
        value = self._take(key, default)
        if isinstance(value, bool) or not isinstance(value, int):
            raise self.error(key, value, "must be a whole number")
        if not minimum <= value <= maximum:
            raise self.error(key, value, f"must lie in [{minimum}, {maximum}]")
        return value

    def texts(self, key: str, default: Iterable[str] = _REQUIRED, choices: Sequence[str] = ()) -> tuple[str, ...]:
        """A list of distinct texts."""
        values = self._list(key, default)
        for value in values:
            if not isinstance(value, str) or not value:
                raise self.error(key, value, "must be a list of texts")
            if choices and value not in choices:
                raise self.error(key, value, f"must be among {', '.join(choices)}")
        if len(set(values)) != len(values):
            raise self.error(key, values, "names something twice")
        return tuple(values)

    def integers(self, key: str, default: Iterable[int] = _REQUIRED, minimum: int = 0) -> tuple[int, ...]:
        values = self._list(key, default)
        for value in values:
            if isinstance(value, bool) or not isinstance(value, int) or value < minimum:
                raise self.error(key, value, f"must be a list of whole numbers >= {minimum}")
        return tuple(values)

    def numbers(self, key: str, length: int | None = None) -> tuple[float, ...]:
        """A list of finite numbers, of the given length if one is given."""
        values = self._list(key, _REQUIRED)
        for value in values:
            if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
                raise self.error(key, values, "must be a list of finite numbers")
        if length is not None and len(values) != length:
            raise self.error(key, values, f"must have {length} values")
        return tuple(float(value) for value in values)

    def interval(self, key: str) -> tuple[float, float]:
        """[low, high] with low <= high; null at one end leaves it open (infinite)."""
        values = self._list(key, _REQUIRED)
        if len(values) != 2 or values == [None, None]:
            raise self.error(key, values, "must be [low, high], one of them null where it is open")
        if any(isinstance(v, bool) or not isinstance(v, int | float | None) for v in values):
            raise self.error(key, values, "must be two numbers, one of them null where it is open")
        low = -math.inf if values[0] is None else float(values[0])
        high = math.inf if values[1] is None else float(values[1])
        if not low <= high:
            raise self.error(key, values, "must be [low, high] with low <= high")
        return low, high

    def section(self, key: str, default: dict[str, Any] = _REQUIRED) -> "Section":
        return Section(self._take(key, default), self._where, self._key(key))

    def sections(self, key: str) -> Iterator[tuple[str, "Section"]]:
        """Name and content of every entry of a mapping of mappings, in order; at least one."""
        parent = self.section(key)
        if not parent.document:
            raise self.error(key, {}, "needs at least one entry")
        for name in parent.document:
            yield name, parent.section(name)

    def section_list(self, key: str, default: Iterable[Any] = _REQUIRED) -> Iterator["Section"]:
        for index, value in enumerate(self._list(key, default)):
            yield Section(value, self._where, f"{self._key(key)}[{index}]")

    def _take(self, key: str, default: T) -> Any | T:
        self._read.add(key)
        if key in self.document:
            return self.document[key]
        if default is _REQUIRED:
            raise BcError(f"{self._where}: {self._key(key)} is missing: add it")
        return default

    def _list(self, key: str, default: Iterable[Any]) -> list[Any]:
        value = self._take(key, default)
        if not isinstance(value, list | tuple):
            raise self.error(key, value, "must be a list")
        return list(value)

    def _key(self, key: str) -> str:
        return f"{self._path}.{key}" if self._path else key


def setting(
    default: Any, minimum: float = 0, maximum: float = math.inf, choices: Sequence[str] = (), of: type = int
) -> Any:
    """A dataclass field that `read_settings` reads: bounds of a number, choices of a text, a list `of` int or str."""
    return field(default=default, metadata={"minimum": minimum, "maximum": maximum, "choices": choices, "of": of})


def read_settings(cls: type[T], section: Section) -> T:
    """A dataclass with the keys of a section; absent ones, and fields that are not of `setting`, keep their default.

    A field has the type of its default: text, truth value, whole number, number, or tuple of texts or whole numbers.
    """
    values: dict[str, Any] = {}
    for item in fields(cls):  # type: ignore[arg-type]
        rules: Any = item.metadata
        if not rules:
            continue
        default: Any = item.default
        if isinstance(default, bool):
            values[item.name] = section.boolean(item.name, default)
        elif isinstance(default, str):
            values[item.name] = section.text(item.name, default, rules["choices"])
        elif isinstance(default, tuple):
            read = section.texts if rules["of"] is str else section.integers
            values[item.name] = read(item.name, default)
        elif isinstance(default, int):
            most = int(min(rules["maximum"], 2**63 - 1))
            values[item.name] = section.integer(item.name, default, int(rules["minimum"]), most)
        else:
            values[item.name] = section.number(item.name, default, rules["minimum"], rules["maximum"])
    return cls(**values)


def suggestion(word: str, known: Iterable[str]) -> str:
    """ "did you mean X?" where one of the known words is close; else empty."""
    close = difflib.get_close_matches(word, list(known), n=1)
    return f"did you mean {close[0]}?" if close else ""


def _brief(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
