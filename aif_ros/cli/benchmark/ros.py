"""Measure what ROS costs: latency, rate, CPU and memory of each way of running the loop.

The same focal stack is fused by the library loop, by all nodes in one process, and by a process
for each node, at 640x480 and at 1920x1080, in real time; 640x480 takes a minute or two. Latency is
the time from the middle of an exposure until the fused image with it is there: in the library where
the step ends, in one process where a subscriber gets it by reference, with processes where another
process has received it. The latency of the library includes the assessment of the frame, which the
nodes do meanwhile. With --page the processes are measured once more while a browser shows the live
page: how much slower the loop is then, and how late the fused images reach the browser.

Examples:
  aif benchmark ros
  aif benchmark ros --size 640x480 --page
  aif benchmark ros --rounds 10 --json ros.json
  aif benchmark ros --preset learned
"""

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Annotated, Any, Literal

from typing_extensions import Doc

from aif_ros.cli import CommandError, JsonFile, write_json
from aif_ros.cli.benchmark._rounds import STANDSTILL, Rounds, machine, measure_rounds
from aif_ros.settings import nodes
from aif_ros.settings.pipeline import PipelineSettings, PresetName
from aif_ros.settings.presets import Preset, usable_preset

if TYPE_CHECKING:
    from aif_ros.benchmarks.running_cost import LoopCost
    from aif_ros.bringup.observer import RunningGraph

# Width and height, pixels, and frames per second: the default of the nodes; and as many pictures of
# 6 MB as Fast DDS carries from process to process on two cores (at 60, hardly any arrives).
_SIZES = ((640, 480, 60.0), (1920, 1080, 5.0))


@dataclass(frozen=True)
class Arguments:
    """Arguments of the command."""

    preset: PresetName = "classical"
    agent: nodes.Agent = "sweep"
    rounds: Rounds = 5
    size: Annotated[Literal["both", "640x480", "1920x1080"], Doc("Size of the images.")] = "both"
    page: Annotated[bool, Doc("Also measure the live page, and what it costs the loop.")] = False
    json: JsonFile = None


def run(args: Arguments) -> int:
    """Run the benchmark."""
    from aif_ros.benchmarks.running_cost import write_stack

    preset, _ = usable_preset(args.preset)
    load = os.getloadavg()[0]
    result: dict[str, Any] = {}
    pages: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        for width, height, frame_rate in _SIZES:
            size, stack = f"{width}x{height}", Path(folder) / f"{width}x{height}"
            if args.size not in ("both", size):
                continue
            write_stack(stack, width, height)
            costs = _measure(args, preset, stack, frame_rate)
            result[size] = {way: cost.as_dict() for way, cost in costs.items()}
            _print(size, costs)
            if args.page:
                pages[size] = _page_cost(costs)
                print(
                    "  the live page: {} % fewer fused images, each {} ms later".format(
                        *(f"{value:.1f}" for value in pages[size].values())
                    )
                )
    setup = {
        "preset": args.preset,
        "agent": args.agent,
        "rounds": args.rounds,
        "load_before": load,
        **machine(),
    }
    write_json({"sizes": result, "live_page": pages, "setup": setup}, args.json)
    return 0


def _measure(
    args: Arguments, preset: Preset, stack: Path, frame_rate: float
) -> "dict[str, LoopCost]":
    from aif_ros.benchmarks.running_cost import core_cost
    from aif_ros.bringup.graph import pipeline_graph
    from aif_ros.bringup.one_process import run_in_one_process
    from aif_ros.bringup.processes import run_in_processes
    from aif_ros.storage.atomic_write import write_text

    parameters = stack.with_suffix(".yaml")
    write_text(parameters, f"/**:\n  ros__parameters:\n    frame_rate: {frame_rate}\n")
    graph = pipeline_graph(
        PipelineSettings(
            preset=args.preset,
            agent=args.agent,
            scene=str(stack),
            params_file=str(parameters),
            namespace=f"cost_{os.getpid()}_{stack.name}",
        )
    )
    costs = {"library": core_cost(stack, preset, args.agent, args.rounds, frame_rate)}
    # Nodes of this process are known to ROS as long as anything of them is left: they come last,
    # and each size has its own namespace.
    with run_in_processes(graph) as running:
        costs["processes"] = measure_rounds(running, args.rounds, by_reference=True)
        if args.page:
            costs |= _watch_page(running, args.rounds)
    with run_in_one_process(graph) as running:
        costs["one_process"] = measure_rounds(running, args.rounds, by_reference=True)
    return costs


def _watch_page(running: "RunningGraph", rounds: int) -> "dict[str, LoopCost]":
    """Watch the processes while a browser shows the live page, and the images that it gets."""
    from aif_ros.benchmarks.running_cost import rate
    from aif_ros.cli.benchmark._page import fused_images_of_page

    with fused_images_of_page(running.graph.namespace.strip("/")) as arrivals:
        running.spin_until(lambda: bool(arrivals), STANDSTILL)
        arrivals.clear()
        viewed = measure_rounds(running, rounds, by_reference=True)
        latencies = [(arrival - stamp) * 1e-6 for stamp, arrival in arrivals]
    if not latencies:
        raise CommandError("no fused image has reached the live page")
    images = rate([[stamp for stamp, _ in arrivals]])
    return {
        "processes_with_page": viewed,
        "page": replace(viewed, latencies=latencies, rate=images),
    }


def _page_cost(costs: "Mapping[str, LoopCost]") -> dict[str, float]:
    """Return what the live page costs the loop, and how much later it has a fused image."""
    without, viewed, page = (costs[key] for key in ("processes", "processes_with_page", "page"))
    return {
        "fewer_fused_images_percent": 100.0 * (1.0 - viewed.rate / without.rate),
        "later_than_processes_ms": median(page.latencies) - median(viewed.latencies),
    }


def _print(size: str, costs: "Mapping[str, LoopCost]") -> None:
    print(
        f"{size}: latency ms (median, p95, p99), fused images/s, CPU (cores, ms per image), "
        "largest process MB"
    )
    for way, cost in costs.items():
        values: Any = cost.as_dict()
        latency = values["latency_ms"]
        print(
            f"  {way:19} {latency['median']:6.1f} {latency['p95']:6.1f} {latency['p99']:6.1f}"
            f"  {cost.rate:6.2f}  {sum(cost.cpu.values()):5.2f} "
            f"{values['cpu_ms_per_image']:6.0f}  {max(cost.memory.values()):6.0f}",
            flush=True,
        )
