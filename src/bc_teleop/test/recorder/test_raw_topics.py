"""Serialized messages of all topics, and what of them never came, under the names that they have on the wire."""

import time
from collections.abc import Callable, Iterator

import pytest
import rclpy
from rclpy.node import Node
from std_msgs.msg import Header

from bc_nodes import qos
from bc_teleop.raw_topics import Arrival, RawTopics

from .graph import PATIENCE


@pytest.fixture
def nodes(domain: int) -> Iterator[tuple[Node, Node]]:
    """One that publishes, and one that listens to `beat`, which is `pulse` on the wire."""
    context = rclpy.Context()
    rclpy.init(args=[], context=context, domain_id=domain)
    nodes = (
        Node("publisher", context=context),
        Node("listener", context=context, cli_args=["--ros-args", "-r", "beat:=pulse"]),
    )
    yield nodes
    for node in nodes:
        node.destroy_node()
    rclpy.try_shutdown(context=context)


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "what was waited for did not come"
        time.sleep(0.01)


def test_a_second_publisher_of_a_remapped_topic_makes_no_loss(nodes: tuple[Node, Node]) -> None:
    publisher, listener = nodes
    first, second = (publisher.create_publisher(Header, "pulse", qos.stream_out(100)) for _ in range(2))
    for _ in range(50):
        second.publish(Header())  # before anybody listens
    topics, arrived = RawTopics(listener), list[Arrival]()
    topics.add("beat", "std_msgs/msg/Header", qos.record(100))
    assert topics.resolved_names == {"beat": "/pulse"}
    wait_for(lambda: listener.count_publishers("/pulse") == 2 and not topics.unmatched())
    wait_for(lambda: all(each.get_subscription_count() == 1 for each in (first, second)))
    for number, each in enumerate((first, second, first), start=1):
        each.publish(Header())

        def has_come(number: int = number) -> bool:
            arrived.extend(topics.take_all(0.1))
            return len(arrived) == number

        wait_for(has_come)
    assert topics.newly_lost() == {}
