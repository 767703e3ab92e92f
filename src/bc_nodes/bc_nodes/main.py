"""The one main function of all nodes: bring up, spin, leave cleanly."""

import signal
import sys
from collections.abc import Callable

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from bc_core.errors import BcError
from bc_nodes.lifecycle import BcLifecycleNode
from bc_nodes.transport import repair_promptly


def run_node(factory: Callable[[], Node], args: list[str] | None = None) -> int:
    """Run a node until SIGINT or SIGTERM. Returns 0, or 2 after a BcError, which is printed as one line.

    A node's `close()` is called at the end however it came, with a context in which it can still publish. Every other
    exception is a defect and keeps its traceback and non-zero exit.
    """
    repair_promptly()
    # rclpy's own handlers would shut the context down before close() could say farewell.
    rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
    stopping = False

    def stop(number: int, frame: object) -> None:
        nonlocal stopping
        stopping = True

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    node: Node | None = None
    try:
        node = factory()
        if isinstance(node, BcLifecycleNode):
            node.bring_up()
        executor = SingleThreadedExecutor()
        executor.add_node(node)
        while not stopping:
            executor.spin_once(timeout_sec=0.1)  # a signal is seen within this time
    except BcError as error:
        print(f"error: {error}", file=sys.stderr, flush=True)
        return 2
    finally:
        if node is not None:
            if isinstance(node, BcLifecycleNode):
                node.close()
            node.destroy_node()
        rclpy.try_shutdown()
    return 0
