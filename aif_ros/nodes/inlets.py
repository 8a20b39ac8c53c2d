"""Subscriptions that adapt to the quality of service of publishers that start later."""

from collections.abc import Callable
from typing import Any

from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.lifecycle import LifecycleNode
from rclpy.qos_overriding_options import QoSOverridingOptions

from aif_ros.nodes.topics import Topic


class Inlet:
    """Subscribes to one topic by DDS.

    BEST_AVAILABLE is resolved when the subscription is made: to what the publishers offer that are
    there, else to reliable. A driver that starts later and publishes best effort is not matched;
    then the subscription is made again.

    Args:
        node: that subscribes.
        topic: to subscribe to.
        take: called with each message.
        depth: messages kept while `take` is busy.
    """

    def __init__(
        self, node: LifecycleNode, topic: Topic[Any], take: Callable[[Any], None], depth: int
    ) -> None:
        self._node = node
        self._topic = topic
        self._take = take
        self._depth = depth
        self._incompatible = False
        self._subscription = self._subscribe()

    def refresh(self) -> None:
        """Adapt to publishers that have come; to be called regularly."""
        if self._incompatible:
            self._incompatible = False
            self._node.get_logger().info(f"{self._topic.name}: adapting to a new publisher")
            self._node.destroy_subscription(self._subscription)
            self._subscription = self._subscribe()

    def close(self) -> None:
        """End the subscription."""
        self._node.destroy_subscription(self._subscription)

    def _subscribe(self) -> Any:
        return self._node.create_subscription(
            self._topic.message_type,
            self._topic.name,
            self._take,
            self._topic.subscription_qos(self._depth),
            event_callbacks=SubscriptionEventCallbacks(incompatible_qos=self._note),
            qos_overriding_options=QoSOverridingOptions.with_default_policies(),
        )

    def _note(self, event: Any) -> None:
        # A subscription cannot be destroyed by its own event.
        self._incompatible = True
