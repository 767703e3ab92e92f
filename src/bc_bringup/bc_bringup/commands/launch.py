"""Run a ROS 2 YAML launch file: the subset described in docs/launch.md.

The same file runs under `ros2 launch`. Ctrl-C ends every process (SIGINT, then SIGTERM, then SIGKILL); the end of a
process with `on_exit: shutdown` ends all others.
"""

import argparse
import os
import time
from pathlib import Path

from bc_bringup import resources
from bc_bringup.launching import domain, graph
from bc_bringup.launching.console import Console
from bc_bringup.launching.expand import Argument, declared_arguments, expand
from bc_bringup.launching.substitution import Context
from bc_core.errors import BcError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", help="path of a *.launch.yaml, or the name of an installed one, e.g. 'collect'")
    parser.add_argument("arguments", nargs="*", metavar="key:=value", help="launch arguments")
    parser.add_argument("-s", "--show-args", action="store_true", help="show the file's arguments and exit")
    parser.add_argument("--print-commands", action="store_true", help="show what would be started and exit")
    parser.add_argument("--log-dir", type=Path, help="folder for logs (a new one in ROS_LOG_DIR or ~/.ros/log)")


def parse_arguments(texts: list[str]) -> dict[str, str]:
    """`key:=value` texts as a mapping. BcError for anything else."""
    result = {}
    for text in texts:
        name, separator, value = text.partition(":=")
        if not separator or not name:
            raise BcError(f"launch argument '{text}' is not of the form key:=value")
        result[name] = value
    return result


def new_log_directory(name: str) -> Path:
    """A folder for the logs of one run, where ROS keeps its logs."""
    home = Path(os.environ.get("ROS_HOME") or Path.home() / ".ros")
    root = Path(os.environ.get("ROS_LOG_DIR") or home / "log")
    return root / f"{time.strftime('%Y-%m-%d-%H-%M-%S')}-{name}-{os.getpid()}"


def run(args: argparse.Namespace) -> int:
    file = resources.launch_path(args.file)
    if args.show_args:
        print("\n".join(_describe(argument) for argument in declared_arguments(file)) or "no arguments")
        return 0
    expansion = expand(file, parse_arguments(args.arguments), Context(resources.InstalledPackages()))
    if args.print_commands:
        for process in expansion.processes:
            print(f"{process.label}: {' '.join(process.command)}  {list(process.parameters) or ''}".rstrip())
        return 0
    console = Console()
    for message in expansion.messages:
        console.say(message)
    names = [process.node_name for process in expansion.processes if process.node_name]
    if names:
        domain.refuse_if_in_use(names)
    log_directory = args.log_dir or new_log_directory(file.name.split(".")[0])
    console.say(f"logs: {log_directory}")
    return graph.run(expansion.processes, log_directory, console)


def _describe(argument: Argument) -> str:
    default = "required" if argument.default is None else f"default: '{argument.default}'"
    choices = f"; one of: {', '.join(argument.choices)}" if argument.choices else ""
    return f"{argument.name}  ({default}{choices})\n    {argument.description or 'no description'}"
