"""Subscriptions of the contract's observation streams, feeding a FrameAssembler."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from rclpy.node import Node

from bc_core.contract import Contract
from bc_core.fields import ObservationError, extract, stamp_ns
from bc_core.frames import FrameAssembler
from bc_nodes import qos
from bc_nodes.message_class import message_class


def subscribe(
    node: Node, contract: Contract, assemblers: Iterable[FrameAssembler], on_sample: Callable[[], None]
) -> None:
    """Subscribe to every topic that the assemblers' streams need; one subscription feeds all streams of its topic.

    on_sample is called after each message. A sample that the contract does not admit is reported and left out: the
    frame then ages and is refused.
    """
    by_topic: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    readers: defaultdict[str, list[FrameAssembler]] = defaultdict(list)
    for assembler in assemblers:
        for stream in assembler.streams:
            readers[stream].append(assembler)
    for stream in readers:
        observation = contract.observations[stream]
        by_topic[observation.topic, observation.type].append(stream)

    def take(streams: list[str], message: Any) -> None:
        stamp = stamp_ns(message)
        for stream in streams:
            try:
                value = extract(contract.observations[stream], message)
                for assembler in readers[stream]:
                    assembler.add(stream, stamp, value)
            except ObservationError as error:
                node.get_logger().warning(str(error), throttle_duration_sec=1.0)
        on_sample()

    for (topic, type_name), streams in by_topic.items():
        node.create_subscription(message_class(type_name), topic, partial(take, streams), qos.SENSOR_IN)
