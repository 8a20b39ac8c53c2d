"""Run the closed loop until it stops by itself.

Three ways of running the same loop on a simulated camera and lens, a recorded focal stack or a
real camera: as a plain library in simulated time (no ROS needed), as ROS 2 nodes in this one
process, or as ROS 2 processes of their own. Ctrl-C ends it at any time; what was fused until then
is kept.

Examples:
  aif run -o sharp.png                           the photographed motorcycle, without ROS
  aif run --agent sweep --json -                 the conventional focal sweep
  aif run --scene ~/stacks/insect -o sharp.png   a recorded focal stack
  aif run --how processes --forever              the ROS 2 graph, until Ctrl-C
"""

import argparse
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aif_ros.cli import CommandError, add_json_argument, write_json

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from tqdm import tqdm

    from aif_ros.bringup.runner import RunningGraph
    from aif_ros.optics.lens_model import LensModel
    from aif_ros.simulation.simulated_camera import Subject

_ROS_ONLY = ("params_file", "namespace", "device", "search")
DEFAULTS = {"agent": "rule_based", "fusion": "laplacian", "estimator": "gradient_ratio"}
"""As in the nodes' parameters."""
_EXPOSURE = 0.008


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    from aif_ros.bringup.arguments import ARGUMENTS

    parser.add_argument(
        "--how",
        choices=("library", "one-process", "processes"),
        default="library",
        help="without ROS, as nodes in this process, or as processes (default: %(default)s)",
    )
    for argument in ARGUMENTS:
        short = ["-o", "--output"] if argument.name == "save_path" else []
        parser.add_argument(
            *short,
            f"--{argument.name.replace('_', '-')}",
            dest=argument.name,
            default="",
            choices=argument.choices or None,
            metavar=None if argument.choices else "VALUE",
            help=argument.description.replace("%", "%%"),
        )
    parser.add_argument(
        "--forever", action="store_true", help="go on after the loop has stopped, until Ctrl-C"
    )
    parser.add_argument(
        "--timeout",
        metavar="SECONDS",
        type=float,
        default=300.0,
        help="end the loop then, if it has not ended by itself (default: %(default)g)",
    )
    add_json_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Run the loop."""
    from aif_ros.bringup.arguments import ARGUMENTS

    choices = {argument.name: getattr(args, argument.name) for argument in ARGUMENTS}
    if args.how == "library":
        for name in _ROS_ONLY:
            if choices[name]:
                option = name.replace("_", "-")
                raise CommandError(
                    f"--{option} needs ROS: add --how one-process or --how processes"
                )
        if args.forever:
            raise CommandError("--forever needs ROS: add --how one-process or --how processes")
        result = _run_library(choices)
    else:
        result = _run_graph(args, choices)
    print(f"{result['frames_captured']} frames in {result['seconds']:.1f} s: {result['reason']}")
    if choices["save_path"] and Path(choices["save_path"]).exists():
        print(choices["save_path"])
    write_json({"how": args.how, "scene": choices["scene"] or "motorcycle"} | result, args.json)
    return 0


def _run_graph(args: argparse.Namespace, choices: Mapping[str, str]) -> dict[str, Any]:
    from aif_ros.bringup.graph import pipeline_graph

    graph = pipeline_graph(choices)
    bring_up: AbstractContextManager[RunningGraph]
    if args.how == "processes":
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
        self._values: dict[str, str] = {}
        self._start = self._last = time.monotonic()
        self.reason = "ended before the loop began"

    def begin(self) -> None:
        """The graph is up."""
        self._start = self._last = time.monotonic()

    def look(self, running: "RunningGraph") -> None:
        """Take in what is new."""
        if running.status is None or running.values == self._values:
            return
        self._values, self.reason = running.values, running.status.message
        self._last = time.monotonic()
        self._bar.update(int(self._values["frames_captured"]) - self._bar.n)
        self._bar.set_postfix_str(self.reason)

    def result(self) -> dict[str, Any]:
        """Return what `--json` writes."""
        return {
            "agent": self._values.get("agent", ""),
            "frames_captured": int(self._values.get("frames_captured", 0)),
            "seconds": self._last - self._start,
            "stopped": self._values.get("state") == "stopped",
            "reason": self.reason,
        }


def _run_library(choices: Mapping[str, str]) -> dict[str, Any]:
    from aif_ros.control.agents import make_agent
    from aif_ros.defocus.estimators import make_estimator
    from aif_ros.devices.clock import SimulatedClock
    from aif_ros.devices.image_files import write_image
    from aif_ros.fusion.fuser import make_fuser
    from aif_ros.pipeline.loop import AllInFocusPipeline, Step, run_loop
    from aif_ros.simulation.simulated_camera import SimulatedCamera
    from aif_ros.simulation.simulated_lens import SimulatedLens

    clock = SimulatedClock()
    dynamic = choices["mode"] == "dynamic"
    agent = choices["agent"] or DEFAULTS["agent"]
    subject, lens_model, rests = _look_at(choices)
    lens = SimulatedLens(lens_model, clock, rests=rests)
    pipeline = AllInFocusPipeline(
        lens_model,
        make_fuser(choices["fusion"] or DEFAULTS["fusion"], lens_model if dynamic else None),
        make_estimator(choices["estimator"] or DEFAULTS["estimator"], lens_model),
        make_agent(agent, lens_model, dynamic=dynamic),
        still_scene=not dynamic,
    )
    frames, reason, stopped = 0, "interrupted", False
    start = time.monotonic()
    with _progress() as bar:

        def show(step: Step) -> None:
            nonlocal frames
            if step.result is not None:
                frames += 1
                bar.update()
                bar.set_postfix_str(step.result.action.reason)

        camera = SimulatedCamera(subject, clock, lens, exposure_time=_EXPOSURE)
        try:
            result = run_loop(camera, lens, pipeline, clock, show, exposure_time=_EXPOSURE)
            reason, stopped = result.reason, result.stopped
        except KeyboardInterrupt:
            pass
    seconds = time.monotonic() - start
    if choices["save_path"] and pipeline.fused is not None:
        write_image(choices["save_path"], pipeline.fused.image, deep=False)
    return {
        "agent": agent,
        "frames_captured": frames,
        "seconds": seconds,
        "stopped": stopped,
        "reason": reason,
    }


def _look_at(
    choices: Mapping[str, str],
) -> "tuple[Subject, LensModel, Sequence[float] | None]":
    """Return what the simulated camera sees, the lens in use, and where that one can rest."""
    from aif_ros.devices.focal_stack import FocalStack, is_focal_stack
    from aif_ros.optics.lens_model import DEFAULT_CALIBRATION, LensModel
    from aif_ros.simulation.rendered_scene import RenderedScene
    from aif_ros.simulation.scenes.open_scene import open_scene

    scene, calibration = choices["scene"], choices["calibration"]
    if choices["camera"] == "stack" or (scene and is_focal_stack(scene)):
        stack = FocalStack(scene)
        lens_model = stack.lens_model(LensModel.load(calibration) if calibration else None)
        return stack, lens_model, list(stack.positions)
    lens_model = LensModel.load(calibration or DEFAULT_CALIBRATION)
    return (
        RenderedScene(open_scene(scene, lens_model, int(choices["width"] or 0)), lens_model),
        lens_model,
        None,
    )


def _progress() -> "tqdm[Any]":
    """A bar that counts frames and shows the agent's reason; none where nobody looks."""
    from tqdm import tqdm

    return tqdm(unit="frame", disable=None, bar_format="{n} frames, {elapsed} {postfix}")
