"""Measure speed, latency and memory of the loop, with and without ROS, and its quality.

Measured with the simulated camera in colour: images per second; iterations per second of
the loop without ROS (at full speed, simulation included), of all nodes in one process, and of
one process for each node (both in real time, with the simulated lens's moves and rests); time
from the middle of an exposure to the arrival of the fused image made from it in another process;
memory of each process at its highest. Quality is measured on the photographed motorcycle.

Examples:
  aif benchmark loop
  aif benchmark loop --agent rule_based --rounds 5 --json loop.json
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from aif_ros.cli import JsonFile, write_json
from aif_ros.cli.benchmark._rounds import Rounds, machine, measure_rounds
from aif_ros.settings import nodes
from aif_ros.settings.pipeline import PipelineSettings, PresetName
from aif_ros.settings.presets import Preset, usable_preset

_SCENE, _MOVING_SCENE = "planes", "moving_planes"  # 640x480


@dataclass(frozen=True)
class Arguments:
    """Arguments of the command."""

    preset: PresetName = ""
    agent: nodes.Agent = "sweep"
    rounds: Rounds = 3
    json: JsonFile = None


def run(args: Arguments) -> int:
    """Run the benchmark."""
    from aif_ros.bringup.graph import pipeline_graph
    from aif_ros.bringup.one_process import run_in_one_process
    from aif_ros.bringup.processes import run_in_processes

    preset, _ = usable_preset(args.preset)
    core = _measure_core(args.agent, preset, args.rounds)
    graph = pipeline_graph(PipelineSettings(preset=args.preset, scene=_SCENE, agent=args.agent))
    # In this order: nodes of this process are known to ROS as long as anything of them is left.
    with run_in_processes(graph) as running:
        processes = measure_rounds(running, args.rounds, by_reference=False)
    with run_in_one_process(graph) as running:
        one_process = measure_rounds(running, args.rounds, by_reference=False)
    result = {
        "camera_fps": core["camera_fps"],
        "loop_hz": {
            "without_ros": core["loop_hz"],
            "one_process": one_process.rate,
            "processes": processes.rate,
        },
        "latency_ms": {
            "one_process": one_process.as_dict()["latency_ms"],
            "processes": processes.as_dict()["latency_ms"],
        },
        "memory_mb": dict(processes.memory),
        "quality": core["quality"],
        "setup": {
            "agent": args.agent,
            "fusion": preset.fusion,
            "estimator": preset.estimator,
            "image_size": core["image_size"],
            "rounds": args.rounds,
            **machine(),
        },
    }
    _print(result)
    write_json(result, args.json)
    return 0


def _measure_core(agent: str, preset: Preset, rounds: int) -> dict[str, Any]:
    from aif_ros.benchmarks.loop import camera_rate, quality, run_core_loop
    from aif_ros.optics.lens_model import DEFAULT_CALIBRATION, LensModel
    from aif_ros.simulation.scenes.open_scene import open_scene

    lens_model = LensModel.load(DEFAULT_CALIBRATION)
    still, moving = (open_scene(name, lens_model) for name in (_SCENE, _MOVING_SCENE))
    parts = {"estimator": preset.estimator, "fusion": preset.fusion}
    runs = [run_core_loop(still, lens_model, agent, **parts) for _ in range(rounds)]
    photo = open_scene("motorcycle", lens_model)
    return {
        "camera_fps": {
            "still_scene": camera_rate(still, lens_model, lens_moves=False),
            "still_scene_moving_lens": camera_rate(still, lens_model, lens_moves=True),
            "moving_scene": camera_rate(moving, lens_model, lens_moves=True),
        },
        "loop_hz": sum(len(run.frames) for run in runs) / sum(run.seconds for run in runs),
        "quality": quality(run_core_loop(photo, lens_model, agent, **parts), photo, lens_model),
        "image_size": list(still.size),
    }


def _print(result: dict[str, Any]) -> None:
    width, height = result["setup"]["image_size"]
    fps, hz, memory = result["camera_fps"], result["loop_hz"], result["memory_mb"]
    rows: Sequence[tuple[str, str]] = (
        ("simulated camera, still scene", f"{fps['still_scene']:.1f} images/s"),
        ("  with the lens moving", f"{fps['still_scene_moving_lens']:.1f} images/s"),
        ("  moving scene", f"{fps['moving_scene']:.1f} images/s"),
        ("loop without ROS", f"{hz['without_ros']:.1f} iterations/s"),
        ("loop, all nodes in one process", f"{hz['one_process']:.1f} iterations/s"),
        ("loop, a process for each node", f"{hz['processes']:.1f} iterations/s"),
        *(
            (
                f"exposure to fused image, {runner.replace('_', ' ')}",
                f"{latency['median']:.0f} ms median, {latency['p95']:.0f} ms p95",
            )
            for runner, latency in result["latency_ms"].items()
        ),
        *((f"memory of {name}", f"{size:.0f} MB") for name, size in memory.items()),
        (
            "fused motorcycle above its best frame",
            f"{result['quality']['gain_db']:.1f} dB "
            f"({result['quality']['psnr']:.1f} dB, {result['quality']['frames']} frames)",
        ),
    )
    print(f"{width}x{height} colour, agent {result['setup']['agent']}\n")
    for name, value in rows:
        print(f"{name:44} {value}")
