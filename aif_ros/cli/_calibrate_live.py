"""Calibration of a real lens through its camera, with one autofocus as proof."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from aif_ros.autofocus.search import FocusRun
from aif_ros.autofocus.searches import make_search
from aif_ros.calibration.sweep_calibration import (
    LensCalibration,
    UndeterminedError,
    measure_backlash,
)
from aif_ros.calibration.travel_direction import TravelDirection
from aif_ros.cli import CommandError, check_rectangle
from aif_ros.cli._calibrate_arguments import Arguments
from aif_ros.cli._calibrate_direction import check_direction
from aif_ros.cli._exposure import real_exposure
from aif_ros.cli._live import check_pair, make_rig, open_uncalibrated
from aif_ros.cli._measured_calibration import MeasuredCalibration, blur_estimator, near_window
from aif_ros.cli._progress import image_progress
from aif_ros.cli._stack_options import OPTIONS
from aif_ros.devices.backlash import compensated
from aif_ros.devices.device import Camera
from aif_ros.devices.image_files import write_image
from aif_ros.devices.motor_lens import MotorLens
from aif_ros.optics.lens_model import LensModel
from aif_ros.pipeline.focus_step import FocusOptions, focus_window
from aif_ros.pipeline.rig import Rig
from aif_ros.pipeline.sweep_recording import Sweep, calibrate_live, record_return
from aif_ros.types.frame import Frame
from aif_ros.types.image import to_float
from aif_ros.types.units import LARGEST_POSITION, position_within
from aif_ros.types.wording import counted


def calibrate_through_camera(args: Arguments, output: Path) -> MeasuredCalibration:
    """Calibrate through the camera and autofocus once.

    Args:
        args: of the command.
        output: calibration to write; its name is that of the lens where none is given.

    Raises:
        CommandError: the arguments do not fit each other or the devices, or the autofocus fails.
        UndeterminedError: the sweeps do not determine the lens.
        DeviceError: a device fails.
    """
    _check_arguments(args)
    with (
        open_uncalibrated(args.camera, args.lens) as (camera, lens),
        image_progress("image") as bar,
    ):
        _check_devices(args, camera, lens)

        def show(frame: Frame) -> None:
            bar.update()
            bar.set_postfix_str(f"{frame.position:.6g} m")

        devices = _Devices(camera, lens, real_exposure(args.exposure_time))
        result = _calibrate_and_focus(args, devices, args.name or output.stem, show)
    notes: dict[str, Any] = {"autofocus": _report(result, output)}
    if result.backlash_unknown:
        notes["backlash_unknown"] = result.backlash_unknown
    return MeasuredCalibration(result.calibration, result.lens_model, notes, lens.higher_focuses)


@dataclass(frozen=True)
class _Devices:
    """What is calibrated.

    Attributes:
        camera: captures the images.
        lens: has no calibration yet.
        exposure_time: of the camera, seconds.
    """

    camera: Camera
    lens: MotorLens
    exposure_time: float

    def rig(self, lens_model: LensModel) -> Rig:
        """Return camera and lens as a rig; moves of a known backlash approach from one side."""
        lens = compensated(self.lens, lens_model)
        return make_rig(self.camera, lens, lens_model, self.exposure_time)


def _check_arguments(args: Arguments) -> None:
    if args.photos:
        raise CommandError(
            f"give either photographs ({args.photos[0]}) or, for a live calibration, --camera and "
            "--lens"
        )
    of_photographs = ("travel", "back", *OPTIONS, "limits")
    for option in (name for name in of_photographs if getattr(args, name) is not None):
        raise CommandError(f"--{option} is for photographs: a live lens has its own settings")
    check_pair(args.camera, args.lens, "a live calibration")
    if args.range is not None and not args.range[0] < args.range[1]:
        raise CommandError(f"--range must be LOW HIGH, got {args.range[0]:g} and {args.range[1]:g}")


def _check_devices(args: Arguments, camera: Camera, lens: MotorLens) -> None:
    """Check the arguments against the devices, before anything moves."""
    if args.near is not None:
        check_rectangle("--near", args.near, camera.size)
    if lens.higher_focuses is not None and not args.higher_focuses:
        check_direction(args, TravelDirection(lens.higher_focuses, "device"))
    low, high = lens.limits
    if max(abs(low), abs(high)) > LARGEST_POSITION:
        raise CommandError(
            f"the travel of this lens, {low:g} to {high:g} m, is longer than that of any focus "
            "motor: give its highest position (?high=...) or a smaller metres_per_unit"
        )
    for position in args.range or ():
        if position_within(position, (low, high)) is None:
            raise CommandError(f"--range must lie within the travel, {low:g} to {high:g} m")


def _report(result: "_FocusedOnce", output: Path) -> dict[str, Any]:
    """Print how the autofocus ended, save the proof, and return what `--json` says of it.

    Raises:
        CommandError: the autofocus has failed.
    """
    focus = result.focus
    state = "in focus" if focus.focused else "NOT in focus"
    print(
        f"autofocus: {state} at {focus.position:.6g} m after "
        f"{counted(len(focus.measurements), 'image')}"
    )
    proof = output.with_name(f"{output.stem}_proof.png")
    print(f"{_save_proof(result, proof)}: before and after")
    if not focus.focused:
        raise CommandError(
            f"the autofocus with this calibration did not succeed ({focus.reason}): nothing is "
            "written; see that the scene is flat and textured"
        )
    return {
        "focus_position": focus.position,
        "images": len(focus.measurements),
        "proof": str(proof),
    }


@dataclass(frozen=True)
class _FocusedOnce:
    """A calibration, and an autofocus with it.

    Attributes:
        calibration: from the sweep.
        lens_model: the calibrated lens.
        focus: one autofocus with it, as proof.
        frames: those of that autofocus.
        backlash_unknown: why the backlash is not known; empty: it is.
    """

    calibration: LensCalibration
    lens_model: LensModel
    focus: FocusRun
    frames: list[Frame]
    backlash_unknown: str = ""


def _calibrate_and_focus(
    args: Arguments, devices: _Devices, name: str, on_frame: Callable[[Frame], None]
) -> _FocusedOnce:
    """Record sweeps up and down, calibrate, and autofocus once from the upper end of the sweep.

    Args:
        args: of the command.
        devices: camera and lens.
        name: of the lens.
        on_frame: called with each frame of the sweeps.

    Raises:
        UndeterminedError: the sweeps do not determine the lens.
        DeviceError: a device fails.
    """
    lens, width = devices.lens, devices.camera.size[0]
    low, high = args.range or lens.limits
    # Nothing is known of the blur yet; the rig needs a lens model to compare positions.
    unknown = LensModel("unknown", lens.metres_per_step, lens.limits, width / (high - low), width)
    rig = devices.rig(unknown)
    sweeps: list[Sweep] = []
    calibration = calibrate_live(
        rig,
        (low, high),
        args.slices,
        blur_estimator(),
        near=near_window(args),
        on_sweep=sweeps.append,
        on_frame=on_frame,
    )
    back = record_return(rig, sweeps[-1].positions, on_frame)
    lens_model = calibration.lens_model(name, lens.limits, lens.metres_per_step)
    lens_model, backlash_unknown = _with_backlash(lens_model, sweeps[-1], back, width)
    frames: list[Frame] = []
    focus = focus_window(
        devices.rig(lens_model),
        make_search(args.search, lens_model),
        options=FocusOptions(limits=(low, high), start=high),
        on_frame=frames.append,
    )
    return _FocusedOnce(calibration, lens_model, focus, frames, backlash_unknown)


def _with_backlash(
    lens_model: LensModel, there: Sweep, back: Sweep, width: int
) -> tuple[LensModel, str]:
    """Return the lens with the backlash that two sweeps show, and why it is not known, if so."""
    try:
        backlash = measure_backlash(there.images, back.images, there.positions)
    except UndeterminedError as error:
        return lens_model, str(error)
    if lens_model.same_position(0.0, backlash, width):
        backlash = 0.0  # not worth two legs for each move downwards
    return replace(lens_model, backlash=backlash), ""


def _save_proof(result: _FocusedOnce, path: Path) -> Path:
    """Write the first and the focused image side by side."""
    focused = min(result.frames, key=lambda frame: abs(frame.position - result.focus.position))
    pair = [to_float(frame.image) for frame in (result.frames[0], focused)]
    write_image(path, np.concatenate(pair, axis=1), sixteen_bit=False)
    return path
