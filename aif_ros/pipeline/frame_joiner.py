"""Captured images and lens states become frames."""

import threading
from collections import deque
from typing import Any, Protocol

from numpy.typing import NDArray

from aif_ros.devices.device import Capture
from aif_ros.pipeline.lens_state_buffer import LensStateBuffer
from aif_ros.types.frame import Frame, LensState


class StampedCapture(Protocol):
    """An image and the middle of its exposure, nanoseconds: a `Capture` or a decoded message."""

    @property
    def image(self) -> NDArray[Any]:
        """(H, W) or (H, W, 3)."""
        ...

    @property
    def stamp(self) -> int:
        """Nanoseconds."""
        ...


class FrameJoiner:
    """Joins images and lens states by stamp. Filled from any thread, emptied by one worker.

    Args:
        buffer: of the lens states; used by nothing else.
        capacity: images that may wait for their lens states; beyond it the oldest is dropped.
        newest_first: whether to skip all images older than the newest complete one. An image
            exposed at rest is not skipped in favour of one exposed in motion.
    """

    def __init__(self, buffer: LensStateBuffer, *, capacity: int, newest_first: bool) -> None:
        self._buffer = buffer
        self._waiting: deque[Capture] = deque()
        self._capacity = capacity
        self._newest_first = newest_first
        self._changed = threading.Condition()
        self.received = 0
        """Number of images added."""
        self.dropped = 0
        """Number of images dropped because the queue was full."""

    def add_image(self, capture: StampedCapture) -> None:
        """Add a captured image."""
        with self._changed:
            self.received += 1
            self._waiting.append(Capture(capture.image, capture.stamp))
            if len(self._waiting) > self._capacity:
                self._waiting.popleft()
                self.dropped += 1
            self._changed.notify_all()

    def add_state(self, state: LensState) -> None:
        """Add a lens state."""
        with self._changed:
            self._buffer.add(state)
            self._changed.notify_all()

    def next(self, timeout: float = 0.0) -> Frame | None:
        """Return the next frame, or None if there is none within `timeout` seconds."""
        with self._changed:
            self._changed.wait_for(self._ready, timeout)
            frame = None
            while self._ready() and (frame is None or self._newest_first):
                newer = self._buffer.frame(self._waiting.popleft())
                if frame is None or frame.moving or (newer is not None and not newer.moving):
                    frame = newer
            return frame

    def _ready(self) -> bool:
        return bool(self._waiting) and self._buffer.covers(self._waiting[0])
