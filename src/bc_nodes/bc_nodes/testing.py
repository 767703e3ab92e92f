"""For tests with real nodes."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

from domain_coordinator import domain_id


@contextmanager
def domain_of_its_own() -> Iterator[int]:
    """Whatever is started inside, here or in other processes, hears nobody outside, on this machine or another."""
    with domain_id() as domain:
        here = {"ROS_DOMAIN_ID": str(domain), "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}
        with mock.patch.dict(os.environ, here):
            yield domain
