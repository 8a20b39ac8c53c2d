"""`aif run` with ROS: the loop as nodes, in this process or in processes of their own."""

from typing import Any

from aif_ros.bringup.graph import pipeline_graph
from aif_ros.bringup.one_process import run_in_one_process
from aif_ros.bringup.processes import run_in_processes
from aif_ros.cli import CommandError
from aif_ros.cli._progress import image_progress
from aif_ros.cli._run_arguments import DEFAULT_TIMEOUT, Arguments
from aif_ros.cli._warnings import print_warnings
from aif_ros.cli._watch import watch_loop
from aif_ros.nodes.loop_state import STOPPED, LoopState
from aif_ros.pipeline.left_out import LeftOut


def run_graph(args: Arguments) -> dict[str, Any]:
    """Run the nodes until the loop stops.

    Returns:
        What `--json` writes.

    Raises:
        CommandError: a fault has ended the loop; what was fused until then is kept.
        BringupError: the nodes cannot be brought up.
    """
    graph = pipeline_graph(args)
    run = run_in_processes if args.runner == "processes" else run_in_one_process
    with image_progress("frame") as bar:

        def show(state: LoopState) -> None:
            bar.update(state.frames_captured - bar.n)
            bar.set_postfix_str(state.reason)

        end = watch_loop(
            run(graph),
            lambda running: (running.stopped or running.out_of_images) and not args.forever,
            None if args.forever else DEFAULT_TIMEOUT if args.timeout is None else args.timeout,
            show,
        )
    left_out = end.state.left_out if end.state else LeftOut()
    doubt = end.state.doubt if end.state else ""
    print_warnings(left_out.warning, doubt)
    if end.fault:
        raise CommandError(end.reason)
    return {
        "agent": end.state.agent if end.state else "",
        "frames_captured": end.state.frames_captured if end.state else 0,
        "seconds": end.seconds,
        "stopped": end.state is not None and end.state.state == STOPPED,
        "reason": end.reason,
        "doubt": doubt,
        "frames_not_fused": len(left_out.positions),
        "frames_damaged": len(left_out.damaged),
    }
