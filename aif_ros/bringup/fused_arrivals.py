"""When fused images arrive at an observer of the pipeline."""

import time
from typing import Any

from aif_ros.bringup.observer import RunningGraph
from aif_ros.nodes.stamps import to_stamp
from aif_ros.nodes.topic import StampedImage
from aif_ros.nodes.topics import FUSED_IMAGE

_DEPTH = 10
"""Fused images that may wait."""


def fused_arrivals(running: RunningGraph, *, by_reference: bool) -> list[tuple[int, int]]:
    """Return stamps and times of arrival of fused images; the list grows while the graph is spun.

    Args:
        running: observes the pipeline.
        by_reference: whether to subscribe within the process where the nodes run in it, instead of
            by DDS.

    Returns:
        Stamp and system time of each, nanoseconds.
    """
    arrivals: list[tuple[int, int]] = []

    def arrive(image: StampedImage) -> None:
        arrivals.append((image.stamp, time.time_ns()))

    def take(message: Any) -> None:
        # Not decoded: that would cost what is measured.
        arrivals.append((to_stamp(message.header.stamp), time.time_ns()))

    if by_reference and running.exchange is not None:
        path = running.node.resolve_topic_name(FUSED_IMAGE.name)
        running.exchange.subscribe(path, arrive)
    else:
        running.node.create_subscription(
            FUSED_IMAGE.message_type, FUSED_IMAGE.name, take, FUSED_IMAGE.subscription_qos(_DEPTH)
        )
    return arrivals
