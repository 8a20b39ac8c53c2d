"""Real devices on the command line: opening them, and calibrating a lens through its camera."""

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro
from typing_extensions import Doc

from aif_ros.cli import CommandError
from aif_ros.settings.declaration import Limits

if TYPE_CHECKING:
    from aif_ros.autofocus.search import FocusRun
    from aif_ros.calibration.sweep_calibration import LensCalibration
    from aif_ros.defocus.patch_blur import PatchEstimator
    from aif_ros.devices.device import Camera, FocusLens
    from aif_ros.devices.motor_lens import MotorLens
    from aif_ros.optics.lens_model import LensModel
    from aif_ros.pipeline.rig import Rig
    from aif_ros.types.frame import Frame, Window

SETTLE_TIMEOUT = 120.0
"""Seconds that a move may take: the whole travel of a slow focuser."""
RECONNECT_TIMEOUT = 30.0
"""Seconds to wait for a device that was disconnected: enough to plug a cable in again."""

LiveCamera = Annotated[
    str,
    tyro.conf.arg(metavar="CAMERA"),
    Doc("Real camera: index, path or BACKEND:ADDRESS (see `aif devices`)."),
]
"""Type of the option `--camera` of commands for real devices."""
LiveLens = Annotated[
    str,
    tyro.conf.arg(metavar="LENS"),
    Doc("Real lens: BACKEND:ADDRESS (see `aif devices`)."),
]
"""Type of the option `--lens`."""
LiveExposure = Annotated[
    float,
    tyro.conf.arg(metavar="SECONDS"),
    Limits(0.0, 3600.0),
    Doc("Exposure time of a real camera, without ROS."),
]
"""Type of the option `--exposure-time`."""


def check_pair(camera: str, lens: str, purpose: str) -> None:
    """Check that both devices are named.

    Args:
        camera: text of the camera.
        lens: text of the lens.
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
        camera: text of the camera.
        lens: text of the lens.
        calibration: file of the lens calibration; the limits of the lens model that is yielded are
            narrower where those of the device are.
    """
    from aif_ros.devices.backlash import compensated

    lens_model = load_calibration(calibration)
    with _opened(camera, lens, lens_model) as (opened_camera, opened_lens):
        limited = lens_model.narrowed(opened_lens.limits)
        yield opened_camera, compensated(opened_lens, limited), limited


def open_uncalibrated(camera: str, lens: str) -> "AbstractContextManager[tuple[Camera, MotorLens]]":
    """Open a camera and a lens whose calibration is not known yet; they are closed at the end.

    The limits of the lens are printed before it moves.

    Args:
        camera: see `aif_ros.devices.backends.open_camera`.
        lens: see `aif_ros.devices.backends.open_motor_lens`.

    Raises:
        CommandError: a text is wrong.
        DeviceError: a device cannot be opened.
    """
    return _opened(camera, lens, None)


@contextmanager
def _opened(
    camera: str, lens: str, lens_model: "LensModel | None"
) -> "Iterator[tuple[Camera, MotorLens]]":
    from aif_ros.devices.backends import open_camera, open_motor_lens
    from aif_ros.devices.clock import SystemClock

    try:
        opened_lens = open_motor_lens(lens, SystemClock(), lens_model)
    except ValueError as error:
        raise CommandError(str(error)) from error
    try:
        for line in opened_lens.limits_report(lens_model):
            print(line, file=sys.stderr)
        try:
            opened_camera = open_camera(camera, SystemClock())
        except ValueError as error:
            raise CommandError(str(error)) from error
        try:
            yield opened_camera, opened_lens
        finally:
            opened_camera.close()
    finally:
        opened_lens.close()


@dataclass(frozen=True)
class LiveCalibration:
    """What a live calibration gives.

    Attributes:
        calibration: from the sweep.
        lens_model: the calibrated lens.
        focus: one autofocus with it, as proof.
        frames: those of that autofocus.
        backlash_unknown: why the backlash is not known; empty: it is.
    """

    calibration: "LensCalibration"
    lens_model: "LensModel"
    focus: "FocusRun"
    frames: "list[Frame]"
    backlash_unknown: str = ""


def calibrate_through_camera(
    camera: "Camera",
    lens: "MotorLens",
    name: str,
    *,
    limits: tuple[float, float] | None,
    slices: int,
    exposure_time: float,
    search: str,
    estimator: "PatchEstimator | None",
    near: "Window | None",
    on_frame: "Callable[[Frame], None]",
) -> LiveCalibration:
    """Record sweeps up and down, calibrate, and autofocus once from the upper end of the sweep.

    Raises:
        UndeterminedError: the sweeps do not determine the lens.
        DeviceError: a device fails.
    """
    from aif_ros.autofocus.searches import make_search
    from aif_ros.calibration.sweep_calibration import UndeterminedError, measure_backlash
    from aif_ros.devices.backlash import compensated
    from aif_ros.optics.lens_model import LensModel
    from aif_ros.pipeline.focus_step import focus_window
    from aif_ros.pipeline.sweep_recording import Sweep, calibrate_live, record_return

    low, high = limits or lens.limits
    # Nothing is known of the blur yet; the rig needs a lens model to compare positions.
    blur_per_metre = camera.size[0] / (high - low)
    unknown = LensModel(
        "unknown", lens.metres_per_step, lens.limits, blur_per_metre, camera.size[0]
    )
    rig = make_rig(camera, lens, unknown, exposure_time)
    sweeps: list[Sweep] = []
    calibration = calibrate_live(
        rig,
        (low, high),
        slices,
        estimator,
        near=near,
        on_sweep=sweeps.append,
        on_frame=on_frame,
    )
    back = record_return(rig, sweeps[-1].positions, on_frame)
    lens_model = calibration.lens_model(name, lens.limits, lens.metres_per_step)
    backlash_unknown = ""
    try:
        backlash = measure_backlash(sweeps[-1].images, back.images, sweeps[-1].positions)
        if lens_model.same_position(0.0, backlash, camera.size[0]):
            backlash = 0.0  # not worth two legs for each move downwards
        lens_model = replace(lens_model, backlash=backlash)
    except UndeterminedError as error:
        backlash_unknown = str(error)
    frames: list[Frame] = []
    focus = focus_window(
        make_rig(camera, compensated(lens, lens_model), lens_model, exposure_time),
        make_search(search, lens_model),
        limits=(low, high),
        start=high,
        on_frame=frames.append,
    )
    return LiveCalibration(calibration, lens_model, focus, frames, backlash_unknown)


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


def save_proof(result: LiveCalibration, path: Path) -> Path:
    """Write the first and the focused picture side by side."""
    import numpy as np

    from aif_ros.devices.image_files import write_image
    from aif_ros.types.image import to_float

    focused = min(result.frames, key=lambda frame: abs(frame.position - result.focus.position))
    pair = [to_float(frame.image) for frame in (result.frames[0], focused)]
    write_image(path, np.concatenate(pair, axis=1), deep=False)
    return path
