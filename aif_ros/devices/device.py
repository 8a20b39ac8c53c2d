"""The two devices of an all-in-focus camera: a camera and the lens before it."""

from dataclasses import dataclass
from typing import Any, Protocol

from numpy.typing import NDArray

from aif_ros.types.frame import LensState


class DeviceError(RuntimeError):
    """A device cannot be opened, has stalled or is disconnected; the message says what to do."""


class ConnectionLostError(DeviceError):
    """The connection to a device failed; a later call opens it again."""


class MissingDependencyError(DeviceError):
    """A backend needs a package that is not installed; the message holds the install command."""


@dataclass(frozen=True)
class Capture:
    """An image as a camera delivers it.

    Attributes:
        image: (H, W) mono or (H, W, 3) RGB; uint8 or uint16.
        stamp: middle of the exposure, nanoseconds.
        bits: in use of each sample, which sets the full scale; 0: the camera does not say.
    """

    image: NDArray[Any]
    stamp: int
    bits: int = 0


class Camera(Protocol):
    """A camera. Every backend passes the shared tests in `test/helpers/camera_contract.py`."""

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of its images, pixels."""
        ...

    def capture(self) -> Capture:
        """Wait for the next image and return it.

        Raises:
            DeviceError: no image arrived in time, or the camera is closed or disconnected.
            EndOfRecording: a recording (video file, folder) has been played to its end.
        """
        ...

    def close(self) -> None:
        """Release the camera; closing twice has no effect."""
        ...


def first_image_size(camera: Camera) -> tuple[int, int]:
    """Return (width, height) of a first image, for cameras whose drivers report no size before it.

    Raises:
        DeviceError: there is no image; the camera has been closed.
    """
    try:
        image = camera.capture().image
    except DeviceError:
        camera.close()
        raise
    return image.shape[1], image.shape[0]


class EndOfRecording(DeviceError):  # noqa: N818 (an end, not a fault)
    """A recorded source has no further image."""


def check_port(port: str) -> None:
    """Check the number of a network port.

    Raises:
        ValueError: there is no such port.
    """
    if not 1 <= int(port) <= 65535:
        raise ValueError(f"a network port lies between 1 and 65535, got {port}")


class FocusLens(Protocol):
    """A lens, or Z stage, with motorised focus; positions are absolute, metres of travel.

    Every backend passes the shared tests in `test/helpers/lens_contract.py`.
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
        """Stop a motor that still moves, and release the lens; closing twice has no effect."""
        ...
