"""For tests with real nodes."""

import gc
import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

from domain_coordinator import domain_id

# One after the other, so that none comes again soon: a killed node is seen for its lease, and a destroyed one while
# garbage refers to it, so that in a domain just left its latched messages would still be heard.
_domains = itertools.cycle(range(1, 101))


def collect_destroyed_nodes() -> None:
    """Before nodes of the same names, in the same domain, are made anew.

    A destroyed node's participant lives while garbage refers to it: its latched messages are still heard, as a mode
    that the robot of an earlier test was in; and of a process's participants only the first 32 find each other.
    """
    gc.collect()


@contextmanager
def domain_of_its_own() -> Iterator[int]:
    """Whatever is started inside, here or in other processes, hears nobody outside, on this machine or another."""
    collect_destroyed_nodes()
    with domain_id(_domains.__next__) as domain:
        here = {"ROS_DOMAIN_ID": str(domain), "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}
        with mock.patch.dict(os.environ, here):
            yield domain
