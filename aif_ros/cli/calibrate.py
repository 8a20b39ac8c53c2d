"""Calibrate a lens, and write the YAML file that every other part reads.

With --camera and --lens, live: records a sweep, calibrates, then autofocuses once and writes the
picture as proof. The scene must be flat, textured, still and evenly lit. Otherwise from two
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
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import tyro
from typing_extensions import Doc

from aif_ros.cli import CommandError, JsonFile, check_rectangle, write_json
from aif_ros.cli._live import LiveCamera, LiveExposure, LiveLens, check_pair
from aif_ros.cli._stack_options import Channel, Time, selection
from aif_ros.settings.declaration import Limits, OneOf
from aif_ros.settings.nodes import SEARCHES

if TYPE_CHECKING:
    from aif_ros.calibration.sweep_calibration import Estimate, LensCalibration
    from aif_ros.calibration.travel_direction import Towards, TravelDirection
    from aif_ros.defocus.neural import NeuralBlurEstimator
    from aif_ros.optics.lens_model import LensModel
    from aif_ros.types.frame import Window

_LEAST_SIDE = 64
"""Shortest side of the photographs, pixels: eight windows of 8 px beside each other."""


@dataclass(frozen=True)
class Arguments:
    """Arguments of the command."""

    photos: Annotated[
        tuple[str, ...],
        tyro.conf.Positional,
        tyro.conf.arg(metavar="FILE|FOLDER"),
        Doc("The focused and the defocused photograph, or the folder of a sweep."),
    ] = ()
    output: Annotated[
        Path | None,
        tyro.conf.arg(metavar="FILE", aliases=("-o",)),
        Doc("Calibration to write (required)."),
    ] = None
    camera: LiveCamera = ""
    lens: LiveLens = ""
    range: Annotated[
        tuple[float, float] | None,
        tyro.conf.arg(metavar="LOW HIGH"),
        Doc("Lens positions to sweep live, metres (default: the whole travel)."),
    ] = None
    slices: Annotated[int, Limits(5, 200), Doc("Images of a live sweep.")] = 15
    exposure_time: LiveExposure = 0.033
    search: Annotated[
        str, SEARCHES, Doc("Search strategy of the autofocus that proves a live calibration.")
    ] = "fibonacci"
    travel: Annotated[
        float | None,
        tyro.conf.arg(metavar="M"),
        Doc(
            "Lens travel from the first photograph to the second, or from slice to slice; a sweep "
            "may have it in info.yaml."
        ),
    ] = None
    back: Annotated[
        Path | None,
        tyro.conf.arg(metavar="FOLDER"),
        Doc("Sweep of the way back, from which the backlash of the motor is measured."),
    ] = None
    channel: Channel = None
    time: Time = None
    near: Annotated[
        tuple[int, int, int, int] | None,
        tyro.conf.arg(metavar="X Y WIDTH HEIGHT"),
        Doc(
            "Part of the picture, pixels, with an object nearer than the rest: shows whether the "
            "positions grow towards near objects, as they must."
        ),
    ] = None
    higher_focuses: Annotated[
        str,
        OneOf(("near", "far"), or_empty=True),
        Doc(
            "Objects that are in focus at the higher lens positions, if you know it (they must be "
            "the near ones). Empty: found from the device or the pictures, where they show it."
        ),
    ] = ""
    name: Annotated[
        str | None, Doc("Name of the lens, for reports (default: that of the file).")
    ] = None
    metres_per_step: Annotated[
        float, tyro.conf.arg(metavar="M"), Limits(1e-12, 1.0), Doc("Travel of one motor step.")
    ] = 1e-6
    limits: Annotated[
        tuple[float, float] | None,
        tyro.conf.arg(metavar="LOW HIGH"),
        Doc("Travel of the lens (default: what the photographs span)."),
    ] = None
    plot: Annotated[
        Path | None, tyro.conf.arg(metavar="FILE"), Doc("Check plot to draw (PNG).")
    ] = None
    json: JsonFile = None


def run(args: Arguments) -> int:
    """Calibrate."""
    from aif_ros.calibration.sweep_calibration import UndeterminedError
    from aif_ros.calibration.travel_direction import TravelDirection
    from aif_ros.storage.atomic_write import check_writable

    if args.output is None:
        raise CommandError("give the file to write: -o lens.yaml")
    for path in filter(None, (args.output, args.plot)):
        check_writable(path)
    if args.higher_focuses:
        _check_direction(args, TravelDirection(cast("Towards", args.higher_focuses), "stated"))
    live = bool(args.camera or args.lens)
    try:
        measured = (_live if live else _from_photographs)(args, args.output)
    except UndeterminedError as error:
        raise CommandError(f"the photographs do not determine the lens: {error}") from error
    calibration, lens_model = measured.calibration, measured.lens_model
    direction = _direction(args, measured)
    _check_direction(args, direction)
    lens_model.save(args.output)
    step = lens_model.metres_per_step
    rows = (
        ("blur radius per step", calibration.blur_per_metre, step, "px"),
        ("magnification per step", calibration.breathing_per_metre, step * 100, "%"),
        ("depth of field, +-", calibration.depth_of_field, 1 / step, "steps"),
    )
    for label, estimate, scale, unit in rows:
        value, low, high = (scale * part for part in _parts(estimate))
        print(f"{label:24}{value:10.4g} {unit:6} (95 %: {low:.4g} to {high:.4g})")
    if live or args.back is not None:
        unknown = measured.notes.get("backlash_unknown")
        print(f"{'backlash':24}" + (unknown or f"{lens_model.backlash / step:10.4g} steps"))
    print(f"direction: {direction}")
    if args.near is not None and direction.evidence != "near object":
        print(
            "--near shows no direction: that part of the picture has no texture that comes into "
            "focus, or is in focus where the rest is",
            file=sys.stderr,
        )
    doubted = direction.evidence in ("magnification", "stated")
    if doubted and calibration.direction.towards == "far":
        # A hint only, or the calibration would have been refused.
        print(
            f"warning: {calibration.direction}; if that is so, {_direction_remedy(args)}",
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
    print(args.output)
    if args.plot is not None:
        from aif_ros.benchmarks.calibration_plot import save_calibration_plot

        print(save_calibration_plot(calibration, args.plot))
    result = {
        name: dict(zip(("value", "low", "high"), _parts(estimate), strict=True))
        for name, estimate in (
            ("blur_per_metre", calibration.blur_per_metre),
            ("breathing_per_metre", calibration.breathing_per_metre),
            ("depth_of_field_metres", calibration.depth_of_field),
        )
    }
    setup = {"width": calibration.width, "matches": len(calibration.matches)}
    described = {"output": str(args.output), "setup": setup}
    curve = {
        "direction": {"towards": direction.towards, "evidence": direction.evidence},
        "backlash_metres": lens_model.backlash,
        "reading_curve": calibration.reading_curve,
        "travel_assumed": False,
    }
    write_json(result | curve | described | measured.notes, args.json)
    return 0


def _direction(args: Arguments, measured: "_Measured") -> "TravelDirection":
    """Return the direction of the lens by the best evidence."""
    from aif_ros.calibration.travel_direction import TravelDirection, most_certain

    known = [measured.calibration.direction]
    if args.higher_focuses:
        known.append(TravelDirection(cast("Towards", args.higher_focuses), "stated"))
    if measured.defined_direction is not None:
        known.append(TravelDirection(measured.defined_direction, "device"))
    return most_certain(known)


def _check_direction(args: Arguments, direction: "TravelDirection") -> None:
    """Refuse a lens that is known to count towards far objects."""
    if direction.towards == "far" and direction.evidence != "magnification":
        raise CommandError(
            f"{direction}, but near ones must be: nothing is written; {_direction_remedy(args)}"
        )


def _direction_remedy(args: Arguments) -> str:
    if args.lens:
        return (
            "calibrate again with the other sign of metres_per_unit in the text of the lens "
            f"({_turned(args.lens)})"
        )
    return (
        "list the slices in the other order (info.yaml: 'order: near to far' if the first is the "
        "nearest), and give the lens the other sign of metres_per_unit"
    )


def _turned(lens: str) -> str:
    """Return the text of a lens with the other sign of metres_per_unit, as far as it is known."""
    from aif_ros.devices.backends import LENSES, DeviceText

    named = DeviceText.parse(lens, LENSES)
    scale = float(named.settings({}).metres_per_unit)
    options = {**named.options, "metres_per_unit": f"{-scale:g}"}
    query = "&".join(f"{name}={value}" for name, value in options.items())
    return f"{named.name}:{named.address}?{query}"


@dataclass(frozen=True)
class _Measured:
    """A calibration.

    Attributes:
        calibration: as measured.
        lens_model: the calibrated lens.
        notes: what else `--json` shows of it.
        defined_direction: see `MotorLens.higher_focuses`.
    """

    calibration: "LensCalibration"
    lens_model: "LensModel"
    notes: dict[str, Any]
    defined_direction: "Towards | None" = None


def _live(args: Arguments, output: Path) -> _Measured:
    """Calibrate through the camera and autofocus once."""
    from tqdm import tqdm

    from aif_ros.calibration.travel_direction import TravelDirection
    from aif_ros.cli._live import calibrate_through_camera, open_uncalibrated, save_proof
    from aif_ros.types.units import LARGEST_POSITION

    if args.photos:
        raise CommandError(
            f"give either photographs ({args.photos[0]}) or, for a live calibration, --camera and "
            "--lens"
        )
    of_photographs = ("travel", "back", "channel", "time", "limits")
    for option in (name for name in of_photographs if getattr(args, name) is not None):
        raise CommandError(f"--{option} is for photographs: a live lens has its own settings")
    check_pair(args.camera, args.lens, "a live calibration")
    if args.range is not None and not args.range[0] < args.range[1]:
        raise CommandError(f"--range must be LOW HIGH, got {args.range[0]:g} and {args.range[1]:g}")
    with (
        open_uncalibrated(args.camera, args.lens) as (camera, lens),
        tqdm(unit="image", disable=None, bar_format="{n} images, {elapsed} {postfix}") as bar,
    ):
        if args.near is not None:
            check_rectangle("--near", args.near, camera.size)
        if lens.higher_focuses is not None and not args.higher_focuses:
            _check_direction(args, TravelDirection(lens.higher_focuses, "device"))
        low, high = lens.limits
        if max(abs(low), abs(high)) > LARGEST_POSITION:
            raise CommandError(
                f"the travel of this lens, {low:g} to {high:g} m, is longer than that of any focus "
                "motor: give its highest position (?high=...) or a smaller metres_per_unit"
            )
        for position in args.range or ():
            if not low <= position <= high:
                raise CommandError(f"--range must lie within the travel, {low:g} to {high:g} m")
        result = calibrate_through_camera(
            camera,
            lens,
            args.name or output.stem,
            limits=args.range,
            slices=args.slices,
            exposure_time=args.exposure_time,
            search=args.search,
            estimator=_blur_reader(),
            near=_near(args),
            on_frame=lambda frame: bar.update() or bar.set_postfix_str(f"{frame.position:.6g} m"),
        )
    focus = result.focus
    state = "in focus" if focus.focused else "NOT in focus"
    print(f"autofocus: {state} at {focus.position:.6g} m after {len(focus.measurements)} images")
    proof = output.with_name(f"{output.stem}_proof.png")
    print(f"{save_proof(result, proof)}: before and after")
    if not focus.focused:
        raise CommandError(
            f"the autofocus with this calibration did not succeed ({focus.reason}): nothing is "
            "written; see that the scene is flat and textured"
        )
    found = {
        "focus_position": focus.position,
        "images": len(focus.measurements),
        "proof": str(proof),
    }
    notes: dict[str, Any] = {"autofocus": found}
    if result.backlash_unknown:
        notes["backlash_unknown"] = result.backlash_unknown
    return _Measured(result.calibration, result.lens_model, notes, lens.higher_focuses)


def _check_size(path: Path, size: tuple[int, int]) -> None:
    if min(size) < _LEAST_SIDE:
        raise CommandError(
            f"{path} has {size[0]}x{size[1]} pixels: a calibration needs {_LEAST_SIDE} a side"
        )


def _from_photographs(args: Arguments, output: Path) -> _Measured:
    """Calibrate from files."""
    import numpy as np

    from aif_ros.calibration.sweep_calibration import (
        calibrate_pair,
        calibrate_sweep,
        measure_backlash,
    )
    from aif_ros.devices.focal_stack import FocalStack
    from aif_ros.devices.image_files import read_image
    from aif_ros.types.image import to_float
    from aif_ros.types.units import check_metres

    paths = [Path(photo) for photo in args.photos]
    for option, values in (("--travel", [args.travel]), ("--limits", args.limits or [])):
        check_metres(option, [value for value in values if value is not None])
    travel_assumed, backlash = False, 0.0
    if len(paths) == 1:
        stack = FocalStack(paths[0], selection(args.channel, args.time))
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
        calibration = calibrate_sweep(images, list(positions), _blur_reader(), _near(args))
        if args.back is not None:
            back = FocalStack(args.back, selection(args.channel, args.time))
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
        if args.channel is not None or args.time is not None:
            raise CommandError("--channel and --time need the file of a sweep, not two photographs")
        if args.near is not None:
            raise CommandError("--near needs a sweep: two photographs do not show the direction")
        first, second = (to_float(read_image(path)) for path in paths)
        if first.shape != second.shape:
            raise CommandError(
                f"{paths[0]} has shape {first.shape}, but {paths[1]} {second.shape}: they "
                "must match"
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
    return _Measured(calibration, lens_model, {"travel_assumed": travel_assumed})


def _near(args: Arguments) -> "Window | None":
    from aif_ros.types.frame import Window

    return None if args.near is None else Window(*args.near)


def _blur_reader() -> "NeuralBlurEstimator | None":
    """The shipped networks, or None where torch is not installed."""
    try:
        from aif_ros.defocus.neural import NeuralBlurEstimator
    except ModuleNotFoundError:
        return None
    return NeuralBlurEstimator()


def _parts(estimate: "Estimate") -> tuple[float, float, float]:
    return estimate.value, estimate.low, estimate.high
