"""Run the closed loop until it stops by itself.

Three ways of running the same loop on a simulated camera and lens, a recorded focal stack or a
real camera: as a plain library in simulated time (no ROS needed), as ROS 2 nodes in this one
process, or as ROS 2 processes of their own. Ctrl-C ends it at any time; what was fused until then
is kept.

Examples:
  aif run -o sharp.png                           the photographed motorcycle, without ROS
  aif run --agent sweep --json -                 the conventional focal sweep
  aif run --scene ~/stacks/insect -o sharp.png   a recorded focal stack
  aif run --preset classical                     the light parts, without PyTorch
  aif run --camera 0 --lens "moonlite:/dev/ttyUSB0?high=8000" --calibration lens.yaml  real devices
  aif run --ros --forever                        as ROS 2 processes, until Ctrl-C
"""

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro
from typing_extensions import Doc

from aif_ros.cli import CommandError, JsonFile, LoopTimeout, write_json
from aif_ros.cli._device import note_unused_device
from aif_ros.cli._live import (
    RECONNECT_TIMEOUT,
    SETTLE_TIMEOUT,
    LiveExposure,
    open_calibrated,
)
from aif_ros.cli._stack_options import Channel, Time, selection
from aif_ros.settings.declaration import OneOf, SetsParameter, SettingError, declared
from aif_ros.settings.pipeline import CAMERA_DOC, CAMERAS, PipelineSettings, with_addresses
from aif_ros.settings.presets import usable_preset
from aif_ros.storage.atomic_write import check_writable
from aif_ros.weights.engines import engines

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from tqdm import tqdm

    from aif_ros.bringup.observer import RunningGraph
    from aif_ros.devices.clock import Clock
    from aif_ros.devices.device import Camera, ConnectionLostError, FocusLens
    from aif_ros.nodes.loop_state import LoopState
    from aif_ros.optics.lens_model import LensModel

_ROS_ONLY = ("params_file", "namespace", "search")
_EXPOSURE = 0.008
_LEAST_SIDE = 32
"""Shortest side of the pictures, pixels: one cell of the networks' maps."""


@dataclass(frozen=True)
class Arguments(PipelineSettings):
    """Arguments of the command."""

    camera: Annotated[
        str,
        tyro.conf.arg(metavar="|".join((*CAMERAS, "CAMERA"))),
        CAMERA_DOC,
    ] = "simulated"
    save_path: Annotated[
        str,
        tyro.conf.arg(metavar="FILE", aliases=("-o", "--output")),
        SetsParameter("save_path"),
        Doc("File that the fused image is written to at the end."),
    ] = ""
    ros: Annotated[bool, Doc("Run as ROS 2 nodes, each in a process of its own.")] = False
    one_process: Annotated[bool, Doc("Run as ROS 2 nodes, all of them in this process.")] = False
    forever: Annotated[
        bool, Doc("Continue after the loop has stopped, until Ctrl-C (needs ROS).")
    ] = False
    exposure_time: LiveExposure = 0.033
    focus_map: Annotated[
        str,
        tyro.conf.arg(metavar="FILE"),
        Doc(
            "32-bit TIFF to write at the end, without ROS: lens position at which each pixel is "
            "in focus, metres (the height map of a microscope); NaN where unknown."
        ),
    ] = ""
    depth_map: Annotated[
        str,
        tyro.conf.arg(metavar="FILE"),
        Doc(
            "32-bit TIFF to write at the end, without ROS: distance of each pixel from the camera, "
            "metres; needs object_distances in the calibration."
        ),
    ] = ""
    channel: Channel = None
    time: Time = None
    timeout: LoopTimeout = 300.0
    how: Annotated[
        str,
        OneOf(("library", "one-process", "processes"), or_empty=True),
        Doc("Deprecated: use --ros or --one-process."),
    ] = ""
    json: JsonFile = None

    @property
    def runner(self) -> str:
        """library, one-process or processes."""
        if self.one_process:
            return "one-process"
        return "processes" if self.ros else self.how or "library"


