"""Launch files become the processes that ROS 2 launch would start."""

from pathlib import Path
from typing import Any

import pytest

from bc_bringup.launching.expand import declared_arguments
from bc_core.errors import BcError


def test_a_node_gets_its_command_line(launch: Any, packages: Any) -> None:
    expansion = launch("""
launch:
  - arg: {name: who, default: me and you}
  - node:
      pkg: pkg
      exec: talker
      name: t
      namespace: left/arm
      args: --to $(var who) 'a b' --x=$(var who)c d
      ros_args: --log-level debug
      remap: [{from: in, to: /$(env HOME)}]
      env: [{name: E, value: "$(var who)"}]
      on_exit: shutdown
      output: screen
""")
    (process,) = expansion.processes
    assert process.command == (
        str(packages.prefix("pkg") / "lib/pkg/talker"), "--to", "me and you", "a b", "--x=me and youc", "d",
        "--ros-args", "--log-level", "debug", "--ros-args", "-r", "__node:=t", "-r", "__ns:=/left/arm",
        "-r", "in:=//home/x",
    )  # fmt: skip
    assert process.node_name == "/left/arm/t"
    assert process.environment == {"HOME": "/home/x", "E": "me and you"}
    assert process.required
    assert process.output == "screen"


@pytest.mark.parametrize(
    ("param", "value"),
    [
        ("value: 3", 3),
        ("value: '3'", "3"),
        ("value: $(var number)", 4),
        ("value: $(var number), type: str", "4"),
        ("value: $(var number), type: float", 4.0),
        ("value: '$(var flag)', type: bool", True),
        ("value: $(var list)", ["a", "b"]),
        ("value: [1.5, 2.5], type: list_of_float", [1.5, 2.5]),
        ("value: ['$(var number)', b], type: list_of_str", ["4", "b"]),
        ("value: $(var empty), type: str", ""),
    ],
)
def test_parameters_have_the_type_that_is_meant(launch: Any, param: str, value: Any) -> None:
    text = """
launch:
  - arg: {{name: number, default: "4"}}
  - arg: {{name: flag, default: "1"}}
  - arg: {{name: list, default: "[a, b]"}}
  - arg: {{name: empty, default: ""}}
  - node: {{pkg: pkg, exec: talker, param: [{{name: p, {}}}]}}
"""
    (process,) = launch(text.format(param)).processes
    (parameters,) = process.parameters
    assert parameters == {"p": value}
    assert type(parameters["p"]) is type(value)


@pytest.mark.parametrize(
    ("param", "message"),
    [
        ("value: 3, type: str", "parameter 'p': 3 is not of type str"),
        ("value: 1, type: float", "parameter 'p': 1 is not of type float"),
        ("value: $(var word), type: int", "parameter 'p': 'word' is not of type int"),
        ("value: '[]$(var nothing)'", "an empty list"),
        ("value: [1, a]", "mixes types"),
        ("value: 3, type: double", "unknown type 'double'"),
        ("value: '[a]', type: list_of_str", "leave the type out"),
    ],
)
def test_parameters_of_another_type_are_refused(launch: Any, param: str, message: str) -> None:
    text = """
launch:
  - arg: {{name: word, default: word}}
  - arg: {{name: nothing, default: ""}}
  - node:
      pkg: pkg
      exec: talker
      param:
        - {{name: p, {}}}
"""
    with pytest.raises(BcError, match=rf"test.launch.yaml:9: .*{message}"):
        launch(text.format(param))


def test_later_parameters_win_and_files_keep_their_place(launch: Any, tmp_path: Path) -> None:
    file = tmp_path / "p.yaml"
    file.write_text("{}")
    expansion = launch(f"""
launch:
  - node:
      pkg: pkg
      exec: talker
      param: [{{name: a, value: 1}}, {{name: a, value: 2}}, {{from: {file}}}, {{name: b, value: 3}}]
""")
    assert expansion.processes[0].parameters == ({"a": 2}, file, {"b": 3})


