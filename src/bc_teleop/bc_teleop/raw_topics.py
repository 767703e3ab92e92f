"""Subscriptions that hand over serialized messages, of all topics together and in order of arrival."""

from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any, NamedTuple

from rclpy.event_handler import QoSMessageLostInfo, QoSRequestedIncompatibleQoSInfo, SubscriptionEventCallbacks
from rclpy.node import Node
from rclpy.qos import QoSPolicyKind, QoSProfile, ReliabilityPolicy
from rclpy.subscription import Subscription

from bc_core.errors import BcError


class Arrival(NamedTuple):
    """A serialized message; received_ns: when the middleware received it, on the system clock."""

    received_ns: int
    topic: str
    data: bytes


class RawTopics:
    """One subscription per topic. Whenever one of them has a message, what all of them have is taken at once.

    rclpy's executor takes one message per subscription and wake-up: a topic of 200 Hz beside one of 20 Hz would fall
    behind until its queue overflows. Taken together, messages also keep their order across topics.

    A publisher that offers best effort (most camera drivers do) is subscribed to as such.
    """

    def __init__(
        self, node: Node, on_arrivals: Callable[[list[Arrival]], None], on_lost: Callable[[str, int], None]
    ) -> None:
        self._node = node
        self._on_arrivals, self._on_lost = on_arrivals, on_lost
        self._subscriptions: dict[str, Subscription] = {}

    @property
    def resolved_names(self) -> dict[str, str]:
        """Topic as given to `add` -> its name on the wire, after namespace and remapping."""
        return {topic: subscription.topic_name for topic, subscription in self._subscriptions.items()}

    def add(self, topic: str, type_name: str, profile: QoSProfile) -> None:
        """Subscribe. BcError: the type's package is not installed."""
        callbacks = SubscriptionEventCallbacks(
            message_lost=partial(self._count_lost, topic),
            incompatible_qos=partial(self._take_what_is_offered, topic, type_name, profile),
        )

        def on_message(data: bytes, info: dict[str, Any]) -> None:
            self._take([Arrival(info["received_timestamp"], topic, data)])

        self._subscriptions[topic] = self._node.create_subscription(
            _message_class(type_name), topic, on_message, profile, raw=True, event_callbacks=callbacks
        )

    def take_all(self) -> None:
        """Hand over everything that has arrived."""
        self._take([])

    def _take(self, arrivals: list[Arrival]) -> None:
        for topic, subscription in self._subscriptions.items():
            handle, message_class = subscription.handle, subscription.msg_type
            while (taken := handle.take_message(message_class, True)) is not None:
                data, info = taken
                arrivals.append(Arrival(info["received_timestamp"], topic, data))
        arrivals.sort(key=lambda arrival: arrival.received_ns)
        self._on_arrivals(arrivals)

    def _count_lost(self, topic: str, event: QoSMessageLostInfo) -> None:
        self._on_lost(topic, event.total_count_change)

    def _take_what_is_offered(
        self, topic: str, type_name: str, profile: QoSProfile, event: QoSRequestedIncompatibleQoSInfo
    ) -> None:
        """A publisher offers less than was asked for: ask for less, for rather some data than none."""
        if event.last_policy_kind != QoSPolicyKind.RELIABILITY or profile.reliability != ReliabilityPolicy.RELIABLE:
            self._node.get_logger().error(f"a publisher on '{topic}' offers incompatible QoS: it is not recorded")
            return
        self._node.get_logger().warning(
            f"a publisher on '{topic}' offers best effort only: messages may be lost unseen"
        )
        old = self._subscriptions.pop(topic)
        weaker = QoSProfile(
            history=profile.history,
            depth=profile.depth,
            durability=profile.durability,
            reliability=ReliabilityPolicy.BEST_EFFORT,
        )
        self.add(topic, type_name, weaker)
        self._node.destroy_subscription(old)


def _message_class(type_name: str) -> type[Any]:
    package, _, name = type_name.partition("/msg/")
    try:
        message_class: type[Any] = getattr(import_module(f"{package}.msg"), name)
    except (ImportError, AttributeError) as error:
        raise BcError(f"message type '{type_name}' is not installed ({error}): install package '{package}'") from error
    return message_class
