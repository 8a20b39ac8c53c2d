"""Exposure time on the command line: of real cameras and of simulated ones."""

from typing import Annotated

import tyro
from typing_extensions import Doc

from aif_ros.cli import CommandError
from aif_ros.settings.declaration import Limits
from aif_ros.settings.nodes import EXPOSURE_TIME

# A frame of a camera with 30 frames per second, seconds.
_REAL = 0.033

ExposureOption = Annotated[
    float | None,
    tyro.conf.arg(metavar="SECONDS"),
    Limits(0.0, 3600.0),
    Doc(
        f"Exposure time of the camera, without ROS (default: {_REAL:g} of a real camera, "
        f"{EXPOSURE_TIME:g} of a simulated one)."
    ),
]
"""Type of the option `--exposure-time`."""


def real_exposure(given: float | None) -> float:
    """Return the exposure time of a real camera, seconds.

    Args:
        given: with `--exposure-time`; None: it was not given.
    """
    return _REAL if given is None else given


def simulated_exposure(given: float | None) -> float:
    """Return the exposure time of a simulated camera, seconds.

    Args:
        given: with `--exposure-time`; None: it was not given.

    Raises:
        CommandError: a simulated camera cannot expose for that time.
    """
    from aif_ros.simulation.simulated_devices import FRAME_RATE

    if given is None:
        return EXPOSURE_TIME
    if not 0 < given <= 1 / FRAME_RATE:
        raise CommandError(
            f"--exposure-time must be more than 0 and at most {1 / FRAME_RATE:.3g} s (a frame) "
            f"with a simulated camera, got {given:g}"
        )
    return given
