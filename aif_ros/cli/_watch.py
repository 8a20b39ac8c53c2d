"""Watches the loop while it runs as nodes: for `aif run --ros` and `aif demo`."""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from aif_ros.bringup.observer import RunningGraph
from aif_ros.nodes.loop_state import FAULT, LoopState


@dataclass(frozen=True)
class WatchedRun:
    """How a run of the loop that was watched has ended.

    Attributes:
        state: state of the loop that was published last; None: none.
        reason: for people.
        seconds: from when the nodes had been brought up, or from the start of the launch file where
            that brings them up, to the last state.
        interrupted: whether an interrupt has ended it.
        fault: whether a fault has ended it, or it waits for images that cannot come any more.
    """

    state: LoopState | None
    reason: str
    seconds: float
    interrupted: bool
    fault: bool


def watch_loop(
    bring_up: AbstractContextManager[RunningGraph],
    ended: Callable[[RunningGraph], bool],
    timeout: float | None,
    show: Callable[[LoopState], object] = lambda state: None,
) -> WatchedRun:
    """Bring the nodes up and watch the loop until it ends; the nodes are stopped then.

    An interrupt ends the loop early.

    Args:
        bring_up: what starts the nodes, and stops them.
        ended: whether the loop has ended; it is called again and again.
        timeout: seconds until the loop is ended; None: no limit.
        show: shows the state of the loop; it is called where that has changed.

    Raises:
        BringupError: the nodes cannot be brought up, or kept running.
    """
    state: LoopState | None = None
    no_images, interrupted, reason = False, False, ""
    begin = last = time.monotonic()
    try:
        with bring_up as running:
            begin = last = time.monotonic()

            def step() -> bool:
                nonlocal state, last
                if running.state is not None and running.state != state:
                    state, last = running.state, time.monotonic()
                    show(state)
                return ended(running)

            if not running.spin_until(step, timeout):
                reason = f"not ended within {timeout:g} s"
            elif running.out_of_images:
                no_images, reason = True, running.recording_end
    except KeyboardInterrupt:
        interrupted, reason = True, "interrupted"
    fault = no_images or (state is not None and state.state == FAULT)
    if not reason:
        reason = "ended before the loop began" if state is None else state.reason
    return WatchedRun(state, reason, last - begin, interrupted, fault)