def test_groups_scope_and_includes_do_not(launch: Any, tmp_path: Path) -> None:
    included = tmp_path / "included.launch.yaml"
    included.write_text("""
launch:
  - arg: {name: n}
  - let: {name: leaked, value: "yes"}
  - node: {pkg: pkg, exec: listener, name: $(var n)}
""")
    expansion = launch(f"""
launch:
  - let: {{name: v, value: outer}}
  - group:
      - push_ros_namespace: {{namespace: g}}
      - set_env: {{name: E, value: inner}}
      - let: {{name: v, value: inner}}
      - node: {{pkg: pkg, exec: talker, name: "$(var v)", namespace: sub}}
      - node: {{pkg: pkg, exec: talker, name: absolute, namespace: /top}}
  - group:
      scoped: false
      children:
        - let: {{name: w, value: kept}}
  - include: {{file: {included}, arg: [{{name: n, value: one}}]}}
  - node: {{pkg: pkg, exec: talker, name: "$(var v)_$(var w)_$(var leaked)_$(var n)"}}
""")
    assert [p.node_name for p in expansion.processes] == [
        "/g/sub/inner", "/top/absolute", "/one", "/outer_kept_yes_one",
    ]  # fmt: skip
    assert ["E" in p.environment for p in expansion.processes] == [True, True, False, False]


def test_an_error_in_an_included_file_names_both_places(launch: Any, tmp_path: Path) -> None:
    included = tmp_path / "included.launch.yaml"
    included.write_text("launch:\n  - timer: {}\n")
    with pytest.raises(BcError, match=rf"{included}:2: unknown .*'timer'(.|\n)*included from .*test.launch.yaml:2"):
        launch(f"launch:\n  - include: {{file: {included}}}\n")


def test_a_file_that_includes_itself_is_refused(launch: Any, tmp_path: Path) -> None:
    with pytest.raises(BcError, match="includes itself"):
        launch(f"launch:\n  - include: {{file: {tmp_path}/test.launch.yaml}}\n")


def test_conditions_choose(launch: Any) -> None:
    text = """
launch:
  - arg: {name: talk}
  - node: {pkg: pkg, exec: talker, if: $(var talk)}
  - node: {pkg: pkg, exec: listener, unless: $(var talk)}
"""
    assert [p.label for p in launch(text, {"talk": "true"}).processes] == ["talker"]
    assert [p.label for p in launch(text, {"talk": "0"}).processes] == ["listener"]
    with pytest.raises(BcError, match=r"test.launch.yaml:4: condition 'maybe' is neither"):
        launch(text, {"talk": "maybe"})


def test_arguments_are_checked(launch: Any) -> None:
    text = """
launch:
  - arg: {name: side, description: which arm, choice: [{value: left}, {value: right}]}
"""
    assert launch(text, {"side": "left"}).arguments["side"].choices == ("left", "right")
    with pytest.raises(BcError, match=r":3: launch argument 'side' \(which arm\) is required: give side:=VALUE"):
        launch(text)
    with pytest.raises(BcError, match="side:=top is not one of left, right"):
        launch(text, {"side": "top"})
    with pytest.raises(BcError, match=r"has no launch argument 'sid' \(known: side\)"):
        launch(text, {"side": "left", "sid": "left"})


def test_what_is_not_installed_is_named_with_its_line(launch: Any) -> None:
    with pytest.raises(BcError, match=r":3: package 'nix' is not installed"):
        launch("launch:\n  - node:\n      pkg: nix\n      exec: talker\n")
    with pytest.raises(BcError, match=r":4: package 'pkg' has no executable 'nix' .*there: listener, talker"):
        launch("launch:\n  - node:\n      pkg: pkg\n      exec: nix\n")


def test_labels_tell_processes_apart(launch: Any) -> None:
    text = "launch:\n" + 3 * "  - executable: {cmd: sleep 1}\n" + "  - executable: {cmd: sleep 1, name: nap}\n"
    assert [process.label for process in launch(text).processes] == ["sleep", "sleep_2", "sleep_3", "nap"]


def test_declared_arguments_are_found_in_groups_too(tmp_path: Path) -> None:
    file = tmp_path / "a.launch.yaml"
    file.write_text("launch:\n  - arg: {name: a}\n  - group:\n      - arg: {name: b, default: x}\n")
    assert [(argument.name, argument.default) for argument in declared_arguments(file)] == [("a", None), ("b", "x")]
