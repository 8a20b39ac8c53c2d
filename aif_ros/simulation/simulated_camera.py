"""A simulated camera and lens in front of a rendered scene or a recorded focal stack."""

import threading
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from aif_ros.devices.clock import Clock
from aif_ros.devices.device import Capture, DeviceError, FocusLens
from aif_ros.pipeline.clock_jump import jumped_back
from aif_ros.pipeline.lens_state_buffer import LensStateBuffer
from aif_ros.simulation.simulated_lens import SimulatedLens
from aif_ros.types.frame import LensState


class Subject(Protocol):
    """Scene of a simulated camera: the sensor image at a given lens position."""

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the images, pixels."""
        ...

    def expose(self, position: float, seconds: float, travel: float = 0.0) -> NDArray[Any]:
        """Return the image (H, W) or (H, W, 3) RGB, uint8 or uint16.

        Args:
            position: true (optical) lens position in the middle of the exposure, metres.
            seconds: time since the camera was opened.
            travel: distance, metres, that the lens moves during the exposure.

        Raises:
            DeviceError: a recorded image cannot be read.
        """
        ...


def follow_with_backlash(position: float, follower: float, width: float) -> float:
    """Backlash (play) operator: position of `follower` after its driver has moved to `position`.

    The follower is pushed only where the driver would leave it more than half of `width` behind.

    Args:
        position: of the driver, metres.
        follower: position of the follower before, metres.
        width: of the backlash, metres.
    """
    return min(max(follower, position - width / 2), position + width / 2)


class SimulatedCamera:
    """Exposes at regular times, each image at the true lens position of its exposure.

    In one process it asks `lens` itself. Where lens and camera are separate processes, leave
    `lens` out and hand every reported state to `observe`, from any thread; `capture` then waits
    until the states reach to the end of the exposure.

    Args:
        subject: its scene.
        clock: where the time comes from.
        lens: its lens, if in the same process.
        backlash: dead travel between motor and optics, metres: after each reversal the motor
            runs this far before the optics follow.
        exposure_time: seconds, at most one frame period.
        frame_rate: frames per second.
        lens_timeout: seconds to wait for lens states (only without `lens`).
        skip_moving: leave out the images during whose exposure the lens moved, for no longer than
            `lens_timeout`. A real camera delivers them, but in a static scene they have no use,
            and rendering takes long.

    Raises:
        ValueError: a number is out of range.
    """

    def __init__(
        self,
        subject: Subject,
        clock: Clock,
        lens: FocusLens | None = None,
        *,
        backlash: float = 0.0,
        exposure_time: float = 0.01,
        frame_rate: float = 30.0,
        lens_timeout: float = 2.0,
        skip_moving: bool = False,
    ) -> None:
        if not (np.isfinite(backlash) and backlash >= 0):
            raise ValueError(f"backlash must be a number of metres >= 0, got {backlash}")
        if not (np.isfinite(frame_rate) and frame_rate > 0):
            raise ValueError(f"frame_rate must be a positive number, got {frame_rate}")
        if not 0 < exposure_time <= 1 / frame_rate:
            raise ValueError(
                f"exposure_time must be > 0 and at most a frame period ({1 / frame_rate:g} s), "
                f"got {exposure_time}"
            )
        self._subject = subject
        self._clock = clock
        self._lens = lens
        self._backlash = backlash
        self._exposure = exposure_time
        self._period = round(1e9 / frame_rate)
        self._lens_timeout = lens_timeout
        self._skip_moving = skip_moving
        self._optics = LensStateBuffer(exposure_time)
        self._changed = threading.Condition()
        self._opened = clock.now()
        self._next_frame = 0
        self._closed = False
        if backlash > 0 and isinstance(lens, SimulatedLens):
            # Where the optics are depends on all moves, those between two exposures too.
            lens.on_state = self.observe

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of its images, pixels."""
        return self._subject.size

    def observe(self, state: LensState) -> None:
        """Add a lens state; one older than the newest is ignored, unless its clock jumped back."""
        with self._changed:
            newest = self._optics.newest
            if newest is None or jumped_back(newest.stamp, state.stamp):
                optical = state.position
            elif state.stamp > newest.stamp:
                optical = follow_with_backlash(state.position, newest.position, self._backlash)
            else:
                return
            self._optics.add(LensState(state.stamp, optical, state.moving))
            self._changed.notify_all()

    def capture(self) -> Capture:
        """Expose the next frame of the camera's regular schedule.

        Raises:
            DeviceError: the camera is closed, or a recorded image cannot be read.
        """
        half = round(self._exposure * 0.5e9)
        give_up = self._clock.now() + round(self._lens_timeout * 1e9)
        while True:
            stamp = self._wait_for_next_frame() + half
            self._pass_time(half)
            self._pass_time(half)
            if self._closed:
                raise DeviceError("the camera is closed: open it again")
            position, travel, moving = self._optical_state(stamp, half)
            if not (moving and self._skip_moving) or stamp > give_up:
                image = self._subject.expose(position, (stamp - self._opened) * 1e-9, travel)
                # Renderings and images from files use the whole range of their type.
                return Capture(image, stamp, 8 * image.dtype.itemsize)

    def close(self) -> None:
        """Switch it off; a capture under way ends with a DeviceError."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _wait_for_next_frame(self) -> int:
        """Sleep until the next frame begins and return when that is, nanoseconds."""
        elapsed = self._clock.now() - self._opened
        self._next_frame = max(self._next_frame, -(-elapsed // self._period))
        begin = self._opened + self._next_frame * self._period
        self._next_frame += 1
        self._pass_time(begin - self._clock.now())
        return begin

    def _pass_time(self, nanoseconds: int) -> None:
        self._clock.sleep(nanoseconds * 1e-9)
        if self._lens is not None:
            self.observe(self._lens.state())

    def _optical_state(self, stamp: int, half: int) -> tuple[float, float, bool]:
        """Return optical position and travel, metres, and whether the lens moved or settled.

        Of an exposure about `stamp`, `half` of it before and after, nanoseconds.
        """
        begin, end = stamp - half, stamp + half
        with self._changed:

            def known() -> bool:
                return self._optics.newest is not None and self._optics.newest.stamp >= end

            # The lens itself was asked at the end of the exposure; only reports can be late.
            if self._lens is None and not self._changed.wait_for(
                lambda: known() or self._closed, self._lens_timeout
            ):
                raise DeviceError(
                    f"no lens state for {self._lens_timeout:g} s: see that the lens is running"
                )
            if self._closed:
                raise DeviceError("the camera is closed: open it again")
            travel = abs(self._optics.position(end) - self._optics.position(begin))
            return self._optics.position(stamp), travel, self._optics.travel(stamp) > 0
