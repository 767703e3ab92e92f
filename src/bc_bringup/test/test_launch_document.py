"""What launch files may hold, and that everything else is refused with file and line."""

from pathlib import Path

import pytest

from bc_bringup.launching.document import read
from bc_core.errors import BcError

HEAD = "launch:\n  - arg: {name: a, default: x}\n"


@pytest.mark.parametrize(
    ("body", "line", "message"),
    [
        ("  - timer: {period: 3.0}", 3, "unknown launch action 'timer'"),
        ("  - node: {pkg: p, exec: e}\n  - nod: {pkg: p, exec: e}", 4, "unknown launch action 'nod'"),
        ("  - node: {pkg: p, exec: e, respawn: 'true'}", 3, "'node' has no key 'respawn'"),
        ("  - node: {pkg: p}", 3, "'node' needs the key 'exec'"),
        ("  - node: {pkg: p, exec: e, exec: f}", 3, "key 'exec' twice"),
        (
            "  - node:\n      pkg: p\n      exec: e\n      args: 5",
            6,
            "'node.args' must be text, got 5: write it in quotes",
        ),
        ("  - arg: {name: b, default: false}", 3, "'arg.default' must be text, got False"),
        ("  - node: {pkg: p, exec: e, if: 'true', unless: 'true'}", 3, "both 'if' and 'unless'"),
        ("  - node: {pkg: p, exec: e, param: {name: a, value: 1}}", 3, "'node.param' must be a list of mappings"),
        ("  - node: {pkg: p, exec: e, param: [{name: a}]}", 3, "'param' needs the key 'value'"),
        ("  - node: {pkg: p, exec: e, param: [{value: 1}]}", 3, "either 'name' and 'value', or 'from'"),
        ("  - node: {pkg: p, exec: e, param: [{name: a, value: {b: 1}}]}", 3, "got {'b': 1}"),
        ("  - node: {pkg: p, exec: e, remap: [{from: a}]}", 3, "'remap' needs the key 'to'"),
        ("  - node: {pkg: p, exec: e, sigterm_timeout: 5}", 3, "must be a decimal number such as 5.0, got 5"),
        ("  - group: {scoped: 'false', children: [{log: {message: x}}]}", 3, "must be true or false"),
        ("  - group: {scoped: false}", 3, "'group' needs 'children'"),
        ("  - group:\n      - log: {text: x}", 4, "'log' has no key 'text'"),
        ("  - {log: {message: x}, let: {name: a, value: b}}", 3, "a mapping with one key"),
        ("  - log", 3, "'action' must be a mapping"),
        ("  - log: {message: 'x}", 3, "not YAML"),
    ],
)
def test_what_is_outside_the_subset_is_refused_with_its_line(
    tmp_path: Path, body: str, line: int, message: str
) -> None:
    file = tmp_path / "bad.launch.yaml"
    file.write_text(HEAD + body)
    with pytest.raises(BcError) as error:
        read(file)
    assert message in str(error.value)
    assert str(error.value).startswith(f"{file}:{line}: ")


@pytest.mark.parametrize("text", ["", "- a", "launch: []\nmore: 1", "start: []"])
def test_a_launch_file_is_one_mapping(tmp_path: Path, text: str) -> None:
    file = tmp_path / "bad.launch.yaml"
    file.write_text(text)
    with pytest.raises(BcError, match="a launch file is one mapping with the key 'launch'"):
        read(file)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BcError, match=r"nix.launch.yaml: No such file"):
        read(tmp_path / "nix.launch.yaml")


def test_values_keep_their_types_and_lines(tmp_path: Path) -> None:
    file = tmp_path / "good.launch.yaml"
    file.write_text(HEAD + "  - node:\n      pkg: p\n      exec: e\n      param:\n        - {name: x, value: [1, 2]}\n")
    node = read(file)[1]
    (param,) = node.entities("param")
    assert (node.place.line, node.where("exec").line, param.place.line) == (3, 5, 7)
    assert param.get("value") == [1, 2]
