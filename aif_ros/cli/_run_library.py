"""`aif run` without ROS: the loop as a plain library."""

import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from aif_ros.cli import CommandError
from aif_ros.cli._device import note_unused_device
from aif_ros.cli._progress import image_progress
from aif_ros.cli._run_arguments import Arguments
from aif_ros.cli._run_devices import Devices, open_devices
from aif_ros.cli._warnings import print_warnings
from aif_ros.control.agents import make_agent
from aif_ros.defocus.estimators import make_estimator
from aif_ros.devices.chosen_devices import ChosenDevices
from aif_ros.devices.device import ConnectionLostError, DeviceError
from aif_ros.devices.image_files import write_image
from aif_ros.devices.image_files.metadata import Metadata
from aif_ros.fusion.fuser import make_fuser
from aif_ros.optics.lens_model import LensModel
from aif_ros.pipeline.focus_map import save_metres
from aif_ros.pipeline.focus_map_step import FocusMapStep
from aif_ros.pipeline.loop import AllInFocusPipeline, Step
from aif_ros.pipeline.run_loop import LoopResult, run_loop
from aif_ros.process.interrupts import uninterrupted
from aif_ros.settings.presets import usable_preset
from aif_ros.types.wording import counted
from aif_ros.weights.engines import engines


def run_library(args: Arguments, chosen: ChosenDevices) -> dict[str, Any]:
    """Run the loop until it stops, and write its images.

    Args:
        args: of the command.
        chosen: the devices that they name.

    Returns:
        What `--json` writes.

    Raises:
        CommandError: the arguments do not fit each other, or a fault has ended the loop; what was
            fused until then has been written.
    """
    with open_devices(args, chosen) as devices:
        return _run_on(args, devices)


def _run_on(args: Arguments, devices: Devices) -> dict[str, Any]:
    preset, warning = usable_preset(args.preset)
    if warning is not None:
        print(warning, file=sys.stderr)
    lens_model = devices.rig.lens_model
    if args.depth_map and not lens_model.object_distances:
        raise CommandError(
            "--depth-map needs object_distances in the calibration (see docs/calibrating.md)"
        )
    agent = args.agent or preset.agent
    pipeline = _make_pipeline(
        args, agent, args.fusion or preset.fusion, args.estimator or preset.estimator, lens_model
    )
    focus = FocusMapStep(lens_model)
    start = time.monotonic()
    result = _run(devices, pipeline, focus)
    seconds = time.monotonic() - start
    # An interrupt that comes only now must not cost the images.
    with uninterrupted():
        print_warnings(pipeline.left_out.warning, result.doubt)
        written = _write(args, devices, pipeline, focus)
    if result.fault is not None:
        raise CommandError(f"{result.reason}; {_kept(result.frames, written)}") from result.fault
    return {
        "agent": agent,
        "frames_captured": result.frames,
        "seconds": seconds,
        "networks": dict(engines()),
        "stopped": result.stopped,
        "reason": result.reason,
        "doubt": result.doubt,
        "frames_not_fused": len(pipeline.left_out.positions),
        "frames_damaged": len(pipeline.left_out.damaged),
        "warning": warning or "",
    }


def _make_pipeline(
    args: Arguments, agent: str, fusion: str, estimator: str, lens_model: LensModel
) -> AllInFocusPipeline:
    dynamic, device = args.mode == "dynamic", args.device or "auto"
    note_unused_device(device, agent, fusion, estimator)
    return AllInFocusPipeline(
        lens_model,
        make_fuser(fusion, lens_model if dynamic else None, device),
        make_estimator(estimator, lens_model, device),
        make_agent(agent, lens_model, dynamic=dynamic, device=device),
        dynamic=dynamic,
        bits_per_sample=args.bits_per_sample,
    )


def _run(devices: Devices, pipeline: AllInFocusPipeline, focus: FocusMapStep) -> LoopResult:
    """Run the loop, with a bar of its frames; Ctrl-C ends it."""
    with image_progress("frame") as bar:

        def show(step: Step) -> None:
            focus.follow(step, dynamic=pipeline.dynamic)
            if step.action is not None:
                bar.update()
                bar.set_postfix_str(step.action.reason)

        try:
            return run_loop(
                devices.rig,
                pipeline,
                show,
                reconnect_timeout=devices.reconnect_timeout,
                recorded=devices.recorded,
                on_lost=partial(_report_lost, devices.reconnect_timeout),
            )
        except KeyboardInterrupt:
            # At once: writing the images takes a while.
            with suppress(DeviceError):
                devices.rig.stop()
            return LoopResult(pipeline.frames, "interrupted")


def _write(
    args: Arguments, devices: Devices, pipeline: AllInFocusPipeline, focus: FocusMapStep
) -> list[str]:
    """Write what the loop has made, as far as it is asked for, and return the files."""
    if pipeline.fused is None:
        return []
    written = []
    image = pipeline.fused.image
    if args.save_path:
        metadata = Metadata(pixel_size=devices.pixel_size)
        write_image(args.save_path, image, sixteen_bit=pipeline.sixteen_bit, metadata=metadata)
        written.append(args.save_path)
    maps = _write_maps(args, devices.rig.lens_model, focus, image.shape)
    for path in maps:
        print(path)
    return written + maps


def _write_maps(
    args: Arguments, lens_model: LensModel, focus: FocusMapStep, shape: tuple[int, ...]
) -> list[str]:
    """Write the maps that are asked for, of the size of the image, and return their files."""
    written = []
    if (args.focus_map or args.depth_map) and focus.mapper is not None:
        positions = focus.mapper.focus_map().enlarged((shape[1], shape[0]))
        if args.focus_map:
            save_metres(args.focus_map, positions)
            written.append(args.focus_map)
        if args.depth_map:
            save_metres(args.depth_map, lens_model.object_distance(positions))
            written.append(args.depth_map)
    return written


def _kept(frames: int, written: Sequence[str]) -> str:
    """Return what is left of a run that a fault has ended, for people."""
    if not frames:
        return "no image had been taken"
    if not written:
        return f"what was fused of {counted(frames, 'frame')} is lost: name a file for it with -o"
    return f"what was fused of {counted(frames, 'frame')} until then is in {', '.join(written)}"


def _report_lost(timeout: float, error: ConnectionLostError) -> None:
    print(f"{error}; waiting {timeout:g} s for it (Ctrl-C ends)", file=sys.stderr)
