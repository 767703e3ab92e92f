"""Values of ROS parameters in launch files: which types there are, and what text stands for.

The rules are launch_yaml's: a literal must have the type that is asked for, text from a substitution is converted.
"""

from typing import Any

import yaml

Scalar = bool | int | float | str
Parameter = Scalar | list[Scalar]

# name in launch files -> type of the items, is a list; "yaml": whatever the text says
TYPES: dict[str, tuple[type, bool] | None] = {
    "str": (str, False), "bool": (bool, False), "int": (int, False), "float": (float, False),
    "list_of_str": (str, True), "list_of_bool": (bool, True), "list_of_int": (int, True),
    "list_of_float": (float, True), "yaml": None,
}  # fmt: skip


def checked(value: Any, kind: str | None) -> Parameter:
    """The value, if ROS has a type for it and it is the one asked for. ValueError otherwise."""
    if isinstance(value, list):
        if not value:
            raise ValueError("an empty list: ROS parameters cannot tell its type; leave the parameter out")
        if len({type(item) for item in value}) > 1:
            raise ValueError(f"{value!r} mixes types: ROS parameters are lists of one type")
    elif not isinstance(value, bool | int | float | str):
        raise ValueError(f"{value!r} is no ROS parameter value (text, number, true or false, or a list of these)")
    expected = TYPES[kind] if kind else None
    if expected:
        item_type, is_list = expected
        items = value if isinstance(value, list) else [value]
        if isinstance(value, list) != is_list or any(type(item) is not item_type for item in items):
            raise ValueError(f"{value!r} is not of type {kind}")
    result: Parameter = value
    return result


def converted(text: str, kind: str | None) -> Parameter:
    """The value that a substituted text stands for: by its type if one is given, else by YAML's rules. ValueError."""
    if kind == "str":
        return text
    try:
        if kind in ("int", "float"):
            return int(text) if kind == "int" else float(text)
        if kind == "bool":
            text = {"1": "true", "0": "false"}.get(text, text)
        return checked(yaml.safe_load(text) if text else text, kind)
    except (ValueError, yaml.YAMLError) as error:
        raise ValueError(f"'{text}' is not of type {kind or 'yaml'}: {error}") from error


def item_type(kind: str | None) -> str | None:
    """The type of the items of a list type, None for anything else."""
    return kind.removeprefix("list_of_") if kind and kind.startswith("list_of_") else None


def refuse_text_for_list(text: str, kind: str | None) -> None:
    """ValueError for text where a list type is asked for: launch_yaml does not take it."""
    if item_type(kind):
        raise ValueError(f"{text!r} is text, which ROS 2 launch does not take for a {kind}: leave the type out")
