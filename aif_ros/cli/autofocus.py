"""Bring one window of a scene or a recorded focal stack into focus, and show how.

The lens is driven to where the window is sharpest; every look is printed, and with --save the
focus curve is drawn and the sharp window written. Positions are metres of lens travel. The neural
search must know how fast the blur grows: without --calibration, a stack is first calibrated from
itself, which takes a while (`aif calibrate` does it once and for all).

Examples:
  aif autofocus motorcycle
  aif autofocus motorcycle --search fibonacci --window 300 200 128 128 --start 0.0003
  aif autofocus ~/stacks/insect --save out/focus --json -
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro
from typing_extensions import Doc

from aif_ros.cli import CommandError, JsonFile, check_rectangle, write_json
from aif_ros.cli._device import note_unused_device
from aif_ros.cli._stack_options import Channel, Time, selection
from aif_ros.settings import nodes

if TYPE_CHECKING:
    from aif_ros.optics.lens_model import LensModel

_EXPOSURE = 0.008


@dataclass(frozen=True)
class Arguments:
    """Arguments of the command."""

    scene: Annotated[
        str,
        tyro.conf.Positional,
        tyro.conf.arg(metavar="SCENE"),
        Doc(f"{', '.join(nodes.SCENES)}, or the folder of a scene or of a focal stack."),
    ]
    search: nodes.Search = "neural"
    window: Annotated[
        tuple[int, int, int, int] | None,
        tyro.conf.arg(metavar="X Y WIDTH HEIGHT"),
        Doc("Window to focus on, pixels (default: a square of up to 512 px at the centre)."),
    ] = None
    start: Annotated[
        float | None,
        tyro.conf.arg(metavar="M"),
        Doc("Lens position to begin at (default: the middle of the travel)."),
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
    save: Annotated[
        Path | None, tyro.conf.arg(metavar="DIR"), Doc("Folder for the focus curve and the window.")
    ] = None
    device: nodes.Device = "auto"
    json: JsonFile = None


def run(args: Arguments) -> int:
    """Focus."""
    from aif_ros.autofocus.searches import make_search
    from aif_ros.benchmarks.focus_curve import save_focus_curve
    from aif_ros.calibration.sweep_calibration import calibrate_stack
    from aif_ros.devices.backlash import compensated
    from aif_ros.devices.clock import SimulatedClock
    from aif_ros.devices.focal_stack import FocalStack
    from aif_ros.devices.image_files import write_image
    from aif_ros.pipeline.focus_step import focus_window
    from aif_ros.pipeline.rig import Rig
    from aif_ros.simulation.open_subject import open_subject
    from aif_ros.simulation.simulated_camera import SimulatedCamera
    from aif_ros.simulation.simulated_lens import SimulatedLens
    from aif_ros.types.frame import Frame, Window
    from aif_ros.types.image import to_float

    clock = SimulatedClock()
    opened = open_subject(
        args.scene, args.calibration or "", selection=selection(args.channel, args.time)
    )
    subject, lens_model, rests = opened.subject, opened.lens_model, opened.rests
    _check_positions(args, lens_model)
    if args.window is not None:
        check_rectangle("--window", args.window, subject.size)
    note_unused_device(args.device, args.search)
    if args.search == "neural" and isinstance(subject, FocalStack) and not args.calibration:
        from aif_ros.defocus.neural import NeuralBlurEstimator

        lens_model, determined = calibrate_stack(subject, NeuralBlurEstimator())
        if not determined:
            print("the stack does not determine its lens: its depths of field are taken to touch")
    lens = SimulatedLens(lens_model, clock, rests=rests)
    camera = SimulatedCamera(subject, clock, lens, exposure_time=_EXPOSURE)
    window = Window(*args.window) if args.window else Window.centred(subject.size, 512)
    search = make_search(args.search, lens_model, args.device)
    frames: list[Frame] = []

    def show(frame: Frame) -> None:
        frames.append(frame)
        look = search.looks[-1]
        print(f"look {len(frames):2}: {look.position * 1e3:9.4f} mm   {look.score:.4g}")

    try:
        result = focus_window(
            Rig(
                camera,
                compensated(lens, lens_model),
                clock,
                lens_model,
                exposure_time=_EXPOSURE,
            ),
            search,
            window,
            limits=args.range,
            start=args.start,
            on_look=show,
        )
    except ValueError as error:
        raise CommandError(str(error)) from error
    state = "in focus" if result.focused else "not in focus"
    steps = lens_model.steps(result.position)
    print(f"{state} at {result.position * 1e3:.4f} mm ({steps:.0f} steps): {result.reason}")
    if args.save is not None:
        sharpest = min(frames, key=lambda frame: abs(frame.position - result.position))
        write_image(args.save / "window.png", to_float(window.crop(sharpest.image)), deep=False)
        print(save_focus_curve(result, args.save))
    if isinstance(subject, FocalStack) and subject.travel_assumed:
        print("the positions of the slices are assumed: give them in info.yaml")
    write_json(
        {
            "scene": args.scene,
            "search": args.search,
            "window": [window.x, window.y, window.width, window.height],
            "position": result.position,
            "position_steps": steps,
            "focused": result.focused,
            "reason": result.reason,
            "images": len(result.looks),
            "looks": [[look.position, _finite(look.score)] for look in result.looks],
        },
        args.json,
    )
    return 0


def _check_positions(args: Arguments, lens_model: "LensModel") -> None:
    """Check the positions before anything takes time."""
    from aif_ros.types.units import check_metres

    low, high = lens_model.limits
    given: tuple[tuple[str, Sequence[float | None]], ...] = (
        ("--start", [args.start]),
        ("--range", args.range or []),
    )
    for option, positions in given:
        check_metres(option, [position for position in positions if position is not None])
        for position in positions:
            if position is not None and not low <= position <= high:
                raise CommandError(f"{option} must lie within the travel, {low} to {high} m")
    if args.range is not None and not args.range[0] < args.range[1]:
        raise CommandError(f"--range must be LOW HIGH, got {args.range[0]:g} and {args.range[1]:g}")


def _finite(score: float) -> float | None:
    """JSON knows no NaN."""
    return score if score == score else None
