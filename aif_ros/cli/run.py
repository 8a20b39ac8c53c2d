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
  aif run --ros --forever                        as ROS 2 processes, until Ctrl-C
"""

import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro
from typing_extensions import Doc

from aif_ros.cli import CommandError, JsonFile, write_json
from aif_ros.settings.declaration import Limits, OneOf, SetsParameter, declared
from aif_ros.settings.pipeline import PipelineSettings, resolve_device
from aif_ros.settings.presets import usable_preset

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from tqdm import tqdm

    from aif_ros.bringup.observer import RunningGraph
    from aif_ros.nodes.loop_state import LoopState

_ROS_ONLY = ("params_file", "namespace", "camera_source", "lens_source", "lens", "search")
_EXPOSURE = 0.008


@dataclass(frozen=True)
class Arguments(PipelineSettings):
    """Arguments of the command."""

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
    timeout: Annotated[
        float,
        tyro.conf.arg(metavar="SECONDS"),
        Limits(0.0, 1e9),
        Doc("End the loop after this time if it has not stopped."),
    ] = 300.0
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
    if args.save_path:
        _check_output(args.save_path, args.scene)
    if args.runner == "library":
        for setting in declared(Arguments):
            name = setting.name
            if name in (*_ROS_ONLY, "forever") and getattr(args, name) != setting.default:
                raise CommandError(f"--{name.replace('_', '-')} needs ROS: add --ros")
        if args.camera in ("device", "external"):
            raise CommandError(f"--camera {args.camera} needs ROS: add --ros")
        result = _run_library(args)
    else:
        result = _run_graph(args)
    print(f"{result['frames_captured']} frames in {result['seconds']:.1f} s: {result['reason']}")
    if args.save_path and Path(args.save_path).exists():
        print(args.save_path)
    write_json({"how": args.runner, "scene": args.scene or "motorcycle"} | result, args.json)
    return 0


def _check_output(output: str, scene: str) -> None:
    """Check, before the work, that the fused image can be written and replaces no input."""
    from aif_ros.devices.device import DeviceError
    from aif_ros.devices.image_files import check_image_output, image_files

    check_image_output(output)
    inputs = [Path(scene)]
    if Path(scene).is_dir():
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


def _run_library(args: Arguments) -> dict[str, Any]:
    import numpy as np

    from aif_ros.control.agents import make_agent
    from aif_ros.defocus.estimators import make_estimator
    from aif_ros.devices.clock import SimulatedClock
    from aif_ros.devices.image_files import write_image
    from aif_ros.fusion.fuser import make_fuser
    from aif_ros.pipeline.loop import AllInFocusPipeline, Step, run_loop
    from aif_ros.simulation.open_subject import open_subject
    from aif_ros.simulation.simulated_camera import SimulatedCamera
    from aif_ros.simulation.simulated_lens import SimulatedLens

    clock = SimulatedClock()
    dynamic = args.mode == "dynamic"
    preset, warning = usable_preset(args.preset)
    if warning is not None:
        print(warning, file=sys.stderr)
    agent, device = args.agent or preset.agent, resolve_device(args).device or "auto"
    opened = open_subject(args.scene, args.calibration, args.width)
    lens_model = opened.lens_model
    lens = SimulatedLens(lens_model, clock, rests=opened.rests)
    pipeline = AllInFocusPipeline(
        lens_model,
        make_fuser(args.fusion or preset.fusion, lens_model if dynamic else None, device),
        make_estimator(args.estimator or preset.estimator, lens_model, device),
        make_agent(agent, lens_model, dynamic=dynamic, device=device),
        dynamic=dynamic,
    )
    frames, deep, reason, stopped = 0, False, "interrupted", False
    start = time.monotonic()
    with _progress() as bar:

        def show(step: Step) -> None:
            nonlocal frames, deep
            deep = deep or step.frame.image.dtype != np.uint8
            if step.action is not None:
                frames += 1
                bar.update()
                bar.set_postfix_str(step.action.reason)

        camera = SimulatedCamera(opened.subject, clock, lens, exposure_time=_EXPOSURE)
        try:
            result = run_loop(camera, lens, pipeline, clock, show, exposure_time=_EXPOSURE)
            reason, stopped = result.reason, result.stopped
        except KeyboardInterrupt:
            pass
    seconds = time.monotonic() - start
    if args.save_path and pipeline.fused is not None:
        write_image(args.save_path, pipeline.fused.image, deep=deep)
    return {
        "agent": agent,
        "frames_captured": frames,
        "seconds": seconds,
        "stopped": stopped,
        "reason": reason,
    }


def _progress() -> "tqdm[Any]":
    """A bar that counts frames and shows the agent's reason; none where nobody looks."""
    from tqdm import tqdm

    return tqdm(unit="frame", disable=None, bar_format="{n} frames, {elapsed} {postfix}")
