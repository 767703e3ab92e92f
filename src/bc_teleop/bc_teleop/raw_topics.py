"""Subscriptions that hand over serialized messages, of all topics together and in order of arrival."""

import time
from collections.abc import Iterable
from importlib import import_module
from typing import Any, NamedTuple

from rclpy.callback_groups import CallbackGroup
from rclpy.event_handler import QoSSubscriptionEventType, SubscriptionEventCallbacks
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.subscription import Subscription

from bc_core.errors import BcError
from bc_teleop.sequence_audit import LossAccount, SequenceAudit


class Arrival(NamedTuple):
    """A serialized message. received_ns: when the middleware received it, on the system clock."""

    received_ns: int
    topic: str
    data: bytes


class PolledGroup(CallbackGroup):
    """Subscriptions that the executor leaves alone: whoever made them asks them for data, and for their events.

    With Fast DDS an executor that waits for an event of a subscription is woken by every message of it.
    """

    def can_execute(self, entity: Any) -> bool:
        return False

    def beginning_execution(self, entity: Any) -> bool:
        return False

    def ending_execution(self, entity: Any) -> None:
        """Nothing begins, nothing ends."""


class RawTopics:
    """One subscription per topic, taken from by `take_all`.

    rclpy's executor takes one message per subscription and wake-up, and a wake-up costs it most of a millisecond: a
    topic of 200 Hz beside one of 20 Hz falls behind until its queue overflows, or the machine is busy with waking up.
    Polled together, messages cost little and keep their order across topics; the middleware notes when each arrived.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._group = PolledGroup()
        self._subscriptions: dict[str, Subscription] = {}
        self._profiles: dict[str, QoSProfile] = {}
        self._audits: dict[str, SequenceAudit] = {}
        self._losses: dict[str, LossAccount] = {}
        self._loss_events: dict[str, Any] = {}
        self.backlog = False

    @property
    def resolved_names(self) -> dict[str, str]:
        """Topic as given to `add` -> its name on the wire, after namespace and remapping."""
        return {topic: subscription.topic_name for topic, subscription in self._subscriptions.items()}

    def add(self, topic: str, type_name: str, profile: QoSProfile) -> None:
        """Subscribe. BcError: the type's package is not installed."""
        self._subscribe(topic, _message_class(type_name), profile)

    def unmatched(self) -> list[str]:
        """Topics with a publisher that the graph knows, but that is not connected yet: what it sends is missed."""
        return [
            topic
            for topic, subscription in self._subscriptions.items()
            if self._node.count_publishers(subscription.topic_name) > subscription.get_publisher_count()
        ]

    def take_all(self, seconds: float) -> list[Arrival]:
        """What has arrived since the last call, as far as the time allows: `backlog` says whether that was all.

        Of every topic at least one message is taken: no topic starves beside a fast one.
        """
        arrivals = []
        deadline = time.monotonic() + seconds
        self.backlog = False
        for topic, subscription in self._subscriptions.items():
            take, message_class = subscription.handle.take_message, subscription.msg_type
            while (taken := take(message_class, True)) is not None:
                data, info = taken
                self._audit(topic, info["publication_sequence_number"])
                arrivals.append(Arrival(info["received_timestamp"], topic, data))
                if time.monotonic() > deadline:
                    self.backlog = True
                    break
        arrivals.sort(key=lambda arrival: arrival.received_ns)
        return arrivals

    def begin(self) -> None:
        """Count losses from here on."""
        for losses in self._losses.values():
            losses.begin()

    def add_received_elsewhere(self, topic: str, messages: int) -> None:
        """Somebody else received them, and they never came here."""
        self._losses[topic].add_received_elsewhere(messages)

    def newly_lost(self) -> dict[str, int]:
        """Messages per topic that are known by now to have been lost, and were not told before."""
        for topic, event in self._loss_events.items():
            with event:
                info = event.take_event()
            if info is not None:
                self._losses[topic].add_event(info.total_count_change)
        news = {topic: losses.news() for topic, losses in self._losses.items()}
        return {topic: lost for topic, lost in news.items() if lost}

    def crowded(self, topics: Iterable[str]) -> list[str]:
        """Those topics that more than one publisher serves."""
        return [topic for topic in topics if self._subscriptions[topic].get_publisher_count() > 1]

    def mistyped(self, topics: Iterable[str]) -> list[str]:
        """What is wrong with topics that somebody publishes as another type: their messages never arrive."""
        found = []
        for topic in topics:
            subscription = self._subscriptions[topic]
            wanted = type_name(subscription.msg_type)
            offers = self._node.get_publishers_info_by_topic(subscription.topic_name)
            others = sorted({offer.topic_type for offer in offers} - {wanted})
            if others:
                found.append(
                    f"'{topic}' is published as {others[0]}, the contract says {wanted}: correct the publisher or the "
                    "contract"
                )
        return found

    def adapt(self) -> list[str]:
        """Subscribe anew, best effort, where a publisher offers no more (most camera drivers do not).

        Returns these topics: what is lost on them is not sent again.
        """
        weakened = []
        for topic, profile in self._profiles.items():
            if profile.reliability != ReliabilityPolicy.RELIABLE:
                continue
            offers = self._node.get_publishers_info_by_topic(self._subscriptions[topic].topic_name)
            if any(offer.qos_profile.reliability == ReliabilityPolicy.BEST_EFFORT for offer in offers):
                weakened.append(topic)
        for topic in weakened:
            old, profile = self._subscriptions[topic], self._profiles[topic]
            weaker = QoSProfile(
                history=profile.history,
                depth=profile.depth,
                durability=profile.durability,
                reliability=ReliabilityPolicy.BEST_EFFORT,
            )
            self._subscribe(topic, old.msg_type, weaker)
            self._node.destroy_subscription(old)
        return weakened

    def _subscribe(self, topic: str, message_class: type[Any], profile: QoSProfile) -> None:
        self._losses.setdefault(topic, LossAccount())
        subscription = self._node.create_subscription(
            message_class,
            topic,
            lambda data: None,  # never called: see PolledGroup
            profile,
            raw=True,
            callback_group=self._group,
            event_callbacks=SubscriptionEventCallbacks(use_default_callbacks=False),
        )
        with subscription.handle:
            self._loss_events[topic] = rclpy_implementation.EventHandle(
                subscription.handle, QoSSubscriptionEventType.RCL_SUBSCRIPTION_MESSAGE_LOST
            )
        self._subscriptions[topic] = subscription
        self._profiles[topic] = profile
        self._audits[topic] = SequenceAudit()

    def _audit(self, topic: str, sequence: int | None) -> None:
        if sequence is not None:  # None: a middleware that does not count
            name = self._subscriptions[topic].topic_name  # as remapped: the node's own look-up does not
            missing = self._audits[topic].missing_before(sequence, lambda: self._node.count_publishers(name))
            self._losses[topic].add_gap(missing)


def type_name(message_class: Any) -> str:
    """A message class's name as the graph tells it, e.g. sensor_msgs/msg/Image."""
    return f"{message_class.__module__.split('.')[0]}/msg/{message_class.__name__}"


def _message_class(type_name: str) -> type[Any]:
    package, _, name = type_name.partition("/msg/")
    try:
        message_class: type[Any] = getattr(import_module(f"{package}.msg"), name)
    except (ImportError, AttributeError) as error:
        raise BcError(f"message type '{type_name}' is not installed ({error}): install package '{package}'") from error
    return message_class
