"""The command line: what it finds, what it refuses, and with which exit code."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import rclpy
import yaml
from rclpy.node import Node

from bc_bringup import cli, doctor, resources
from bc_bringup.commands import COMMANDS
from bc_bringup.commands.common import Setup
from bc_bringup.commands.launch import parse_arguments
from bc_bringup.launching import document, domain
from bc_bringup.launching.expand import declared_arguments, expand
from bc_bringup.launching.substitution import Context
from bc_core.errors import BcError

LAUNCH_FILES = ("collect", "rollout", "dagger", "planner", "skills")


def test_every_command_has_help(capsys: pytest.CaptureFixture[str]) -> None:
    for name in COMMANDS:
        with pytest.raises(SystemExit) as leave:
            cli.main([name, "--help"])
        assert leave.value.code == 0
        assert f"usage: bcros {name}" in capsys.readouterr().out


def test_what_the_user_can_mend_is_one_line_and_exit_code_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "bad.launch.yaml"
    file.write_text("launch:\n  - arg: {name: a, default: b}\n  - spawn: {}\n")
    assert cli.main(["launch", str(file)]) == 2
    assert capsys.readouterr().err.startswith(f"error: {file}:3: unknown launch action 'spawn'")


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (
            ["collect", "--episodes", "1", "--task", "nix"],
            "unknown task 'nix' (known: conveyor_depth, conveyor_fast",
        ),
        (["collect", "--episodes", "1", "--contract", "nix"], "unknown contract 'nix' (known: panda_conveyor"),
        (["rollout", "--trials", "1", "--checkpoint", "nix"], "no checkpoint in 'nix'"),
        (["train", "nix", "--out", "x"], "no directory nix"),
        (["train", "nix", "--out", "x", "--policy", "huge"], "unknown policy 'huge' (known: act, "),
        (["inspect", "nix"], "no bag at nix"),
        (
            ["import", "lerobot", "nix", "--out", "x"],
            "no config.json in 'nix': give the folder of a LeRobot checkpoint",
        ),
        (["import", "lerobot", "nix", "--out", "x", "--contract", "nix"], "unknown contract 'nix'"),
        (["import", "lerobot", "nix", "--out", "x", "--camera", "top"], "--camera top: give the policy's name"),
        (["export", "lerobot", "nix", "--out", "x"], "no checkpoint at 'nix'"),
        (["dagger", "nix", "--expert", "simulated", "--reset", "motion"], "--reset motion is of the graph of nodes"),
        (["dagger", "nix", "--expert", "simulated", "--tags", "cube"], "--tags is of the graph of nodes"),
        (["launch", "nix"], "launch file 'nix' does not exist, and is none of those installed: collect.launch.yaml"),
        (["launch", "collect", "device=joy"], "launch argument 'device=joy' is not of the form key:=value"),
    ],
)
def test_unknown_names_are_refused_before_anything_starts(
    command: list[str],
    message: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(command) == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", LAUNCH_FILES)
def test_installed_launch_files_lie_within_the_subset(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    entities = document.read(resources.launch_path(name))
    nodes = [entity for entity in entities if entity.type == "node"]
    assert {node.get("pkg") for node in nodes} <= set(doctor.EXECUTABLES)
    assert all(node.get("exec") in doctor.EXECUTABLES[node.get("pkg")] for node in nodes)
    assert cli.main(["launch", name, "--show-args"]) == 0
    shown = capsys.readouterr().out
    assert all(argument.description in shown for argument in declared_arguments(resources.launch_path(name)))


@pytest.mark.parametrize("name", ["collect", "rollout", "dagger"])
@pytest.mark.parametrize(("arguments", "streams"), [({}, [""]), ({"camera": "false"}, ["camera"])])
def test_the_recorder_does_not_wait_for_what_nobody_sends(
    name: str, arguments: dict[str, str], streams: list[str]
) -> None:
    given = arguments if name == "collect" else {"checkpoint": "/policy", **arguments}
    processes = expand(resources.launch_path(name), given, Context(resources.InstalledPackages())).processes
    (recorder,) = [process for process in processes if process.node_name == "/recorder"]
    assert [found["optional"] for found in recorder.parameters if "optional" in found] == [streams]


@pytest.mark.parametrize("name", ["collect", "rollout", "dagger", "skills"])
def test_tags_bring_their_detector_in_every_graph(name: str) -> None:
    """And the pose may be missing at the start of a recording: nobody sees the tags yet."""
    setup = Setup(contract="panda_conveyor_tag", task="conveyor_tag", tags="cube").launch_arguments()
    declared = {argument.name for argument in declared_arguments(resources.launch_path(name))}
    assert set(setup) <= declared or name == "skills"  # which no command starts
    given = {key: value for key, value in setup.items() if key in declared} | {"directory": "/bags"}
    given |= {"checkpoint": "/policy"} if "checkpoint" in declared else {}
    for tags in ("cube", "none"):
        context = Context(resources.InstalledPackages())
        graph = expand(resources.launch_path(name), {**given, "tags": tags}, context).processes
        nodes = {process.node_name.rpartition("/")[2]: process for process in graph}
        (recorder,) = nodes["recorder"].parameters
        assert recorder["optional"] == (["object"] if tags == "cube" else [""])
        assert ("tag_detector" in nodes) == (tags == "cube")
        if tags == "cube":
            (detector,) = nodes["tag_detector"].parameters
            assert Path(detector["tags"]).samefile(resources.config_path("tags", "cube"))
            assert detector["contract"].endswith("/panda_conveyor_tag.yaml")


def test_configuration_is_found_by_name_and_by_path(tmp_path: Path) -> None:
    assert yaml.safe_load(resources.config_path("task", "conveyor_pick").read_text())["task"] == "conveyor_pick"
    own = tmp_path / "own.yaml"
    own.write_text("{}")
    assert resources.config_path("task", str(own)) == own
    with pytest.raises(BcError, match=r"task file nix.yaml does not exist"):
        resources.config_path("task", "nix.yaml")


def test_launch_arguments_may_hold_anything_behind_the_name() -> None:
    assert parse_arguments(["a:=", "b:=x:=y", "c:=[1, 2]"]) == {"a": "", "b": "x:=y", "c": "[1, 2]"}
    with pytest.raises(BcError, match=":=x"):
        parse_arguments([":=x"])


def test_bcros_is_on_the_path() -> None:
    result = subprocess.run(["bcros", "--help"], capture_output=True, text=True, check=True)
    assert "doctor" in result.stdout


def test_a_domain_in_use_is_refused_with_the_names() -> None:
    context = rclpy.Context()
    rclpy.init(context=context)
    node = Node("sim", namespace="/domain_test", context=context)
    try:
        with pytest.raises(BcError, match=r"in use by another run: /domain_test/sim is there already.*ROS_DOMAIN_ID"):
            domain.refuse_if_in_use(["/domain_test/sim", "/domain_test/teleop"], seconds=20.0)
        domain.refuse_if_in_use(["/another/sim"], seconds=0.2)
    finally:
        node.destroy_node()
        rclpy.try_shutdown(context=context)


@pytest.mark.parametrize("text", ["233", "-1", "five"])
def test_a_domain_that_cannot_be_is_refused(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROS_DOMAIN_ID", text)
    with pytest.raises(BcError, match=f"ROS_DOMAIN_ID is '{text}', but must be a number from 0 to 232"):
        domain.domain_id()


def test_doctor_tells_what_is_missing_and_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    findings = {finding.name: finding for finding in [*doctor.check_machine(), *doctor.check_python()]}
    assert findings["Python"].status is doctor.Status.OK
    assert findings["numpy"].detail.count(".") == 2
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setitem(doctor.PYTHON_MODULES, "no_such_module", "no-such-distribution")
    monkeypatch.setitem(doctor.OPTIONAL_MODULES, "no_such_extra", ("no-such-extra", "a feature"))
    findings = {finding.name: finding for finding in [*doctor.check_machine(), *doctor.check_python()]}
    assert (findings["cmake"].status, findings["cmake"].remedy) == (doctor.Status.MISSING, "apt-get install cmake")
    assert findings["no-such-distribution"].remedy == doctor.REPEAT_SETUP
    extra = findings["no-such-extra"]
    assert (extra.status, extra.remedy) == (doctor.Status.ABSENT, "pip install no-such-extra")
    assert extra.detail == "needed for a feature"


def test_doctor_fails_when_something_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ok = doctor.Finding("g", "thing", doctor.Status.OK, "1.0")
    absent = doctor.Finding("g", "extra", doctor.Status.ABSENT, "none", "buy one")
    missing = doctor.Finding("g", "other", doctor.Status.MISSING, "none", "install it")
    monkeypatch.setattr(doctor, "CHECKS", (lambda: iter([ok, absent]),))
    assert cli.main(["doctor"]) == 0
    monkeypatch.setattr(doctor, "CHECKS", (lambda: iter([ok, missing]),))
    assert cli.main(["doctor", "--problems"]) == 1
    assert "missing: other" in capsys.readouterr().out


def test_ctrl_c_leaves_with_130(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(args: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(COMMANDS["doctor"], "run", interrupted)
    assert cli.main(["doctor"]) == 130


def test_help_needs_no_ros() -> None:
    code = "import sys; sys.modules['rclpy'] = sys.modules['torch'] = None; from bc_bringup.cli import parser; parser()"
    subprocess.run([sys.executable, "-c", code], check=True, env=os.environ)
