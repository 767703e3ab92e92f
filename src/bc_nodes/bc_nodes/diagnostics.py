"""One line on /diagnostics per node: what is wrong and what to do."""

from enum import Enum

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.node import Node

from bc_nodes import qos


class Level(Enum):
    OK = DiagnosticStatus.OK
    WARN = DiagnosticStatus.WARN
    ERROR = DiagnosticStatus.ERROR


class Diagnostics:
    """Publishes the node's condition once a second and at every change."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._level, self._message = Level.OK, ""
        self._publisher = node.create_publisher(DiagnosticArray, "/diagnostics", qos.EVENT)
        node.create_timer(1.0, self._publish)

    def report(self, level: Level, message: str) -> None:
        """Set the condition; an empty message reads "ok"."""
        changed = (level, message) != (self._level, self._message)
        self._level, self._message = level, message
        if changed:
            self._publish()

    def _publish(self) -> None:
        status = DiagnosticStatus(
            level=self._level.value,
            name=self._node.get_fully_qualified_name(),
            message=self._message or "ok",
            hardware_id="bc_ros",
        )
        array = DiagnosticArray(status=[status])
        array.header.stamp = self._node.get_clock().now().to_msg()
        self._publisher.publish(array)