def run(args: Arguments) -> int:
    """Run the loop."""
    args = _with_addresses(args)
    if args.camera == "device":
        for name in ("scene", "width", "channel", "time"):
            if getattr(args, name) not in ("", 0, None):
                raise CommandError(f"--{name} is for simulated cameras, not for a real one")
    for path in filter(None, (args.focus_map, args.depth_map)):
        if Path(path).suffix.lower() not in (".tif", ".tiff"):
            raise CommandError(f"{path}: maps in metres are 32-bit TIFFs, name it .tif")
        check_writable(path)
    if args.save_path:
        _check_output(args.save_path, args.scene)
    before = _version(args.save_path)
    if args.runner == "library":
        for setting in declared(Arguments):
            name = setting.name
            if name in (*_ROS_ONLY, "forever") and getattr(args, name) != setting.default:
                raise CommandError(f"--{name.replace('_', '-')} needs ROS: add --ros")
        if args.camera == "external":
            raise CommandError("--camera external needs ROS: add --ros")
        result = _run_library(args)
    else:
        for name in ("channel", "time"):
            if getattr(args, name) is not None:
                raise CommandError(
                    f"--{name} is for runs without ROS: write '{name}' into info.yaml instead (see "
                    "docs/scenes.md)"
                )
        result = _run_graph(args)
    print(f"{result['frames_captured']} frames in {result['seconds']:.1f} s: {result['reason']}")
    saved = _version(args.save_path) != before
    if saved:
        print(args.save_path)
    scene = args.scene or ("motorcycle" if args.camera == "simulated" else args.camera_source)
    write_json({"how": args.runner, "scene": scene} | result, args.json)
    if args.save_path and result["frames_captured"] and not saved:
        raise CommandError(f"{args.save_path} has not been written: see the message above")
    return 0


def _with_addresses(args: Arguments) -> Arguments:
    try:
        return with_addresses(args)
    except SettingError as error:
        raise CommandError(str(error)) from None


def _version(path: str) -> tuple[int, int] | None:
    """Return what changes when a file is written; None: there is no such file."""
    if not path or not Path(path).exists():
        return None
    status = Path(path).stat()
    return status.st_ino, status.st_mtime_ns


def _check_output(output: str, scene: str) -> None:
    """Check, before the work, that the fused image can be written and replaces no input."""
    from aif_ros.devices.device import DeviceError
    from aif_ros.devices.image_files import check_image_output, image_files

    check_image_output(output)
    inputs = [Path(scene)] if scene else []
    if scene and Path(scene).is_dir():
        try:
            inputs = image_files(scene)
        except DeviceError:
            inputs = []
    if Path(output).resolve() in {path.resolve() for path in inputs}:
        raise CommandError(f"{output} is a picture of the scene: name another file to write")


def _run_graph(args: Arguments) -> dict[str, Any]:
    from aif_ros.bringup.graph import pipeline_graph

    graph = pipeline_graph(args)
    bring_up: AbstractContextManager[RunningGraph]
    if args.runner == "processes":
        from aif_ros.bringup.processes import run_in_processes

        bring_up = run_in_processes(graph)
    else:
        from aif_ros.bringup.one_process import run_in_one_process

        bring_up = run_in_one_process(graph)
    with _progress() as bar:
        watch = _Watch(bar)
        try:
            with bring_up as running:
                watch.begin()

                def ended() -> bool:
                    watch.look(running)
                    return running.stopped and not args.forever

                if not running.spin_until(ended, None if args.forever else args.timeout):
                    watch.reason = f"not ended within {args.timeout:g} s"
        except KeyboardInterrupt:
            watch.reason = "interrupted"
    if watch.fault:
        # What was fused until then is kept.
        raise CommandError(watch.reason)
    return watch.result()


