"""Bring one window into focus, and show how: of a real camera, a scene or a recorded focal stack.

The lens is driven to where the window is sharpest and stays there; position and score of every
image are printed, and with --save the focus curve is drawn and the sharp window written. Positions
are metres of lens travel. The exit code is 1 if the window has not come into focus. A real lens
(--camera, --lens) needs its calibration. The neural search must know how fast the blur grows:
without --calibration, a stack is first calibrated from itself, which takes a while (`aif calibrate`
does it once and for all).

Examples:
  aif autofocus --camera 0 --lens "moonlite:/dev/ttyUSB0?high=8000" --calibration lens.yaml
  aif autofocus motorcycle --search fibonacci --window 300 200 128 128 --start 0.0003
  aif autofocus ~/stacks/insect --save out/focus --json -
"""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro
from typing_extensions import Doc

from aif_ros.cli import CommandError, JsonFile, check_rectangle, write_json
from aif_ros.cli._camera_options import refuse_camera_options
from aif_ros.cli._device import note_unused_device
from aif_ros.cli._exposure import ExposureOption, real_exposure, simulated_exposure
from aif_ros.cli._live import (
    CameraOption,
    LensOption,
    check_pair,
    make_rig,
    open_calibrated,
)
from aif_ros.cli._outputs import refuse_inputs
from aif_ros.cli._stack_options import OPTIONS, Channel, Series, Time, selection
from aif_ros.settings import nodes

if TYPE_CHECKING:
    from aif_ros.autofocus.search import FocusRun
    from aif_ros.optics.lens_model import LensModel
    from aif_ros.pipeline.rig import Rig
    from aif_ros.types.frame import Frame, Window


@dataclass(frozen=True)
class Arguments:
    """Arguments of the command."""

    scene: Annotated[
        str,
        tyro.conf.Positional,
        tyro.conf.arg(metavar="SCENE"),
        Doc(f"{', '.join(nodes.SCENES)}; the folder of a scene; the folder or file of a stack."),
    ] = ""
    camera: CameraOption = ""
    lens: LensOption = ""
    exposure_time: ExposureOption = None
    search: nodes.Search = "neural"
    window: Annotated[
        tuple[int, int, int, int] | None,
        tyro.conf.arg(metavar="X Y WIDTH HEIGHT"),
        Doc(
            f"Window to focus on, pixels (default: a square of up to {nodes.WINDOW_SIZE} px at the "
            "centre)."
        ),
    ] = None
    start: Annotated[
        float | None,
        tyro.conf.arg(metavar="M"),
        Doc("Lens position to begin at (default: where the lens is)."),
    ] = None
    range: Annotated[
        tuple[float, float] | None,
        tyro.conf.arg(metavar="LOW HIGH"),
        Doc("Lens positions to search (default: the whole travel)."),
    ] = None
    calibration: Annotated[
        str | None, tyro.conf.arg(metavar="FILE"), Doc("Lens calibration (YAML).")
    ] = None
    channel: Channel = None
    time: Time = None
    series: Series = None
    save: Annotated[
        Path | None, tyro.conf.arg(metavar="DIR"), Doc("Folder for the focus curve and the window.")
    ] = None
    bits_per_sample: nodes.BitsPerSample = 0
    device: nodes.Device = "auto"
    json: JsonFile = None


def run(args: Arguments) -> int:
    """Focus."""
    from aif_ros.types.frame import Frame, Window

    live = bool(args.camera or args.lens)
    _check_arguments(args, live=live)
    frames: list[Frame] = []
    with _live(args) if live else _simulated(args) as subject:
        centre = Window.centred(subject.size, nodes.WINDOW_SIZE)
        window = Window(*args.window) if args.window else centre
        result = _search(args, subject, window, frames)
    lens_model = subject.rig.lens_model
    state = "in focus" if result.focused else "not in focus"
    place, steps = _length(result.position, lens_model), lens_model.steps(result.position)
    print(f"{state} at {place} (step {round(steps)}): {result.reason}")
    if result.doubt:
        print(f"warning: {result.doubt}", file=sys.stderr)
    if args.save is not None:
        _save(args.save, result, frames, window)
    if subject.positions_file is not None:
        print(f"the positions of the slices are assumed: give them in {subject.positions_file}")
    write_json(_summary(args, result, window, lens_model), args.json)
    return 0 if result.focused else 1


def _check_arguments(args: Arguments, *, live: bool) -> None:
    """Check what is named to focus on, and the files to write.

    Raises:
        CommandError: they do not fit each other.
        OSError: a file cannot be written.
    """
    from aif_ros.storage.atomic_write import check_folder

    if live:
        _check_live(args)
    elif not args.scene:
        raise CommandError(
            "name what to focus: a scene, the folder of a stack, or --camera and --lens"
        )
    if args.save is not None:
        check_folder(args.save)
    pictures = (
        () if args.save is None else (args.save / "window.png", args.save / "focus_curve.png")
    )
    refuse_inputs((*pictures, args.json), (args.scene, args.calibration))


def _summary(
    args: Arguments, result: "FocusRun", window: "Window", lens_model: "LensModel"
) -> dict[str, Any]:
    """Return what `--json` writes."""
    return {
        "scene": args.scene or args.camera,
        "search": args.search,
        "window": [window.x, window.y, window.width, window.height],
        "position": result.position,
        "position_steps": lens_model.steps(result.position),
        "focused": result.focused,
        "reason": result.reason,
        "doubt": result.doubt,
        "images": len(result.measurements),
        # Of each image: lens position in metres, and score.
        "looks": [[each.position, _finite(each.score)] for each in result.measurements],
    }


