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

import argparse
from pathlib import Path

from aif_ros.cli import CommandError, add_json_argument, write_json

_EXPOSURE = 0.008


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("scene", help="name of a scene, or folder of a scene or a focal stack")
    parser.add_argument("--search", default="neural", metavar="NAME", help="%(default)s, ...")
    parser.add_argument(
        "--window",
        nargs=4,
        type=int,
        metavar=("X", "Y", "WIDTH", "HEIGHT"),
        help="pixels (default: a square of up to 512 px at the centre)",
    )
    parser.add_argument("--start", type=float, metavar="M", help="lens position to begin at")
    parser.add_argument(
        "--range", nargs=2, type=float, metavar=("LOW", "HIGH"), help="positions to search"
    )
    parser.add_argument("--calibration", metavar="FILE", help="lens calibration (YAML)")
    parser.add_argument(
        "--save", type=Path, metavar="DIR", help="folder for focus curve and window"
    )
    add_json_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Focus."""
    from aif_ros.autofocus.searches import SEARCHES, make_search
    from aif_ros.benchmarks.focus_curve import save_focus_curve
    from aif_ros.calibration.sweep_calibration import calibrate_stack
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

    if args.search not in SEARCHES:
        raise CommandError(f"no search '{args.search}': choose from {', '.join(SEARCHES)}")
    clock = SimulatedClock()
    subject, lens_model, rests = open_subject(args.scene, args.calibration)
    if args.search == "neural" and isinstance(subject, FocalStack) and not args.calibration:
        lens_model, determined = calibrate_stack(subject)
        if not determined:
            print("the stack does not determine its lens: its depths of field are taken to touch")
    lens = SimulatedLens(lens_model, clock, rests=rests)
    camera = SimulatedCamera(subject, clock, lens, exposure_time=_EXPOSURE)
    window = Window(*args.window) if args.window else Window.centred(subject.size, 512)
    search = make_search(args.search, lens_model)
    frames: list[Frame] = []

    def show(frame: Frame) -> None:
        frames.append(frame)
        look = search.looks[-1]
        print(f"look {len(frames):2}: {look.position * 1e3:9.4f} mm   {look.score:.4g}")

    for option, positions in (("--start", [args.start]), ("--range", args.range or [])):
        for position in positions:
            low, high = lens_model.limits
            if position is not None and not low <= position <= high:
                raise CommandError(f"{option} must lie within the travel, {low} to {high} m")
    try:
        result = focus_window(
            Rig(camera, lens, clock, exposure_time=_EXPOSURE),
            search,
            lens_model,
            window,
            limits=tuple(args.range) if args.range else None,
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


def _finite(score: float) -> float | None:
    """JSON knows no NaN."""
    return score if score == score else None
