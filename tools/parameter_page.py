"""The page of the ros2_control plugins' parameters, from the YAML that declares them.

python tools/parameter_page.py > docs/ros2_control_parameters.md
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

SOURCE = Path(__file__).parents[1] / "src" / "bc_controllers" / "plugins" / "parameters.yaml"
HEAD = """# Parameters of the ros2_control plugins

Made by `tools/parameter_page.py` from `src/bc_controllers/plugins/parameters.yaml`;
[ros2_control.md](ros2_control.md) explains their use. *live*: may change while the controller runs. What values must be
among themselves is checked when the controller is configured.

| parameter | type | default | must be | | |
|---|---|---|---|---|---|
"""
WORDS = {
    "not_empty<>": "not empty", "unique<>": "without repetition", "gt<>": "above {}", "gt_eq<>": "{} or above",
    "bounds<>": "{} to {}", "lower_element_bounds<>": "each {} or above", "fixed_size<>": "{} values",
    "one_of<>": "one of {}",
}  # fmt: skip


def parameters(section: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Each parameter's full name and declaration; `<name>` stands for each of a list of names."""
    for key, entry in section.items():
        name = prefix + (f"<{key.removeprefix('__map_')}>" if key.startswith("__map_") else key)
        if isinstance(entry.get("type"), str):
            yield name, entry
        else:
            yield from parameters(entry, name + ".")


def conditions(validation: dict[str, Any]) -> str:
    """The validation in words. KeyError for one that has none here."""
    told = []
    for rule, arguments in validation.items():
        values = arguments if isinstance(arguments, list) else [arguments]
        if values and isinstance(values[0], list):
            values = [", ".join(map(str, values[0]))]
        told.append(WORDS[rule].format(*values))
    return "; ".join(told)


def row(name: str, entry: dict[str, Any]) -> str:
    default = f"`{entry['default_value']!r}`" if "default_value" in entry else "required"
    live = "" if entry.get("read_only") else "live"
    cells = (f"`{name}`", entry["type"], default, conditions(entry.get("validation", {})), live, entry["description"])
    return "| " + " | ".join(str(cell).strip() for cell in cells) + " |"


def page() -> str:
    (root,) = yaml.safe_load(SOURCE.read_text()).values()
    return HEAD + "\n".join(row(name, entry) for name, entry in parameters(root)) + "\n"


if __name__ == "__main__":
    print(page(), end="")