class _Watch:
    """Follows the focus controller's status.

    Args:
        bar: progress bar.
    """

    def __init__(self, bar: "tqdm[Any]") -> None:
        self._bar = bar
        self._state: LoopState | None = None
        self._start = self._last = time.monotonic()
        self.reason = "ended before the loop began"

    @property
    def fault(self) -> bool:
        """Whether the loop has ended with a fault."""
        return self._state is not None and self._state.state == "fault"

    def begin(self) -> None:
        """The graph is up."""
        self._start = self._last = time.monotonic()

    def look(self, running: "RunningGraph") -> None:
        """Take in what is new."""
        if running.state is None or running.state == self._state:
            return
        self._state, self.reason = running.state, running.state.reason
        self._last = time.monotonic()
        self._bar.update(self._state.frames_captured - self._bar.n)
        self._bar.set_postfix_str(self.reason)

    def result(self) -> dict[str, Any]:
        """Return what `--json` writes."""
        state = self._state
        return {
            "agent": state.agent if state else "",
            "frames_captured": state.frames_captured if state else 0,
            "seconds": self._last - self._start,
            "stopped": state is not None and state.state == "stopped",
            "reason": self.reason,
        }


@dataclass(frozen=True)
class _Devices:
    """What the library loop runs on."""

    camera: "Camera"
    lens: "FocusLens"
    lens_model: "LensModel"
    clock: "Clock"
    exposure_time: float
    settle_timeout: float
    recorded: bool = False
    pixel_size: float | None = None


@contextmanager
def _open_devices(args: Arguments) -> Iterator[_Devices]:
    """Open the simulated or the real devices."""
    from aif_ros.devices.backlash import compensated
    from aif_ros.devices.clock import SimulatedClock, SystemClock

    if args.camera == "device":
        from aif_ros.devices.backends import LENSES

        if args.lens not in LENSES:
            known = ", ".join(LENSES)
            raise CommandError(f"a real camera needs a real lens: --lens {known}; or add --ros")
        source = args.camera_source or "0"
        text = f"{args.lens}:{args.lens_source}"
        with open_calibrated(source, text, args.calibration) as (camera, lens, lens_model):
            clock = SystemClock()
            yield _Devices(camera, lens, lens_model, clock, args.exposure_time, SETTLE_TIMEOUT)
        return
    from aif_ros.devices.backends import LENSES

    if args.lens in LENSES:
        raise CommandError(
            f"--lens {args.lens} is a real lens and needs a real camera: add --camera CAMERA (see "
            "`aif devices`)"
        )
    from aif_ros.devices.focal_stack import FocalStack
    from aif_ros.simulation.open_subject import open_subject
    from aif_ros.simulation.simulated_camera import SimulatedCamera
    from aif_ros.simulation.simulated_lens import SimulatedLens

    simulated = SimulatedClock()
    opened = open_subject(
        args.scene, args.calibration, args.width, selection=selection(args.channel, args.time)
    )
    if args.width and min(opened.subject.size) < _LEAST_SIDE:
        width, height = opened.subject.size
        raise CommandError(
            f"--width {args.width} gives pictures of {width}x{height} pixels: {_LEAST_SIDE} pixels "
            "a side are needed"
        )
    simulated_lens = SimulatedLens(opened.lens_model, simulated, rests=opened.rests)
    yield _Devices(
        SimulatedCamera(
            opened.subject,
            simulated,
            simulated_lens,
            exposure_time=_EXPOSURE,
            skip_moving=not opened.moving,
        ),
        compensated(simulated_lens, opened.lens_model),
        opened.lens_model,
        simulated,
        _EXPOSURE,
        10.0,
        isinstance(opened.subject, FocalStack),
        opened.subject.pixel_size if isinstance(opened.subject, FocalStack) else None,
    )


def _run_library(args: Arguments) -> dict[str, Any]:
    with _open_devices(args) as devices:
        return _run_on(args, devices)


