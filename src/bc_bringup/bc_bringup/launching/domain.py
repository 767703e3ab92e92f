"""Who else is on the ROS domain: two runs with the same node names would command the same robot."""

import os
import time
from collections.abc import Sequence

from bc_core.errors import BcError

DISCOVERY_SECONDS = 1.5


def domain_id() -> int:
    """ROS_DOMAIN_ID, 0 when unset. BcError when it is no number from 0 to 232."""
    text = os.environ.get("ROS_DOMAIN_ID", "") or "0"
    if not text.isdigit() or not 0 <= int(text) <= 232:
        raise BcError(f"ROS_DOMAIN_ID is '{text}', but must be a number from 0 to 232 (up to 101 is safe everywhere)")
    return int(text)


def refuse_if_in_use(node_names: Sequence[str], seconds: float = DISCOVERY_SECONDS) -> None:
    """BcError when a node of one of these fully qualified names is on the domain already.

    Listens for `seconds`: discovery needs that long to see everyone.
    """
    import rclpy
    from rclpy.context import Context

    wanted = set(node_names)
    context = Context()
    rclpy.init(context=context, signal_handler_options=rclpy.SignalHandlerOptions.NO)
    try:
        node = rclpy.create_node(f"bcros_domain_check_{os.getpid()}", context=context, enable_rosout=False)
        try:
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                present = {f"{ns.rstrip('/')}/{name}" for name, ns in node.get_node_names_and_namespaces()}
                if wanted & present:
                    raise BcError(
                        f"ROS domain {domain_id()} is in use by another run: {', '.join(sorted(wanted & present))} "
                        "is there already; end that run, or set ROS_DOMAIN_ID to a free number"
                    )
                time.sleep(0.05)
        finally:
            node.destroy_node()
    finally:
        rclpy.try_shutdown(context=context)
