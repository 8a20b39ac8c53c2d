"""Runs the closed loop on a camera and a lens: capture, step, move (no ROS, no files)."""

from collections.abc import Callable
from dataclasses import dataclass

from aif_ros.control.agent import Action
from aif_ros.devices.clock import Clock
from aif_ros.devices.device import ConnectionLostError, DeviceError
from aif_ros.pipeline.image_change import ImageWatch
from aif_ros.pipeline.loop import AllInFocusPipeline, Step
from aif_ros.pipeline.loop_end import LoopEnd
from aif_ros.pipeline.rest_watch import PATIENCE
from aif_ros.pipeline.rig import Rig

# Seconds between two attempts to continue after a lost connection; devices try to reconnect at
# most every half second.
_RETRY = 0.1


@dataclass(frozen=True)
class LoopResult:
    """How a loop ended. The fused image remains in the pipeline in any case.

    Attributes:
        frames: frames decided on.
        reason: why it ended, for people.
        stopped: whether the agent ended it, having nothing more to gain.
        fault: the device's error that ended it, if one did.
        doubt: why the images leave open whether the lens moves, for people; empty: they do not.
    """

    frames: int
    reason: str
    stopped: bool = False
    fault: DeviceError | None = None
    doubt: str = ""


def run_loop(
    rig: Rig,
    pipeline: AllInFocusPipeline,
    on_step: Callable[[Step], None] = lambda step: None,
    *,
    max_frames: int = 100,
    reconnect_timeout: float = 0.0,
    recorded: bool = False,
    on_lost: Callable[[ConnectionLostError], None] = lambda error: None,
) -> LoopResult:
    """Run the loop until the agent stops, `max_frames` decisions are made or a device fails.

    Args:
        rig: camera and lens.
        pipeline: fuses and decides; not reset before.
        on_step: called for each captured frame, used or not.
        max_frames: limit of decisions; there is one for each frame, or more where the lens does
            not move.
        reconnect_timeout: seconds to wait for a device whose connection was lost; the move on
            which it was lost is repeated then.
        recorded: whether the images are the slices of a recorded stack, see `ImageChange`.
        on_lost: called when a connection is lost, before waiting.

    Raises:
        ImageError: the camera's images cannot be used.
    """
    watch = ImageWatch(pipeline.lens_model, recorded=recorded)

    def seen(step: Step) -> None:
        on_step(step)
        if step.maps is not None:
            watch.add(step.frame, dynamic=pipeline.dynamic)

    def advance(target: float | None) -> Action:
        def attempt() -> Action:
            if target is not None:
                pipeline.commanded(target, rig.send(target))
            return _next_action(rig, pipeline, seen)

        return _repeat_while_lost(attempt, rig.clock, reconnect_timeout, on_lost)

    try:
        with rig.observed_by(pipeline.observe):
            action = advance(None)
            for _ in range(max_frames - 1):
                if action.position is None:
                    return _result(pipeline.frames, watch, action.reason, stopped=True)
                action = advance(action.position)
        reason = f"limit of {max_frames} frames reached"
        return _result(pipeline.frames, watch, reason, stopped=False)
    except DeviceError as fault:
        return LoopResult(pipeline.frames, str(fault), fault=fault)


def _result(frames: int, watch: ImageWatch, reason: str, *, stopped: bool) -> LoopResult:
    """Return how a loop has ended that no device has ended."""
    end = LoopEnd.of(reason, watch.fault)
    if end.fault:
        return LoopResult(frames, end.reason, fault=DeviceError(end.reason))
    return LoopResult(frames, end.reason, stopped=stopped, doubt=watch.doubt)


def _repeat_while_lost(
    advance: Callable[[], Action],
    clock: Clock,
    timeout: float,
    on_lost: Callable[[ConnectionLostError], None],
) -> Action:
    """Call `advance` again while a device is disconnected, for at most `timeout` seconds."""
    deadline: int | None = None
    while True:
        try:
            return advance()
        except ConnectionLostError as lost:
            if deadline is None:
                deadline = clock.now() + round(timeout * 1e9)
                on_lost(lost)
            if clock.now() > deadline:
                raise
            clock.sleep(_RETRY)


def _next_action(rig: Rig, pipeline: AllInFocusPipeline, on_step: Callable[[Step], None]) -> Action:
    """Capture until a frame leads to an action: in a dynamic scene also while the lens moves."""
    if pipeline.dynamic:
        for frame in rig.frames_until_settled():
            step = pipeline.step(frame)
            on_step(step)
            # The lens may have settled during the capture.
            if step.action is not None:
                return step.action
    rig.settle()
    action = pipeline.decide()
    if action is not None:
        return action
    for _ in range(PATIENCE):
        step = pipeline.step(rig.frame())
        on_step(step)
        if step.action is not None:
            return step.action
    raise DeviceError(f"{PATIENCE} frames in a row could not be used, the last: {step.unused}")
