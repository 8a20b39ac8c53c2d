"""Captured images and lens states become frames."""

import statistics
import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import Any, Protocol

from numpy.typing import NDArray

from aif_ros.devices.device import Capture
from aif_ros.pipeline.clock_jump import jumped_back
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


# Seconds without a usable frame, while images arrive, that count as idle.
_IDLE = 2.5
# Least number of unused images that count as idle.
_SEVERAL = 3
# Images over which the offset between the stamps of camera and lens is averaged.
_OFFSETS = 50
# Seconds by which stamps of one clock can differ at most, for all delays of messages.
_ONE_CLOCK = 1.0


@dataclass(frozen=True)
class Idle:
    """Images arrive, but none was exposed with the lens at rest.

    Attributes:
        images: number of images since the last such frame.
        seconds: since then, or since the first image.
        reason: why, and what to do about it.
    """

    images: int
    seconds: float
    reason: str


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
        self.newest_first = newest_first
        """See above; can be changed between frames."""
        self._changed = threading.Condition()
        self._offsets: deque[float] = deque(maxlen=_OFFSETS)
        self._unused = 0
        self._idle_since = self._came_at = 0.0
        self._in_motion = False
        self.dropped = 0
        """Number of images dropped because the queue was full."""

    @property
    def offset(self) -> float | None:
        """How far the camera's stamps are ahead of the lens's, seconds; None: unknown.

        Delays of the messages are part of it: it is slightly negative in normal operation.
        """
        with self._changed:
            return statistics.median(self._offsets) if self._offsets else None

    def idle(self) -> Idle | None:
        """Return whether images arrive but give no frame at rest, and why."""
        with self._changed:
            now = time.monotonic()
            if self._unused < _SEVERAL or now - self._came_at > _IDLE:
                return None
            seconds = now - self._idle_since
            return None if seconds < _IDLE else Idle(self._unused, seconds, self._problem())

    def clear(self) -> None:
        """Drop the images that wait."""
        with self._changed:
            self._waiting.clear()

    def add_image(self, capture: StampedCapture) -> None:
        """Add a captured image."""
        with self._changed:
            self._came_at = time.monotonic()
            if self._unused == 0:
                self._idle_since = self._came_at
            self._unused += 1
            if self._waiting and jumped_back(self._waiting[-1].stamp, capture.stamp):
                self._waiting.clear()
            if self._buffer.newest is not None:
                self._offsets.append((capture.stamp - self._buffer.newest.stamp) * 1e-9)
            if not isinstance(capture, Capture):
                capture = Capture(capture.image, capture.stamp)
            self._waiting.append(capture)
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
            while self._ready() and (frame is None or self.newest_first):
                newer = self._buffer.frame(self._waiting.popleft())
                if frame is None or frame.moving or (newer is not None and not newer.moving):
                    frame = newer
            if frame is not None:
                self._in_motion = frame.moving
                if not frame.moving:
                    self._unused = 0
            return frame

    def _problem(self) -> str:
        if not self._offsets:
            return "no lens state comes: see that the lens node is active and its joint is right"
        offset = statistics.median(self._offsets)
        if abs(offset) > _ONE_CLOCK:
            return (
                f"the stamps of the camera are {_duration(offset)} those of the lens states: both "
                "must be of one clock (see use_sim_time)"
            )
        if self._in_motion:
            return "the lens states say that the lens moves all the time"
        return (
            f"no lens state as new as the images comes; the stamps of the camera are "
            f"{_duration(offset)} those of the lens states"
        )

    def _ready(self) -> bool:
        return bool(self._waiting) and self._buffer.covers(self._waiting[0])


def _duration(seconds: float) -> str:
    return f"{abs(seconds):.4g} s {'ahead of' if seconds > 0 else 'behind'}"
