"""A camera and the lens before it, working together."""

import math

from aif_ros.devices.clock import Clock
from aif_ros.devices.device import Camera, DeviceError, FocusLens
from aif_ros.devices.timeline import LensTimeline
from aif_ros.frame import Frame, LensState

_POLL = 0.002


class Rig:
    """Moves the lens, waits until it rests, and gives frames that know where the lens was.

    Args:
        camera: takes the pictures.
        lens: is moved.
        clock: the devices' clock.
        exposure_time: of the camera, seconds; frames exposed in motion are known by it.
        settle_timeout: seconds that a move may take.
    """

    def __init__(
        self,
        camera: Camera,
        lens: FocusLens,
        clock: Clock,
        *,
        exposure_time: float = 0.0,
        settle_timeout: float = 10.0,
    ) -> None:
        self._camera = camera
        self._lens = lens
        self._clock = clock
        self._timeline = LensTimeline(exposure_time)
        self._settle_timeout = settle_timeout

    @property
    def limits(self) -> tuple[float, float]:
        """Lowest and highest lens position, metres."""
        return self._lens.limits

    def move_to(self, position: float) -> LensState:
        """Send the lens to `position` (metres), wait until it rests, and return its state.

        Raises:
            ValueError: the position is not finite or outside the limits; the lens stays.
            DeviceError: the lens stalls, or does not come to rest in time.
        """
        self._lens.move_to(position)
        return self.settle()

    def settle(self) -> LensState:
        """Wait until the lens rests and return its state.

        Raises:
            DeviceError: it does not come to rest in time, or does not answer.
        """
        deadline = self._clock.now() + round(self._settle_timeout * 1e9)
        while (state := self._look()).moving:
            if self._clock.now() > deadline:
                raise DeviceError(
                    f"the lens still moves after {self._settle_timeout:g} s, at {state.position} m"
                )
            self._clock.sleep(_POLL)
        return state

    def frame(self) -> Frame:
        """Capture the next frame.

        Raises:
            DeviceError: the camera or the lens fails.
        """
        capture = self._camera.capture()
        while True:
            self._look()
            frame = self._timeline.frame(capture)
            if frame is not None:
                return frame
            self._clock.sleep(_POLL)

    def _look(self) -> LensState:
        state = self._lens.state()
        if not math.isfinite(state.position):
            raise DeviceError(f"the lens reports {state.position} as its position")
        self._timeline.add(state)
        return state
