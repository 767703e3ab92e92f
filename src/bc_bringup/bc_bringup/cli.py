"""`bcros`: the command line. Commands live in bc_bringup.commands, one module each."""

import argparse
import os
import sys
from collections.abc import Sequence

from bc_bringup.commands import COMMANDS
from bc_bringup.launching.signals import StopRequested
from bc_core.errors import BcError
from bc_nodes.transport import repair_promptly


def parser() -> argparse.ArgumentParser:
    """The whole command line, for help and for parsing."""
    root = argparse.ArgumentParser(
        prog="bcros", description="Behaviour cloning on ROS 2, from demonstration to real-time autonomy."
    )
    commands = root.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, module in COMMANDS.items():
        summary = (module.__doc__ or "").splitlines()[0]
        child = commands.add_parser(
            name, help=summary, description=module.__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        module.add_arguments(child)
        child.set_defaults(run=module.run)
    return root


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. Exit codes: 0 done, 1 failed, 2 the user can mend it, 128 + n ended by signal n."""
    repair_promptly()
    try:
        args = parser().parse_args(arguments)
        code: int = args.run(args)
        return code
    except BcError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except StopRequested as stop:
        print(str(stop), file=sys.stderr)
        return stop.exit_code
    except KeyboardInterrupt:
        print("stopped by SIGINT", file=sys.stderr)
        return 130
    except BrokenPipeError:  # whoever read the output has seen enough, e.g. `bcros doctor | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the interpreter flushes it once more
        return 141


if __name__ == "__main__":
    sys.exit(main())
