"""A number in the metadata that a camera driver publishes with each frame."""

import contextlib
import time

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node

METADATA_AGE = 1.0
"""Seconds after which a value is too old to be used: metadata come with every frame."""


class FrameMetadata:
    """Keeps the newest value of one key of the metadata on `/diagnostics`.

    Args:
        node: subscribes.
        key: of the value; empty: the driver publishes none.
    """

    def __init__(self, node: Node, key: str) -> None:
        self._key = key
        self._newest: tuple[float, float] | None = None  # value, and when it came
        self.frame_id = ""
        """Coordinate frame of the camera; metadata of other cameras are ignored."""
        if key:
            node.create_subscription(DiagnosticArray, "/diagnostics", self._observe, 10)

    @property
    def value(self) -> float | None:
        """The value of a recent frame; None: there is none."""
        newest = self._newest
        if newest is None or time.monotonic() - newest[1] > METADATA_AGE:
            return None
        return newest[0]

    def forget(self) -> None:
        """Forget the value, because the driver was lost."""
        self._newest = None

    def _observe(self, message: DiagnosticArray) -> None:
        if message.header.frame_id != self.frame_id:
            return
        for status in message.status:
            for pair in status.values:
                if pair.key == self._key:
                    with contextlib.suppress(ValueError):
                        self._newest = (float(pair.value), time.monotonic())
