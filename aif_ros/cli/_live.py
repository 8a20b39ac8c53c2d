"""Real devices on the command line: opening them, and calibrating a lens through its camera."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from aif_ros.cli import CommandError

if TYPE_CHECKING:
    from aif_ros.autofocus.search import FocusRun
    from aif_ros.calibration.sweep_calibration import LensCalibration, PatchEstimator
    from aif_ros.devices.device import Camera
    from aif_ros.devices.motor_lens import MotorLens
    from aif_ros.optics.lens_model import LensModel
    from aif_ros.pipeline.rig import Rig
    from aif_ros.types.frame import Frame

SETTLE_TIMEOUT = 120.0
"""Seconds that a move may take: the whole travel of a slow focuser."""


@contextmanager
def open_pair(
    camera: str, lens: str, lens_model: "LensModel | None" = None
) -> "Iterator[tuple[Camera, MotorLens]]":
    """Open a camera and a lens; they are closed at the end.

    Args:
        camera: see `aif_ros.devices.backends.open_camera`.
        lens: see `aif_ros.devices.backends.open_lens`.
        lens_model: calibration of the lens.

    Raises:
        CommandError: a text is wrong.
        DeviceError: a device cannot be opened.
    """
    from aif_ros.devices.backends import open_camera, open_lens
    from aif_ros.devices.clock import SystemClock

    clock = SystemClock()
    try:
        opened_lens = open_lens(lens, clock, lens_model)
    except ValueError as error:
        raise CommandError(str(error)) from error
    try:
        try:
            opened_camera = open_camera(camera, clock)
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
        frames: what that autofocus has looked at.
    """

    calibration: "LensCalibration"
    lens_model: "LensModel"
    focus: "FocusRun"
    frames: "list[Frame]"


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
    on_frame: "Callable[[Frame], None]",
) -> LiveCalibration:
    """Record a sweep, calibrate, and autofocus once from the far end of the sweep.

    Raises:
        UndeterminedError: the sweeps do not determine the lens.
        DeviceError: a device fails.
    """
    from aif_ros.autofocus.searches import make_search
    from aif_ros.optics.lens_model import LensModel
    from aif_ros.pipeline.focus_step import focus_window
    from aif_ros.pipeline.sweep_recording import calibrate_live

    low, high = limits or lens.limits
    # Nothing is known of the blur yet; the rig needs a lens to tell positions apart.
    blur_per_metre = camera.size[0] / (high - low)
    unknown = LensModel(
        "unknown", lens.metres_per_step, lens.limits, blur_per_metre, camera.size[0]
    )
    calibration = calibrate_live(
        make_rig(camera, lens, unknown, exposure_time),
        (low, high),
        slices,
        estimator,
        on_frame=on_frame,
    )
    lens_model = calibration.lens_model(name, lens.limits, lens.metres_per_step)
    frames: list[Frame] = []
    focus = focus_window(
        make_rig(camera, lens, lens_model, exposure_time),
        make_search(search, lens_model),
        limits=(low, high),
        start=high,
        on_look=frames.append,
    )
    return LiveCalibration(calibration, lens_model, focus, frames)


def make_rig(
    camera: "Camera", lens: "MotorLens", lens_model: "LensModel", exposure_time: float
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
