"""A camera and its lens, working together."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from aif_ros.devices.clock import Clock
from aif_ros.devices.device import Camera, DeviceError, FocusLens
from aif_ros.optics.lens_model import LensModel
from aif_ros.pipeline.frame_joiner import FrameJoiner
from aif_ros.pipeline.lens_state_buffer import LensStateBuffer
from aif_ros.pipeline.settling import SettleDetector
from aif_ros.types.frame import Frame, LensState

# Seconds between two queries of the lens: a fraction of the shortest exposure in use.
_POLL = 0.002


class Rig:
    """Moves the lens, waits until it has settled, and captures frames with their lens position.

    Args:
        camera: captures the images.
        lens: is moved.
        clock: the devices' clock.
        lens_model: of the lens.
        exposure_time: of the camera, seconds; used to recognise frames exposed in motion.
        settle_timeout: seconds that a move may take.

    Attributes:
        clock: the devices' clock.
        lens_model: of the lens.
    """

    def __init__(
        self,
        camera: Camera,
        lens: FocusLens,
        clock: Clock,
        lens_model: LensModel,
        *,
        exposure_time: float = 0.0,
        settle_timeout: float = 10.0,
    ) -> None:
        self.lens_model = lens_model
        self._camera = camera
        self._lens = lens
        self.clock = clock
        resolution = lens_model.position_resolution
        self._frames = FrameJoiner(
            LensStateBuffer(exposure_time, resolution), capacity=1, newest_first=True
        )
        # The lens is queried directly: every state after a command already reflects it.
        self._settling = SettleDetector(resolution, reaction_timeout=0.0)
        self._observers: list[Callable[[LensState], None]] = []
        self._half_exposure = round(exposure_time * 0.5e9)
        self._newest: int | None = None
        self._period: int | None = None
        self._settle_timeout = settle_timeout

    @property
    def limits(self) -> tuple[float, float]:
        """Lowest and highest lens position, metres."""
        return self._lens.limits

    @contextmanager
    def observed_by(self, observer: Callable[[LensState], None]) -> Iterator[None]:
        """Pass every lens state to `observer` within the block."""
        self._observers.append(observer)
        try:
            yield
        finally:
            self._observers.remove(observer)

    def send(self, position: float) -> int:
        """Start moving the lens to `position` (metres); return the time, nanoseconds.

        Raises:
            ValueError: the position is not finite or outside the limits; the lens stays.
            DeviceError: the lens does not answer.
        """
        now = self.clock.now()
        self._lens.move_to(position)
        self._settling.command(position, now)
        return now

    def stop(self) -> None:
        """Stop the lens where it is.

        Raises:
            DeviceError: it does not answer.
        """
        self._lens.stop()
        self._settling.release()

    def settle(self) -> LensState:
        """Wait until the lens has settled and return its state.

        Raises:
            DeviceError: it does not come to rest in time, or does not answer.
        """
        deadline = self._deadline()
        while not self._settled():
            self._check(deadline)
            self.clock.sleep(_POLL)
        assert self._settling.state is not None
        return self._settling.state

    def frames_until_settled(self) -> Iterator[Frame]:
        """Capture frames until the lens has settled.

        Raises:
            DeviceError: it does not come to rest in time, or does not answer; the camera fails.
        """
        deadline = self._deadline()
        while not self._settled():
            self._check(deadline)
            # The lens is not queried during a capture, so the capture begins as late as possible.
            if self._exposes_soon():
                yield self.frame()
            else:
                self.clock.sleep(_POLL)

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
        self._frames.add_image(capture)
        while True:
            self._query()
            frame = self._frames.next()
            if frame is not None:
                return frame
            self.clock.sleep(_POLL)

    def _exposes_soon(self) -> bool:
        """Whether a camera of regular frames begins one before the next query of the lens."""
        if self._newest is None or self._period is None:
            return True
        begun = self._newest - self._half_exposure
        return (begun - self.clock.now()) % self._period <= _POLL * 1e9

    def _deadline(self) -> int:
        return self.clock.now() + round(self._settle_timeout * 1e9)

    def _check(self, deadline: int) -> None:
        if self.clock.now() > deadline:
            assert self._settling.state is not None
            raise DeviceError(
                f"the lens still moves after {self._settle_timeout:g} s, "
                f"at {self._settling.state.position} m"
            )

    def _settled(self) -> bool:
        self._query()
        return self._settling.settled_at is not None

    def _query(self) -> None:
        state = self._lens.state()
        if not math.isfinite(state.position):
            raise DeviceError(f"the lens reports {state.position} as its position")
        self._frames.add_state(state)
        self._settling.observe(state)
        for observer in self._observers:
            observer(state)
