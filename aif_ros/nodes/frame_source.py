"""Pictures and lens states from different messages become frames."""

import threading
from collections import deque

from aif_ros.devices.device import Capture
from aif_ros.nodes.topics import StampedImage
from aif_ros.pipeline.lens_state_buffer import LensStateBuffer
from aif_ros.types.frame import Frame, LensState


class FrameSource:
    """Joins pictures and lens states by stamp; filled by callbacks, emptied by a worker.

    Args:
        timeline: knows where the lens was; used by nobody else.
        capacity: number of pictures that may wait; beyond it the oldest is dropped.
        newest_first: whether all pictures older than the one returned are skipped; one exposed
            with the lens at rest is not skipped for one with the lens on its way.
    """

    def __init__(self, timeline: LensStateBuffer, *, capacity: int, newest_first: bool) -> None:
        self._timeline = timeline
        self._waiting: deque[StampedImage] = deque()
        self._capacity = capacity
        self._newest_first = newest_first
        self._changed = threading.Condition()
        self.frame_id = ""
        """Coordinate frame of the pictures."""
        self.received = 0
        """Number of pictures that came."""
        self.dropped = 0
        """Number of pictures that had to go because nobody had time for them."""

    def add_image(self, picture: StampedImage) -> None:
        """Take in a picture."""
        with self._changed:
            self.frame_id = picture.frame_id
            self.received += 1
            self._waiting.append(picture)
            if len(self._waiting) > self._capacity:
                self._waiting.popleft()
                self.dropped += 1
            self._changed.notify_all()

    def add_state(self, state: LensState) -> None:
        """Take in a lens state."""
        with self._changed:
            self._timeline.add(state)
            self._changed.notify_all()

    def next(self, timeout: float) -> Frame | None:
        """Return the next frame, or None if there is none within `timeout` seconds."""
        with self._changed:
            self._changed.wait_for(self._ready, timeout)
            frame = None
            while self._ready() and (frame is None or self._newest_first):
                picture = self._waiting.popleft()
                newer = self._timeline.frame(Capture(picture.image, picture.stamp))
                if frame is None or frame.moving or (newer is not None and not newer.moving):
                    frame = newer
            return frame

    def _ready(self) -> bool:
        if not self._waiting:
            return False
        first = self._waiting[0]
        return self._timeline.covers(Capture(first.image, first.stamp))