def _run_on(args: Arguments, devices: _Devices) -> dict[str, Any]:
    import numpy as np

    from aif_ros.control.agents import make_agent
    from aif_ros.defocus.estimators import make_estimator
    from aif_ros.devices.image_files import write_image
    from aif_ros.devices.image_files.metadata import Metadata
    from aif_ros.fusion.fuser import make_fuser
    from aif_ros.pipeline.focus_map import FocusMapper, save_metres
    from aif_ros.pipeline.loop import AllInFocusPipeline, Step, run_loop
    from aif_ros.pipeline.picture_change import ALIKE, STUCK

    dynamic = args.mode == "dynamic"
    preset, warning = usable_preset(args.preset)
    if warning is not None:
        print(warning, file=sys.stderr)
    agent, device = args.agent or preset.agent, args.device or "auto"
    fusion, estimator = args.fusion or preset.fusion, args.estimator or preset.estimator
    note_unused_device(device, agent, fusion, estimator)
    lens_model = devices.lens_model
    if args.depth_map and not lens_model.object_distances:
        raise CommandError(
            "--depth-map needs object_distances in the calibration (see docs/calibrating.md)"
        )
    pipeline = AllInFocusPipeline(
        lens_model,
        make_fuser(fusion, lens_model if dynamic else None, device),
        make_estimator(estimator, lens_model, device),
        make_agent(agent, lens_model, dynamic=dynamic, device=device),
        dynamic=dynamic,
    )
    mapper = FocusMapper(lens_model, devices.camera.size[0])
    frames, deep, reason, stopped, fault = 0, False, "interrupted", False, None
    start = time.monotonic()
    with _progress() as bar:

        def show(step: Step) -> None:
            nonlocal frames, deep
            deep = deep or step.frame.image.dtype != np.uint8
            if step.maps is not None and not step.frame.moving:
                mapper.add(step.maps, step.frame.position)
            if step.action is not None:
                frames += 1
                bar.update()
                bar.set_postfix_str(step.action.reason)

        try:
            result = run_loop(
                devices.camera,
                devices.lens,
                pipeline,
                devices.clock,
                show,
                exposure_time=devices.exposure_time,
                settle_timeout=devices.settle_timeout,
                reconnect_timeout=RECONNECT_TIMEOUT if args.camera == "device" else 0.0,
                on_lost=_report_lost,
            )
            reason, stopped, fault = result.reason, result.stopped, result.fault
        except KeyboardInterrupt:
            pass
    seconds = time.monotonic() - start
    written = []
    if pipeline.fused is not None:
        if args.save_path:
            metadata = Metadata(pixel_size=devices.pixel_size)
            write_image(args.save_path, pipeline.fused.image, deep=deep, metadata=metadata)
            written.append(args.save_path)
        if args.focus_map:
            height, width = pipeline.fused.image.shape[:2]
            save_metres(args.focus_map, mapper.focus_map().enlarged((width, height)))
            print(args.focus_map)
            written.append(args.focus_map)
        if args.depth_map:
            height, width = pipeline.fused.image.shape[:2]
            positions = mapper.focus_map().enlarged((width, height))
            save_metres(args.depth_map, lens_model.object_distance(positions))
            print(args.depth_map)
            written.append(args.depth_map)
    if fault is not None:
        said = ALIKE if devices.recorded and reason == STUCK else reason
        raise CommandError(f"{said}; {_kept(frames, written)}") from fault
    return {
        "agent": agent,
        "frames_captured": frames,
        "seconds": seconds,
        "networks": dict(engines()),
        "stopped": stopped,
        "reason": reason,
        "warning": warning or "",
    }


def _kept(frames: int, written: Sequence[str]) -> str:
    """Return what is left of a run that a fault has ended, for people."""
    if not frames:
        return "no picture had been taken"
    if not written:
        return f"what was fused of {frames} frames is lost: name a file for it with -o"
    return f"what was fused of {frames} frames until then is in {', '.join(written)}"


def _report_lost(error: "ConnectionLostError") -> None:
    print(f"{error}; waiting {RECONNECT_TIMEOUT:g} s for it (Ctrl-C ends)", file=sys.stderr)


def _progress() -> "tqdm[Any]":
    """A bar that counts frames and shows the agent's reason; none without a terminal."""
    from tqdm import tqdm

    return tqdm(unit="frame", disable=None, bar_format="{n} frames, {elapsed} {postfix}")
