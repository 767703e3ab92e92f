"""Run a command in a ROS domain that no other run on this machine uses, seen by this machine only.

    python tools/isolated.py COMMAND [ARG ...]

The exit status is the command's.
"""

import os
import subprocess
import sys

from domain_coordinator import domain_id


def main() -> int:
    with domain_id() as domain:
        environment = os.environ | {"ROS_DOMAIN_ID": str(domain), "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}
        return subprocess.run(sys.argv[1:], env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
