"""Calibrate a lens, and write the YAML file that every other part reads.

With --camera and --lens, live: records a sweep, calibrates, then autofocuses once and writes the
image as proof. The scene must be flat, textured, still and evenly lit. Otherwise from two
photographs of something flat and textured, one in focus, one with the lens moved by a known travel;
or from a recorded sweep: a folder of slices in focus order with a known travel between them. Gives
blur per travel, focus breathing and depth of field with their confidence, and says so when the
photographs do not determine the answer. Travels are in metres.

A sweep also gives the reading curve of the lens: what the blur estimator reads at each distance
from focus. A second sweep, recorded at the same positions on the way back (--back), gives the
backlash of the motor, listed by ascending position like the first.

Examples:
  aif calibrate --camera /dev/video0 --lens "moonlite:/dev/ttyUSB0?high=8000" -o lens.yaml
  aif calibrate focused.png defocused.png --travel 0.0003 -o lens.yaml
  aif calibrate sweep/ --travel 0.00005 -o lens.yaml --metres-per-step 1e-6 --plot check.png
  aif calibrate up/ --back down/ --travel 0.00005 -o lens.yaml
"""

import sys
from typing import TYPE_CHECKING, Any

from aif_ros.cli import CommandError, write_json
from aif_ros.cli._calibrate_arguments import Arguments
from aif_ros.cli._outputs import refuse_inputs

if TYPE_CHECKING:
    from aif_ros.calibration.sweep_calibration import Estimate
    from aif_ros.calibration.travel_direction import TravelDirection
    from aif_ros.cli._measured_calibration import MeasuredCalibration

__all__ = ["Arguments", "run"]


def run(args: Arguments) -> int:
    """Calibrate."""
    from aif_ros.calibration.sweep_calibration import UndeterminedError
    from aif_ros.cli._calibrate_direction import best_direction, check_direction, stated_direction
    from aif_ros.cli._calibrate_live import calibrate_through_camera
    from aif_ros.cli._calibrate_photographs import calibrate_from_photographs
    from aif_ros.storage.atomic_write import check_writable

    if args.output is None:
        raise CommandError("give the file to write: -o lens.yaml")
    for path in filter(None, (args.output, args.plot)):
        check_writable(path)
    refuse_inputs((args.output, args.plot, args.json), (*args.photos, args.back))
    if (stated := stated_direction(args)) is not None:
        check_direction(args, stated)
    calibrate = calibrate_through_camera if args.live else calibrate_from_photographs
    try:
        measured = calibrate(args, args.output)
    except UndeterminedError as error:
        raise CommandError(f"the photographs do not determine the lens: {error}") from error
    direction = best_direction(args, measured)
    check_direction(args, direction)
    measured.lens_model.save(args.output)
    _print_figures(args, measured, direction)
    print(args.output)
    if args.plot is not None:
        from aif_ros.benchmarks.calibration_plot import save_calibration_plot

        print(save_calibration_plot(measured.calibration, args.plot))
    write_json({"output": str(args.output)} | _result(measured, direction), args.json)
    return 0


def _print_figures(
    args: Arguments, measured: "MeasuredCalibration", direction: "TravelDirection"
) -> None:
    from aif_ros.cli._calibrate_direction import remedy

    calibration, lens_model = measured.calibration, measured.lens_model
    step = lens_model.metres_per_step
    rows = (
        ("blur radius per step", calibration.blur_per_metre, step, "px"),
        ("magnification per step", calibration.breathing_per_metre, step * 100, "%"),
        ("depth of field, +-", calibration.half_depth_of_focus, 1 / step, "steps"),
    )
    for label, estimate, scale, unit in rows:
        value, low, high = (scale * part for part in _parts(estimate))
        print(f"{label:24}{value:10.4g} {unit:6} (95 %: {low:.4g} to {high:.4g})")
    if args.live or args.back is not None:
        unknown = measured.notes.get("backlash_unknown")
        print(f"{'backlash':24}" + (unknown or f"{lens_model.backlash / step:10.4g} steps"))
    print(f"direction: {direction}")
    if args.near is not None and direction.evidence != "near object":
        print(
            "--near shows no direction: that part of the image has no texture that comes into "
            "focus, or is in focus where the rest is",
            file=sys.stderr,
        )
    doubted = direction.evidence in ("magnification", "stated")
    if doubted and calibration.direction.towards == "far":
        # A hint only, or the calibration would have been refused.
        print(
            f"warning: {calibration.direction}; if that is so, {remedy(args)}",
            file=sys.stderr,
        )
    if calibration.reading_curve:
        blur, reading = calibration.reading_curve[-1]
        print(f"{'reading curve':24}{reading:10.4g} px read at {blur:.4g} px of blur")
    if measured.notes.get("travel_assumed"):
        low, high = (position * 1e3 for position in lens_model.limits)
        print(
            f"the travel is assumed, {low:g} to {high:g} mm from the first slice to the last: give "
            "it with --travel, or all figures are off by the same factor"
        )


def _result(measured: "MeasuredCalibration", direction: "TravelDirection") -> dict[str, Any]:
    """What `--json` writes of a calibration."""
    calibration = measured.calibration
    estimates = {
        "blur_per_metre": calibration.blur_per_metre,
        "breathing_per_metre": calibration.breathing_per_metre,
        "depth_of_field_metres": calibration.half_depth_of_focus,
    }
    figures = {
        name: dict(zip(("value", "low", "high"), _parts(estimate), strict=True))
        for name, estimate in estimates.items()
    }
    return {
        **figures,
        "direction": {"towards": direction.towards, "evidence": direction.evidence},
        "backlash_metres": measured.lens_model.backlash,
        "reading_curve": calibration.reading_curve,
        "travel_assumed": False,
        "setup": {"width": calibration.width, "matches": len(calibration.matches)},
        **measured.notes,
    }


def _parts(estimate: "Estimate") -> tuple[float, float, float]:
    return estimate.value, estimate.low, estimate.high
