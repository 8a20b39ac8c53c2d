"""A camera and the lens before it, working together."""

import math
from collections.abc import Iterator

from aif_ros.devices.clock import Clock
from aif_ros.devices.device import Camera, DeviceError, FocusLens
from aif_ros.pipeline.lens_state_buffer import LensStateBuffer
from aif_ros.types.frame import Frame, LensState

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
        self._timeline = LensStateBuffer(exposure_time)
        self._half_exposure = round(exposure_time * 0.5e9)
        self._newest: int | None = None
        self._period: int | None = None
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
        deadline = self._deadline()
        while (state := self._look()).moving:
            self._check(deadline, state)
            self._clock.sleep(_POLL)
        return state

    def frames_until_rest(self) -> Iterator[Frame]:
        """Capture frames while the lens moves.

        Raises:
            DeviceError: it does not come to rest in time, or does not answer; the camera fails.
        """
        deadline = self._deadline()
        while (state := self._look()).moving:
            self._check(deadline, state)
            # While the camera is waited for, nobody looks at the lens: not earlier than needed.
            if self._exposes_soon():
                yield self.frame()
            else:
                self._clock.sleep(_POLL)

    def _exposes_soon(self) -> bool:
        """Whether a camera of regular frames begins one before the lens is looked at again."""
        if self._newest is None or self._period is None:
            return True
        begun = self._newest - self._half_exposure
        return (begun - self._clock.now()) % self._period <= _POLL * 1e9

    def _deadline(self) -> int:
        return self._clock.now() + round(self._settle_timeout * 1e9)

    def _check(self, deadline: int, state: LensState) -> None:
        if self._clock.now() > deadline:
            raise DeviceError(
                f"the lens still moves after {self._settle_timeout:g} s, at {state.position} m"
            )

    def frame(self) -> Frame:
        """Capture the next frame.

        Raises:
            DeviceError: the camera or the lens fails.
        """
        capture = self._camera.capture()
        if self._newest is not None:
            between = max(1, capture.stamp - self._newest)
            self._period = between if self._period is None else min(self._period, between)
        self._newest = capture.stamp
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
