"""Calibration from photographs: two of them, or a recorded sweep."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from aif_ros.calibration.sweep_calibration import (
    LensCalibration,
    calibrate_pair,
    calibrate_sweep,
    measure_backlash,
)
from aif_ros.cli import CommandError, check_rectangle
from aif_ros.cli._calibrate_arguments import Arguments
from aif_ros.cli._measured_calibration import MeasuredCalibration, blur_estimator, near_window
from aif_ros.cli._scene_check import warn_of_mismatched_slices
from aif_ros.cli._stack_options import OPTIONS, selection
from aif_ros.devices.focal_stack import FocalStack
from aif_ros.devices.image_files import read_image
from aif_ros.devices.image_files.slice_series import described
from aif_ros.settings.declaration import declared
from aif_ros.types.image import to_float
from aif_ros.types.units import check_metres

_LIVE_ONLY = ("range", "slices", "exposure_time", "search")
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
    for setting in declared(Arguments):
        if setting.name in _LIVE_ONLY and getattr(args, setting.name) != setting.default:
            option = setting.name.replace("_", "-")
            raise CommandError(
                f"--{option} is for a live calibration (--camera and --lens): leave it out with "
                "photographs"
            )
    paths = [Path(photo) for photo in args.photos]
    for option, values in (("--travel", [args.travel]), ("--limits", args.limits or [])):
        check_metres(option, [value for value in values if value is not None])
    if len(paths) == 1:
        found = _from_sweep(args, paths[0])
    elif len(paths) == 2 and not any(path.is_dir() for path in paths):
        found = _from_pair(args, *paths)
    else:
        raise CommandError("give two photographs, or the folder or file of one sweep")
    lens_model = found.calibration.lens_model(
        args.name or output.stem, args.limits or found.limits, args.metres_per_step
    )
    lens_model = replace(lens_model, backlash=found.backlash)
    notes = {"travel_assumed": found.travel_assumed}
    return MeasuredCalibration(found.calibration, lens_model, notes)


@dataclass(frozen=True)
class _Found:
    """What photographs say of a lens.

    Attributes:
        calibration: of the lens.
        limits: lowest and highest position of the photographs, metres.
        backlash: of its motor, metres; 0: not measured.
        travel_assumed: whether it is assumed, not stated, how far the lens has moved.
    """

    calibration: LensCalibration
    limits: tuple[float, float]
    backlash: float = 0.0
    travel_assumed: bool = False


def _from_sweep(args: Arguments, path: Path) -> _Found:
    stack = FocalStack(path, selection(args.channel, args.time, args.series))
    positions = list(stack.positions)
    if args.travel is not None:
        if not args.travel > 0:
            raise CommandError(f"--travel must be above 0 for a sweep, got {args.travel}")
        positions = [index * args.travel for index in range(len(positions))]
    images = (to_float(stack.read(index)) for index in range(len(positions)))
    _check_size(path, stack.size)
    if args.near is not None:
        check_rectangle("--near", args.near, stack.size)
    warn_of_mismatched_slices(stack)
    calibration = calibrate_sweep(images, positions, blur_estimator(), near_window(args))
    return _Found(
        calibration,
        (float(positions[0]), float(positions[-1])),
        0.0 if args.back is None else _backlash(args, args.back, stack, positions),
        stack.travel_assumed and args.travel is None,
    )


def _backlash(args: Arguments, back: Path, stack: FocalStack, positions: Sequence[float]) -> float:
    """Measure the backlash, metres, from a sweep upwards and one back."""
    returning = FocalStack(back, selection(args.channel, args.time, args.series))
    if len(returning.positions) != len(positions):
        raise CommandError(
            f"{back} holds {len(returning.positions)} slices, but {args.photos[0]} "
            f"{len(positions)}: they must match"
        )
    forth, returned = (
        [to_float(part.read(index)) for index in range(len(positions))]
        for part in (stack, returning)
    )
    return measure_backlash(forth, returned, positions)


def _from_pair(args: Arguments, one: Path, other: Path) -> _Found:
    if args.travel is None:
        raise CommandError("two photographs need --travel: how far the lens has moved")
    for option in OPTIONS:
        if getattr(args, option) is not None:
            raise CommandError(f"--{option} needs the file of a sweep, not two photographs")
    if args.near is not None:
        raise CommandError("--near needs a sweep: two photographs do not show the direction")
    if args.back is not None:
        raise CommandError("--back needs the sweep upwards before it, not two photographs")
    first, second = (to_float(read_image(path)) for path in (one, other))
    if first.shape != second.shape:
        raise CommandError(
            f"{one} is {described(first.shape)}, {other} is {described(second.shape)}: they must "
            "match"
        )
    _check_size(one, (first.shape[1], first.shape[0]))
    calibration = calibrate_pair(first, second, args.travel)
    return _Found(calibration, (min(0.0, args.travel), max(0.0, args.travel)))
