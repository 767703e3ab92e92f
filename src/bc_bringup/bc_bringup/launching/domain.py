"""Who else is on the ROS domain: two runs with the same node names would command the same robot."""

import os
import time
from collections.abc import Callable, Collection

from bc_core.errors import BcError

DISCOVERY_SECONDS = 1.5


def domain_id() -> int:
    """ROS_DOMAIN_ID, 0 when unset. BcError when it is no number from 0 to 232."""
    text = os.environ.get("ROS_DOMAIN_ID", "") or "0"
    if not text.isdigit() or int(text) > 232:
        raise BcError(f"ROS_DOMAIN_ID is '{text}', but must be a number from 0 to 232 (up to 101 is safe everywhere)")
    return int(text)


def nodes_present(
    seconds: float = DISCOVERY_SECONDS, enough: Callable[[Collection[str]], bool] = lambda _: False
) -> set[str]:
    """Fully qualified names of all nodes on the domain.

    Listens for `seconds`, which discovery needs to see everyone, or until `enough` says so.
    """
    import rclpy
    from rclpy.node import Node

    domain_id()
    context = rclpy.Context()
    rclpy.init(args=[], context=context, signal_handler_options=rclpy.SignalHandlerOptions.NO)
    try:
        own_name = f"bcros_domain_check_{os.getpid()}"
        node = Node(own_name, context=context, enable_rosout=False, start_parameter_services=False)
        end = time.monotonic() + seconds
        present: set[str] = set()
        while time.monotonic() < end and not enough(present):
            time.sleep(0.05)
            found = node.get_node_names_and_namespaces()
            present = {f"{namespace.rstrip('/')}/{name}" for name, namespace in found if name != own_name}
        node.destroy_node()
        return present
    finally:
        rclpy.try_shutdown(context=context)


def refuse_if_in_use(node_names: Collection[str], seconds: float = DISCOVERY_SECONDS) -> None:
    """BcError when a node of one of these fully qualified names is on the domain already."""
    wanted = set(node_names)
    taken = wanted & nodes_present(seconds, lambda present: bool(wanted.intersection(present)))
    if taken:
        raise BcError(
            f"ROS domain {domain_id()} is in use by another run: {', '.join(sorted(taken))} is there already; "
            "end that run, or set ROS_DOMAIN_ID to a free number"
        )
