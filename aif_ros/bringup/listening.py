"""Subscription of a node that is not part of the pipeline to one of its topics."""

from collections.abc import Callable
from typing import Any, TypeVar

from rclpy.node import Node

from aif_ros.nodes.topic import Topic

T = TypeVar("T")


def listen(
    node: Node, topic: Topic[T], callback: Callable[[T], object], depth: int | None = None
) -> Any:
    """Call `callback` with what each message holds; unusable ones are ignored: the nodes log them.

    Args:
        node: in the pipeline's namespace.
        topic: what to subscribe to.
        callback: called by the thread that spins the node.
        depth: messages that may wait; None: as the topic declares.

    Returns:
        The subscription, to be destroyed by the node.
    """

    def take(message: Any) -> None:
        try:
            value = topic.decode(message)
        except ValueError:
            return
        callback(value)

    qos = topic.subscription_qos(topic.depth if depth is None else depth)
    return node.create_subscription(topic.message_type, topic.name, take, qos)
