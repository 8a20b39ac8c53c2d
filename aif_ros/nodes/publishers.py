"""Publishers: of data for nodes, and of images that are made for subscribers only."""

import math
import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from rclpy.event_handler import PublisherEventCallbacks
from rclpy.lifecycle import LifecycleNode
from rclpy.qos_overriding_options import QoSOverridingOptions

from aif_ros.nodes.exchange import Exchange
from aif_ros.nodes.topic import Topic

T = TypeVar("T")

NO_EVENTS = PublisherEventCallbacks(use_default_callbacks=False)
"""Of publishers: what is incompatible is reported by the subscriber, too.

An executor of rclpy looks at every event of every publisher whenever it wakes, at 100 lens states
per second, and needs longer for that than for the states.
"""


class TopicPublisher(Generic[T]):
    """Publishes one topic: within the process by reference, by DDS if there are subscribers.

    Of a latched topic the newest value waits for the first subscriber. From then on DDS holds it
    for further ones; in a process of its own, a node leaves that to DDS from the beginning.
    """

    def __init__(self, node: LifecycleNode, topic: Topic[T], exchange: Exchange | None) -> None:
        self.topic = topic
        self.published = 0
        """Number of messages published by DDS."""
        self._exchange = exchange
        # Values are published by workers, one that waits by the executor.
        self._lock = threading.Lock()
        self._latches = topic.latched and exchange is None
        self._waiting: list[T] = []
        self._publisher = node.create_lifecycle_publisher(
            topic.message_type,
            topic.name,
            topic.publisher_qos,
            event_callbacks=NO_EVENTS,
            qos_overriding_options=QoSOverridingOptions.with_default_policies(),
        )
        self._path = self._publisher.topic_name
        if exchange is not None:
            exchange.advertise(self._path)

    @property
    def active(self) -> bool:
        """Whether the node is active."""
        return bool(self._publisher.is_activated)

    @property
    def subscribers(self) -> int:
        """Number of subscribers outside this process."""
        return int(self._publisher.get_subscription_count())

    def publish(self, value: T) -> None:
        """Publish `value`, which must not be changed afterwards."""
        if not self.active:
            return
        if self._exchange is not None:
            self._exchange.publish(self._path, value, latch=self.topic.latched)
        with self._lock:
            if self._latches or self.subscribers:
                self._send(value)
            elif self.topic.latched:
                self._waiting = [value]

    def refresh(self) -> None:
        """Publish what waits for a subscriber, if there is one; to be called often."""
        with self._lock:
            if self._waiting and self.active and self.subscribers:
                self._send(self._waiting[0])

    def _send(self, value: T) -> None:
        self._waiting.clear()
        self._latches = self.topic.latched
        self._publisher.publish(self.topic.encode(value))
        self.published += 1

    def close(self, node: LifecycleNode) -> None:
        """Stop publishing."""
        if self._exchange is not None:
            self._exchange.withdraw(self._path)
        node.destroy_lifecycle_publisher(self._publisher)


class LazyPublisher(Generic[T]):
    """Publishes images that are made for subscribers only, and repeated for new ones.

    Args:
        publisher: that publishes them.
        rate: images per second at most; the newest one is always published in the end.
    """

    def __init__(self, publisher: TopicPublisher[T], rate: float = math.inf) -> None:
        self._publisher = publisher
        self._period = 1 / rate
        self._shown_at = -math.inf
        self._waits = False
        self._make: Callable[[], T] | None = None
        self._subscribers = 0

    @property
    def wanted(self) -> bool:
        """Whether there are subscribers."""
        return self._publisher.subscribers > 0

    def show(self, make: Callable[[], T]) -> None:
        """Publish what `make` returns, now if there are subscribers, else when there are."""
        self._make = make
        self._subscribers = self._publisher.subscribers
        self._waits = self._subscribers > 0
        self._show()

    def refresh(self) -> None:
        """Publish the last image if it waits or there are new subscribers; to be called often."""
        before, self._subscribers = self._subscribers, self._publisher.subscribers
        self._waits |= self._subscribers > before
        self._show()

    def _show(self) -> None:
        now = time.monotonic()
        if self._waits and self._make is not None and now - self._shown_at >= self._period:
            self._waits, self._shown_at = False, now
            self._publisher.publish(self._make())