def _search(
    args: Arguments, subject: "_Setup", window: "Window", frames: "list[Frame]"
) -> "FocusRun":
    """Bring the window into focus; prints a line for each image, and adds its frame to `frames`."""
    from aif_ros.autofocus.searches import make_search
    from aif_ros.pipeline.focus_step import FocusOptions, focus_window

    lens_model = subject.rig.lens_model
    search = make_search(args.search, lens_model, args.device)

    def show(frame: "Frame") -> None:
        frames.append(frame)
        newest = search.measurements[-1]
        position = _length(newest.position, lens_model)
        print(f"image {len(frames):2}: {position:>12}   {newest.score:.4g}")

    try:
        return focus_window(
            subject.rig,
            search,
            window,
            FocusOptions(
                limits=args.range,
                start=args.start,
                bits_per_sample=args.bits_per_sample,
                recorded=subject.recorded,
            ),
            on_frame=show,
        )
    except ValueError as error:
        raise CommandError(str(error)) from error


def _length(metres: float, lens_model: "LensModel") -> str:
    """Return a lens position for people: the stage of a microscope travels micrometres."""
    low, high = lens_model.limits
    return f"{metres * 1e3:.4f} mm" if high - low >= 1e-3 else f"{metres * 1e6:.3f} um"


def _save(folder: Path, result: "FocusRun", frames: "Sequence[Frame]", window: "Window") -> None:
    """Write the window where it is sharpest, and the focus curve."""
    from aif_ros.benchmarks.focus_curve import save_focus_curve
    from aif_ros.devices.image_files import write_image
    from aif_ros.types.image import to_float

    sharpest = min(frames, key=lambda frame: abs(frame.position - result.position))
    write_image(folder / "window.png", to_float(window.crop(sharpest.image)), sixteen_bit=False)
    print(save_focus_curve(result, folder))


@dataclass(frozen=True)
class _Setup:
    """What is focused on.

    Attributes:
        rig: camera and lens.
        size: (width, height) of the images, pixels.
        recorded: whether they are the slices of a stack.
        positions_file: where the lens positions of a stack belong that does not state them; None:
            they are known.
    """

    rig: "Rig"
    size: tuple[int, int]
    recorded: bool = False
    positions_file: Path | None = None


def _check_live(args: Arguments) -> None:
    """Check the options of a run with real devices."""
    if args.scene:
        raise CommandError(f"give either a scene ({args.scene}) or --camera and --lens")
    for option in OPTIONS:
        if getattr(args, option) is not None:
            raise CommandError(f"--{option} is for recorded stacks, not for a real camera")
    check_pair(args.camera, args.lens, "a real camera")


@contextmanager
def _live(args: Arguments) -> Iterator[_Setup]:
    """Open the real devices."""
    note_unused_device(args.device, args.search)
    devices = open_calibrated(args.camera, args.lens, args.calibration or "")
    with devices as (camera, lens, lens_model):
        _check(args, lens.limits, camera.size)
        exposure_time = real_exposure(args.exposure_time)
        yield _Setup(make_rig(camera, lens, lens_model, exposure_time), camera.size)


@contextmanager
def _simulated(args: Arguments) -> Iterator[_Setup]:
    """Open a scene or a stack, seen through a simulated lens."""
    from aif_ros.calibration.sweep_calibration import calibrate_stack
    from aif_ros.cli._scene_check import warn_of_mismatched_slices
    from aif_ros.devices.clock import SimulatedClock
    from aif_ros.pipeline.rig import Rig
    from aif_ros.simulation.open_subject import open_subject
    from aif_ros.simulation.simulated_devices import simulated_devices

    exposure_time = simulated_exposure(args.exposure_time)
    clock = SimulatedClock()
    opened = open_subject(
        args.scene,
        args.calibration or "",
        selection=selection(args.channel, args.time, args.series),
    )
    size, stack = opened.subject.size, opened.stack
    refuse_camera_options(args, "simulated" if stack is None else "stack")
    _check(args, opened.lens_model.limits, size)
    note_unused_device(args.device, args.search)
    if stack is not None:
        warn_of_mismatched_slices(stack)
    if args.search == "neural" and stack is not None and not args.calibration:
        from aif_ros.defocus.neural import NeuralBlurEstimator

        lens_model, determined = calibrate_stack(stack, NeuralBlurEstimator())
        opened = replace(opened, lens_model=lens_model)
        if not determined:
            print("the stack does not determine its lens: its depths of field are taken to touch")
    camera, lens = simulated_devices(opened, clock, exposure_time=exposure_time)
    rig = Rig(camera, lens, clock, opened.lens_model, exposure_time=exposure_time)
    if stack is not None:
        positions_file = stack.info_file if stack.travel_assumed else None
        yield _Setup(rig, size, recorded=True, positions_file=positions_file)
    else:
        yield _Setup(rig, size)


def _check(args: Arguments, limits: tuple[float, float], size: tuple[int, int]) -> None:
    """Check positions and window before anything takes time."""
    from aif_ros.types.units import check_metres, position_within

    low, high = limits
    given: tuple[tuple[str, Sequence[float | None]], ...] = (
        ("--start", [args.start]),
        ("--range", args.range or []),
    )
    for option, positions in given:
        check_metres(option, [position for position in positions if position is not None])
        for position in positions:
            if position is not None and position_within(position, limits) is None:
                raise CommandError(f"{option} must lie within the travel, {low:g} to {high:g} m")
    if args.range is not None and not args.range[0] < args.range[1]:
        raise CommandError(f"--range must be LOW HIGH, got {args.range[0]:g} and {args.range[1]:g}")
    if args.window is not None:
        check_rectangle("--window", args.window, size)


def _finite(score: float) -> float | None:
    """JSON knows no NaN."""
    return score if score == score else None
