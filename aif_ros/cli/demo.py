"""Run the whole loop as ROS 2 processes and write a report.

Starts the nodes of the pipeline (simulated camera and lens, fusion, autofocus, focus controller)
as processes, watches their topics until the loop stops by itself, and writes images, an
animation, a report (report.html) and its figures (result.json). Ctrl-C ends the
loop early; what was recorded until then is still written.

Examples:
  aif demo                             the photographed motorcycle
  aif demo --agent sweep               the conventional focal sweep, to compare with
  aif demo --scene ~/stacks/insect     a recorded focal stack: a folder of images
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro
from typing_extensions import Doc

from aif_ros.cli import CommandError, JsonFile, check_width, write_json
from aif_ros.cli._camera_options import refuse_camera_options
from aif_ros.cli._warnings import print_warnings
from aif_ros.settings.declaration import Limits, OneOf
from aif_ros.settings.pipeline import PipelineSettings

if TYPE_CHECKING:
    from aif_ros.benchmarks.comparison import ComparedRun
    from aif_ros.bringup.graph import Graph
    from aif_ros.bringup.observer import RunningGraph
    from aif_ros.optics.lens_model import LensModel
    from aif_ros.pipeline.decision_record import DecisionRecord
    from aif_ros.simulation.scenes.scene import Scene
    from aif_ros.types.image import Image


@dataclass(frozen=True)
class Arguments(PipelineSettings):
    """Arguments of the command."""

    out: Annotated[Path, tyro.conf.arg(metavar="DIR"), Doc("Folder for the report.")] = Path(
        "out/demo"
    )
    with_: Annotated[
        str,
        tyro.conf.arg(name="with"),
        OneOf(("processes", "launch")),
        Doc("What starts the nodes: this command, or `ros2 launch`."),
    ] = "processes"
    timeout: Annotated[
        float,
        tyro.conf.arg(metavar="SECONDS"),
        Limits(0.0, 1e9),
        Doc("End the loop after this time if it has not stopped."),
    ] = 120.0
    json: JsonFile = None


def run(args: Arguments) -> int:
    """Run the demo."""
    from aif_ros.benchmarks.report import write_fused_image, write_report
    from aif_ros.bringup.graph import pipeline_graph
    from aif_ros.bringup.launch_process import check_launch
    from aif_ros.bringup.recorder import recording
    from aif_ros.cli._watch import watch_loop
    from aif_ros.devices.chosen_devices import chosen_devices
    from aif_ros.process.interrupts import uninterrupted
    from aif_ros.storage.share import share_directory

    refuse_camera_options(args, chosen_devices(args).camera)
    check_width(args.width)
    if args.with_ == "launch":
        check_launch()
    if not args.params_file:
        args = replace(args, params_file=str(share_directory() / "config" / "demo.yaml"))
    graph = pipeline_graph(args)
    name, scene, truth, lens_model = _scene(graph)
    args.out.mkdir(parents=True, exist_ok=True)
    with recording(graph.namespace, _decision_printer()) as recorder:
        print("Starting the nodes ...")
        end = watch_loop(
            _bring_up(args, graph),
            lambda running: running.out_of_images or recorder.complete,
            args.timeout,
        )
        # The image first: neither what the report needs nor an interrupt may cost it.
        with uninterrupted():
            recorder.wait_for_last_decision()
            if end.interrupted and not recorder.anything:
                print("Interrupted before the first frame was fused.")
                return 0
            seen = recorder.recording(name, lens_model)
            write_fused_image(seen, args.out)
    print(f"Loop: {end.reason}. Writing the report ...")
    others = [] if scene is None or truth is None else _others(args, scene, lens_model)
    summary = write_report(seen, truth, args.out, others)
    write_json(summary, args.json)
    _print_summary(summary, args.out)
    print_warnings(seen.left_out.warning, seen.doubt)
    if end.fault:
        raise CommandError(end.reason)
    return 0


def _bring_up(args: Arguments, graph: "Graph") -> "AbstractContextManager[RunningGraph]":
    """Return what starts the nodes; their output goes to files in the folder of the report."""
    from aif_ros.bringup.launch_process import run_by_launch
    from aif_ros.bringup.processes import run_in_processes

    if args.with_ == "launch":
        return run_by_launch(args, graph, args.out / "launch.log")
    logs = args.out / "log"
    logs.mkdir(exist_ok=True)
    return run_in_processes(graph, log_directory=logs)


def _decision_printer() -> "Callable[[DecisionRecord], None]":
    """Return what prints a line for each decision, with the number of the frame decided on."""
    stamps: set[int] = set()

    def show(decision: "DecisionRecord") -> None:
        frame = decision.evidence[-1]
        stamps.add(frame.stamp)
        position = f"{1e6 * frame.position:6.0f} µm"
        print(f"  frame {len(stamps):2}  lens at {position}  {decision.reason}", flush=True)

    return show


def _others(args: Arguments, scene: "Scene", lens_model: "LensModel") -> "Sequence[ComparedRun]":
    """Return other runs on the same scene, to compare with."""
    from aif_ros.benchmarks.comparison import compared_runs
    from aif_ros.settings.presets import usable_preset

    preset, _ = usable_preset(args.preset)
    return compared_runs(
        scene,
        lens_model,
        fusion=args.fusion or preset.fusion,
        estimator=args.estimator or preset.estimator,
    )


def _scene(graph: "Graph") -> "tuple[str, Scene | None, Image | None, LensModel]":
    """Return the scene's name, the scene and its truth where known, and the lens in use."""
    from aif_ros.optics.lens_model import DEFAULT_CALIBRATION, LensModel
    from aif_ros.simulation.scenes.open_scene import open_scene
    from aif_ros.simulation.truth import Truth

    parameters = {node.executable: node.parameters for node in graph.nodes}
    calibration = parameters["fusion_node"].get("calibration") or DEFAULT_CALIBRATION
    lens_model = LensModel.load(calibration)
    if (camera := parameters.get("sim_camera_node")) is None:
        source = parameters.get("camera_node", {}).get("camera_source", "camera")
        return Path(source).name, None, None, lens_model
    width = int(camera.get("width", 0))
    scene = open_scene(camera.get("scene", ""), lens_model, width)
    truth = None if scene.moving else Truth(scene, lens_model).at(0.0)[0]
    return scene.name, scene, truth, lens_model


def _print_summary(summary: Mapping[str, Any], folder: Path) -> None:
    print(
        f"\n{summary['frames_captured']} frames in {summary['seconds']:.1f} s, {summary['agent']}"
    )
    if summary["psnr"] is not None:
        gain = summary["psnr"] - summary["best_single_frame_psnr"]
        print(
            f"fused image: PSNR {summary['psnr']:.1f} dB, SSIM {summary['ssim']:.3f}; "
            f"{gain:.1f} dB above the best single frame"
        )
    for name in ("report.html", "all_in_focus.png", "loop.webp", "result.json"):
        print(f"  {folder / name}")
