"""Runs of the loop on nodes that are up, measured from outside: for `benchmark loop` and `ros`."""

import os
import platform
import time
from typing import TYPE_CHECKING, Annotated, Any

from typing_extensions import Doc

from aif_ros.cli import CommandError
from aif_ros.settings.declaration import Limits

if TYPE_CHECKING:
    from aif_ros.benchmarks.running_cost import LoopCost
    from aif_ros.bringup.observer import RunningGraph

Rounds = Annotated[int, Limits(1, 1000), Doc("Runs of the loop to measure.")]

STANDSTILL = 120.0
"""Seconds without a decision after which the loop is given up; on a busy computer a frame of
1920x1080 takes some."""


def machine() -> dict[str, Any]:
    """Return what the figures depend on besides the arguments, ready for JSON."""
    return {
        "cores": os.cpu_count(),
        "machine": platform.machine(),
        "python": platform.python_version(),
    }


def measure_rounds(running: "RunningGraph", rounds: int, *, by_reference: bool) -> "LoopCost":
    """Run the loop `rounds` times and note when fused images arrive.

    Args:
        running: nodes that are up; the run that began while they were starting does not count.
        rounds: number of runs.
        by_reference: whether to subscribe within the process where the nodes run in it, instead of
            by DDS.

    Raises:
        CommandError: a run does not end, a node ends, or no fused image arrives.
        BringupError: the focus controller does not answer.
    """
    import psutil

    try:
        return _measure(running, rounds, by_reference=by_reference)
    except psutil.NoSuchProcess as error:
        raise CommandError("a node ended while it was measured: see its message above") from error


def _measure(running: "RunningGraph", rounds: int, *, by_reference: bool) -> "LoopCost":
    from aif_ros.benchmarks.running_cost import LoopCost, ProcessWatch, rate
    from aif_ros.bringup.fused_arrivals import fused_arrivals
    from aif_ros.bringup.loop_restart import LoopRestart

    arrivals = fused_arrivals(running, by_reference=by_reference)
    loop = LoopRestart(running)
    _wait(running)
    watch = ProcessWatch(running.pids or {"all nodes": os.getpid()})
    latencies: list[float] = []
    stamps: list[list[int]] = []
    for _ in range(rounds):
        arrivals.clear()
        begun = time.time_ns()
        loop.restart()
        _wait(running, watch)
        # The first ones may still come from the run before.
        new = [(stamp, arrival) for stamp, arrival in arrivals if stamp > begun]
        latencies += [(arrival - stamp) * 1e-6 for stamp, arrival in new]
        stamps.append([stamp for stamp, _ in new])
    if not latencies:
        raise CommandError("no fused image has come")
    return LoopCost(latencies, rate(stamps), watch.cpu(), watch.cpu_seconds(), watch.memory)


def _wait(running: "RunningGraph", watch: Any = None) -> None:
    """Wait for the end of the loop, as long as it makes progress."""
    state, since = running.state, time.monotonic()

    def ended() -> bool:
        nonlocal state, since
        if watch is not None:
            watch.sample()
        if running.state != state:
            state, since = running.state, time.monotonic()
        return running.stopped or time.monotonic() - since > STANDSTILL

    running.spin_until(ended)
    if not running.stopped:
        why = running.state.reason if running.state else "no state has come"
        raise CommandError(f"the loop has made no progress for {STANDSTILL:g} s: {why}")
