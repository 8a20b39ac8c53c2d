"""The topics that a node publishes and subscribes to, by DDS or within its process."""

import math
from collections.abc import Callable
from typing import Any, TypeVar

from rclpy.lifecycle import LifecycleNode

from aif_ros.nodes.diagnostics import Diagnostics
from aif_ros.nodes.exchange import Exchange
from aif_ros.nodes.idleness import Arrivals
from aif_ros.nodes.node_traffic import NodeTraffic
from aif_ros.nodes.publishers import LazyPublisher, TopicPublisher
from aif_ros.nodes.subscriptions import TopicSubscription
from aif_ros.nodes.topic import Topic

T = TypeVar("T")


class Connections:
    """Publishers and subscriptions of one node.

    Args:
        node: the node.
        exchange: of the nodes in its process; None: it is alone.
        diagnostics: of the node.
        listening: seconds that silence on topics is measured with.
        report: called with what a callback raises.
    """

    def __init__(
        self,
        node: LifecycleNode,
        exchange: Exchange | None,
        diagnostics: Diagnostics,
        listening: Callable[[], float],
        report: Callable[[Exception], None],
    ) -> None:
        self._node = node
        self._exchange = exchange
        self._diagnostics = diagnostics
        self._listening = listening
        self._report = report
        self.publishers: list[TopicPublisher[Any]] = []
        """Publishers, those of images included."""
        self.subscriptions: list[TopicSubscription] = []
        """Subscriptions by DDS."""
        self._lazy_publishers: list[LazyPublisher[Any]] = []

    def publisher(self, topic: Topic[T]) -> TopicPublisher[T]:
        """Make a publisher."""
        publisher = TopicPublisher(self._node, topic, self._exchange)
        self.publishers.append(publisher)
        return publisher

    def lazy_publisher(self, topic: Topic[T], rate: float = math.inf) -> LazyPublisher[T]:
        """Make a publisher of images for people, `rate` per second at most."""
        publisher = TopicPublisher(self._node, topic, None)
        self.publishers.append(publisher)
        lazy = LazyPublisher(publisher, rate)
        self._lazy_publishers.append(lazy)
        return lazy

    def subscribe(
        self, topic: Topic[T], callback: Callable[[T], None], depth: int | None = None
    ) -> Callable[[], None]:
        """Subscribe, within the process where the topic is offered there; returns how to end it.

        What `callback` raises is reported.
        """

        def hand_over(value: T) -> None:
            try:
                callback(value)
            except Exception as error:
                self._report(error)

        path, exchange = self._node.resolve_topic_name(topic.name), self._exchange
        if exchange is not None and exchange.offers(path):
            exchange.subscribe(path, hand_over)
            return lambda: exchange.unsubscribe(path, hand_over)

        depth = topic.depth if depth is None else depth
        subscription = TopicSubscription(
            self._node, topic, hand_over, depth, self._diagnostics, Arrivals(self._listening)
        )
        self.subscriptions.append(subscription)

        def end() -> None:
            self.subscriptions.remove(subscription)
            subscription.close()

        return end

    def refresh(self) -> None:
        """Adapt to new subscribers and publishers; to be called often."""
        for publisher in self.publishers:
            publisher.refresh()
        for lazy in self._lazy_publishers:
            lazy.refresh()
        for subscription in self.subscriptions:
            subscription.refresh()

    @property
    def traffic(self) -> NodeTraffic:
        """How much has been published so far, and what is not heard."""
        return NodeTraffic(
            self._node.get_name(),
            {each.topic.name: each.published for each in self.publishers if each.topic.continuous},
            {
                each.topic.name: each.silent
                for each in self.subscriptions
                if each.silent is not None
            },
        )

    def close_publishers(self) -> None:
        """Destroy the publishers."""
        self._lazy_publishers.clear()
        while self.publishers:
            self.publishers.pop().close(self._node)
