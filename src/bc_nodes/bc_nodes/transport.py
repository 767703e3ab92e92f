"""Defaults of the DDS transport that QoS profiles cannot say."""

import os
from collections.abc import MutableMapping
from pathlib import Path

VARIABLE = "FASTRTPS_DEFAULT_PROFILES_FILE"
_USERS_FILE = "DEFAULT_FASTRTPS_PROFILES.xml"  # Fast DDS reads it where a process runs
PROFILES = Path(__file__).with_name("fastdds.xml")


def repair_promptly(environment: MutableMapping[str, str] = os.environ) -> None:
    """Let Fast DDS drop fewer samples, mend one within 0.1 s, not 3 s, and find others as they start, not 3 s later.

    Before rclpy.init; children inherit it. A user's own profiles come first: with one there is nothing to do here
    (docs/recording.md says what to put into it). Other middlewares do not read this variable.
    """
    if VARIABLE not in environment and not Path(_USERS_FILE).exists():
        environment[VARIABLE] = str(PROFILES)
