"""Whether frames were exposed with the lens at rest."""

from aif_ros.devices.device import DeviceError
from aif_ros.types.frame import Frame

PATIENCE = 10
"""Frames in a row that may be unusable: drivers hold up to a handful back."""


class RestWatch:
    """Separates frames exposed at rest from those exposed in motion, for a lens that has settled.

    Example:
        >>> import numpy as np
        >>> image = np.zeros((48, 64), np.uint8)
        >>> watch = RestWatch()
        >>> [watch.at_rest(Frame(image, 0, 5e-4, travel)) for travel in (1e-5, 0.0)]
        [False, True]
    """

    def __init__(self) -> None:
        self._in_motion = 0

    def at_rest(self, frame: Frame) -> bool:
        """Whether the next frame was exposed at rest.

        Raises:
            DeviceError: `PATIENCE` frames in a row were not, so the lens does not rest.
        """
        self._in_motion = self._in_motion + 1 if frame.moving else 0
        if self._in_motion >= PATIENCE:
            raise DeviceError(
                f"the lens moved during {PATIENCE} exposures in a row though it is at rest"
            )
        return not frame.moving
