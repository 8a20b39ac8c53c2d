"""Real devices on the command line: their options, and opening them."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Annotated

import tyro
from typing_extensions import Doc

from aif_ros.cli import CommandError

if TYPE_CHECKING:
    from aif_ros.devices.device import Camera, FocusLens
    from aif_ros.devices.motor_lens import MotorLens
    from aif_ros.optics.lens_model import LensModel
    from aif_ros.pipeline.rig import Rig

SETTLE_TIMEOUT = 120.0
"""Seconds that a move may take: the whole travel of a slow focuser."""
RECONNECT_TIMEOUT = 30.0
"""Seconds to wait for a device that was disconnected: enough to plug a cable in again."""

CameraOption = Annotated[
    str,
    tyro.conf.arg(metavar="CAMERA"),
    Doc("Real camera: index, path or BACKEND:ADDRESS (see `aif devices`)."),
]
"""Type of the option `--camera` of commands for real devices."""
LensOption = Annotated[
    str,
    tyro.conf.arg(metavar="LENS"),
    Doc("Real lens: BACKEND:ADDRESS (see `aif devices`)."),
]
"""Type of the option `--lens`."""


def check_pair(camera: str, lens: str, purpose: str) -> None:
    """Check that both devices are named.

    Args:
        camera: URI of the camera.
        lens: URI of the lens.
        purpose: what they are needed for, for the message.

    Raises:
        CommandError: one of them is missing.
    """
    if not (camera and lens):
        missing = "--lens" if camera else "--camera"
        raise CommandError(
            f"{purpose} needs --camera and --lens: {missing} is missing (`aif devices` lists what "
            "is connected)"
        )


def load_calibration(file: str) -> "LensModel":
    """Return the calibration of a real lens.

    Raises:
        CommandError: none is given.
        CalibrationError: it cannot be read.
    """
    from aif_ros.optics.lens_model import LensModel

    if not file:
        raise CommandError(
            "a real lens needs its calibration: --calibration FILE, written by aif calibrate"
        )
    return LensModel.load(file)


@contextmanager
def open_calibrated(
    camera: str, lens: str, calibration: str
) -> "Iterator[tuple[Camera, FocusLens, LensModel]]":
    """Open a camera and a calibrated lens; see `open_uncalibrated`.

    Args:
        camera: URI of the camera.
        lens: URI of the lens.
        calibration: file of the lens calibration; the limits of the lens model that is yielded are
            narrower where those of the device are.
    """
    from aif_ros.devices.calibrated_lens import open_calibrated_lens
    from aif_ros.devices.clock import SystemClock

    lens_model = load_calibration(calibration)
    with _uris_checked():
        opened_lens = open_calibrated_lens(lens, SystemClock(), lens_model, _print_limits)
    with closing(opened_lens), _opened(camera) as opened_camera:
        yield opened_camera, opened_lens, lens_model.narrowed(opened_lens.limits)


@contextmanager
def open_uncalibrated(camera: str, lens: str) -> "Iterator[tuple[Camera, MotorLens]]":
    """Open a camera and a lens whose calibration is not known yet; they are closed at the end.

    The limits of the lens are printed before it moves.

    Args:
        camera: see `aif_ros.devices.backends.open_camera`.
        lens: see `aif_ros.devices.backends.open_motor_lens`.

    Raises:
        CommandError: a URI is wrong.
        DeviceError: a device cannot be opened.
    """
    from aif_ros.devices.backends import open_motor_lens
    from aif_ros.devices.clock import SystemClock

    with _uris_checked():
        opened_lens = open_motor_lens(lens, SystemClock())
    with closing(opened_lens):
        _print_limits(opened_lens.limits_report())
        with _opened(camera) as opened_camera:
            yield opened_camera, opened_lens


@contextmanager
def _opened(camera: str) -> "Iterator[Camera]":
    from aif_ros.devices.backends import open_camera
    from aif_ros.devices.clock import SystemClock

    with _uris_checked():
        opened_camera = open_camera(camera, SystemClock())
    with closing(opened_camera):
        yield opened_camera


@contextmanager
def _uris_checked() -> Iterator[None]:
    """Report a URI that names no device as an error of the command line."""
    try:
        yield
    except ValueError as error:
        raise CommandError(str(error)) from error


def _print_limits(lines: Sequence[str]) -> None:
    for line in lines:
        print(line, file=sys.stderr)


def make_rig(
    camera: "Camera", lens: "FocusLens", lens_model: "LensModel", exposure_time: float
) -> "Rig":
    """Return camera and lens as a rig on the system clock."""
    from aif_ros.devices.clock import SystemClock
    from aif_ros.pipeline.rig import Rig

    return Rig(
        camera,
        lens,
        SystemClock(),
        lens_model,
        exposure_time=exposure_time,
        settle_timeout=SETTLE_TIMEOUT,
    )
