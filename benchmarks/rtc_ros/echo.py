"""python -m benchmarks.rtc_ros.echo: answers every request with a chunk of the usual size, and does nothing else."""

import array
import sys

from rclpy.experimental import EventsExecutor
from rclpy.node import Node

from bc_msgs.msg import ChunkRequest, PolicyChunk
from bc_nodes import qos
from bc_nodes.main import run_node

HORIZON, COLUMNS = 24, 2


class Echo(Node):
    """The floor under what a node of this middleware can cost."""

    def __init__(self) -> None:
        super().__init__("echo")
        self._answer = PolicyChunk(horizon=HORIZON, width=COLUMNS, actions=array.array("d", [0.0] * HORIZON * COLUMNS))
        self._back = self.create_publisher(PolicyChunk, "echo/back", qos.COMMAND)
        self.create_subscription(ChunkRequest, "echo/out", self._on_request, qos.COMMAND)

    def _on_request(self, msg: ChunkRequest) -> None:
        self._answer.sequence = msg.sequence
        self._back.publish(self._answer)


if __name__ == "__main__":
    sys.exit(run_node(Echo, executor_class=EventsExecutor))
