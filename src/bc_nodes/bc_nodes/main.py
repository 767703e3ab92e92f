"""The one main function of all nodes: bring up, spin, leave cleanly."""

import gc
import signal
import sys
from collections.abc import Callable
from typing import Any

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from rclpy.task import Future

from bc_core.errors import BcError
from bc_nodes.lifecycle import BcLifecycleNode
from bc_nodes.transport import repair_promptly


def run_node(
    factory: Callable[[], Node],
    args: list[str] | None = None,
    executor_class: Callable[[], Any] = SingleThreadedExecutor,
) -> int:
    """Run a node until SIGINT or SIGTERM. Returns 0, or 2 after a BcError, which is printed as one line.

    executor_class: rclpy.experimental.EventsExecutor wakes up in a fraction of the time, for nodes that have neither
    guard conditions nor callback groups of their own.
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
    executor: Any = None
    try:
        node = factory()
        if isinstance(node, BcLifecycleNode):
            node.bring_up()
        executor = executor_class()
        executor.add_node(node)
        gc.collect()
        gc.freeze()  # modules and models stay: looking them through again and again would stop the node for a while
        while not stopping:
            # Not spin_once: after each callback it would look at every entity of the node, holding Python's lock, which
            # the callback's own threads wait for. A signal is seen when the time is over.
            executor.spin_until_future_complete(Future(), timeout_sec=0.1)
    except BcError as error:
        print(f"error: {error}", file=sys.stderr, flush=True)
        return 2
    finally:
        if node is not None:
            if isinstance(node, BcLifecycleNode):
                node.close()
            if executor is not None:
                executor.shutdown()
            node.destroy_node()
        rclpy.try_shutdown()
        gc.unfreeze()  # a node refers to itself through its callbacks, and what is frozen is not collected at the end
        # Ctrl-C comes twice, from the terminal and from ros2 launch: the second must not kill Python as it goes down.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    return 0
