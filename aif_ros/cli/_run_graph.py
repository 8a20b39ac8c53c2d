"""`aif run` with ROS: the loop as nodes, in this process or in processes of their own."""

import time
from typing import Any

from tqdm import tqdm

from aif_ros.bringup.graph import pipeline_graph
from aif_ros.bringup.observer import RunningGraph
from aif_ros.bringup.one_process import run_in_one_process
from aif_ros.bringup.processes import run_in_processes
from aif_ros.cli import CommandError
from aif_ros.cli._progress import image_progress
from aif_ros.cli._run_arguments import Arguments
from aif_ros.nodes.loop_state import FAULT, STOPPED, LoopState


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
        watch = _Watch(bar)
        try:
            with run(graph) as running:
                watch.begin()

                def ended() -> bool:
                    watch.update(running)
                    return (running.stopped or running.starved) and not args.forever

                if not running.spin_until(ended, None if args.forever else args.timeout):
                    watch.reason = f"not ended within {args.timeout:g} s"
                elif running.starved:
                    watch.end(running.recording_end)
        except KeyboardInterrupt:
            watch.reason = "interrupted"
    if watch.fault:
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
        self._starved = False
        self.reason = "ended before the loop began"

    @property
    def fault(self) -> bool:
        """Whether the loop has ended with a fault."""
        return self._starved or (self._state is not None and self._state.state == FAULT)

    def begin(self) -> None:
        """The graph is up."""
        self._start = self._last = time.monotonic()

    def update(self, running: RunningGraph) -> None:
        """Take in what is new."""
        if running.state is None or running.state == self._state:
            return
        self._state, self.reason = running.state, running.state.reason
        self._last = time.monotonic()
        self._bar.update(self._state.frames_captured - self._bar.n)
        self._bar.set_postfix_str(self.reason)

    def end(self, reason: str) -> None:
        """The loop would wait for ever."""
        self._starved, self.reason = True, reason

    def result(self) -> dict[str, Any]:
        """Return what `--json` writes."""
        state = self._state
        return {
            "agent": state.agent if state else "",
            "frames_captured": state.frames_captured if state else 0,
            "seconds": self._last - self._start,
            "stopped": state is not None and state.state == STOPPED,
            "reason": self.reason,
            "doubt": state.doubt if state else "",
        }
