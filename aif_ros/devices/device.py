"""The two devices of an all-in-focus camera: a camera and the lens before it."""

from dataclasses import dataclass
from typing import Any, Protocol

from numpy.typing import NDArray

from aif_ros.types.frame import LensState


class DeviceError(RuntimeError):
    """A device that cannot be opened, stalls or has disappeared; the message says what to do."""


@dataclass(frozen=True)
class Capture:
    """An image as a camera delivers it.

    Attributes:
        image: (H, W) mono or (H, W, 3) RGB; uint8 or uint16.
        stamp: middle of the exposure, nanoseconds.
    """

    image: NDArray[Any]
    stamp: int


class Camera(Protocol):
    """Something that takes pictures. Every backend passes `test/devices/camera_contract.py`."""

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of its images, pixels."""
        ...

    def capture(self) -> Capture:
        """Expose one image and return it; waits for the next one the camera has.

        Raises:
            DeviceError: no image came, or the camera is closed or gone.
            EndOfRecording: a recording (video file, folder) has been played to its end.
        """
        ...

    def close(self) -> None:
        """Let go of the camera; closing twice does no harm."""
        ...


class EndOfRecording(DeviceError):  # noqa: N818 (an end, not a fault)
    """A recorded source has no further image."""


class FocusLens(Protocol):
    """A lens, or Z stage, with motorised focus; positions are absolute, metres of travel.

    Every backend passes `test/devices/lens_contract.py`.
    """

    @property
    def limits(self) -> tuple[float, float]:
        """Lowest and highest position it may be sent to, metres."""
        ...

    def move_to(self, position: float) -> None:
        """Start moving to `position` and return at once; a new command replaces an unfinished one.

        Raises:
            ValueError: `position` is not finite or lies outside the limits; nothing moves.
            DeviceError: the lens does not answer, or is closed.
        """
        ...

    def stop(self) -> None:
        """Stop where it is."""
        ...

    def state(self) -> LensState:
        """Return where the lens is now and whether it still moves or settles.

        Raises:
            DeviceError: the lens does not answer, has stalled, or is closed.
        """
        ...

    def close(self) -> None:
        """Let go of the lens; closing twice does no harm."""
        ...
