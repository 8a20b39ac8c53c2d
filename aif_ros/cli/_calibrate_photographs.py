"""Calibration from photographs: two of them, or a recorded sweep."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from aif_ros.calibration.sweep_calibration import (
    calibrate_pair,
    calibrate_sweep,
    measure_backlash,
)
from aif_ros.cli import CommandError, check_rectangle
from aif_ros.cli._calibrate_arguments import Arguments
from aif_ros.cli._measured_calibration import MeasuredCalibration, blur_estimator, near_window
from aif_ros.cli._scene_check import warn_of_foreign_slices
from aif_ros.cli._stack_options import OPTIONS, selection
from aif_ros.devices.focal_stack import FocalStack
from aif_ros.devices.image_files import read_image
from aif_ros.devices.image_files.slices import described
from aif_ros.types.image import to_float
from aif_ros.types.units import check_metres

_LEAST_SIDE = 64
"""Shortest side of the photographs, pixels: eight windows of 8 px beside each other."""


def _check_size(path: Path, size: tuple[int, int]) -> None:
    if min(size) < _LEAST_SIDE:
        raise CommandError(
            f"{path} has {size[0]}x{size[1]} pixels: a calibration needs {_LEAST_SIDE} a side"
        )


def calibrate_from_photographs(args: Arguments, output: Path) -> MeasuredCalibration:
    """Calibrate from two photographs, or a sweep on disk.

    Args:
        args: of the command.
        output: calibration to write; its name is that of the lens where none is given.

    Raises:
        CommandError: the arguments do not fit each other or the photographs.
        UndeterminedError: the photographs do not determine the lens.
        DeviceError: a photograph cannot be read.
    """
    paths = [Path(photo) for photo in args.photos]
    for option, values in (("--travel", [args.travel]), ("--limits", args.limits or [])):
        check_metres(option, [value for value in values if value is not None])
    travel_assumed, backlash = False, 0.0
    if len(paths) == 1:
        stack = FocalStack(paths[0], selection(args.channel, args.time, args.series))
        positions = stack.positions
        travel_assumed = stack.travel_assumed and args.travel is None
        if args.travel is not None:
            if not args.travel > 0:
                raise CommandError(f"--travel must be above 0 for a sweep, got {args.travel}")
            positions = np.arange(len(positions), dtype=np.float64) * args.travel
        images = (to_float(stack.read(index)) for index in range(len(positions)))
        _check_size(paths[0], stack.size)
        if args.near is not None:
            check_rectangle("--near", args.near, stack.size)
        warn_of_foreign_slices(stack)
        calibration = calibrate_sweep(images, list(positions), blur_estimator(), near_window(args))
        if args.back is not None:
            back = FocalStack(args.back, selection(args.channel, args.time, args.series))
            if len(back.positions) != len(positions):
                raise CommandError(
                    f"{args.back} holds {len(back.positions)} slices, but {paths[0]} "
                    f"{len(positions)}: they must match"
                )
            forth, returned = (
                [to_float(part.read(index)) for index in range(len(positions))]
                for part in (stack, back)
            )
            backlash = measure_backlash(forth, returned, list(positions))
        limits = float(positions[0]), float(positions[-1])
    elif len(paths) == 2 and not any(path.is_dir() for path in paths):
        if args.travel is None:
            raise CommandError("two photographs need --travel: how far the lens has moved")
        for option in OPTIONS:
            if getattr(args, option) is not None:
                raise CommandError(f"--{option} needs the file of a sweep, not two photographs")
        if args.near is not None:
            raise CommandError("--near needs a sweep: two photographs do not show the direction")
        first, second = (to_float(read_image(path)) for path in paths)
        if first.shape != second.shape:
            raise CommandError(
                f"{paths[0]} is {described(first.shape)}, {paths[1]} is "
                f"{described(second.shape)}: they must match"
            )
        _check_size(paths[0], (first.shape[1], first.shape[0]))
        calibration = calibrate_pair(first, second, args.travel)
        limits = min(0.0, args.travel), max(0.0, args.travel)
    else:
        raise CommandError("give two photographs, or the folder or file of one sweep")
    if args.back is not None and len(paths) != 1:
        raise CommandError("--back needs the sweep upwards before it, not two photographs")
    lens_model = calibration.lens_model(
        args.name or output.stem, args.limits or limits, args.metres_per_step
    )
    lens_model = replace(lens_model, backlash=backlash)
    return MeasuredCalibration(calibration, lens_model, {"travel_assumed": travel_assumed})
