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
from aif_ros.types.frame import Frame

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
    devices = _WatchedDevices(rig, pipeline, watch, on_step)

    def advance(target: float | None) -> Action:
        return _repeat_while_lost(
            lambda: devices.advance(target), rig.clock, reconnect_timeout, on_lost
        )

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


class _WatchedDevices:
    """Camera and lens of a loop, and what watches that the images change with the lens position.

    Args:
        rig: camera and lens.
        pipeline: gets the frames.
        watch: sees the frames that are assessed.
        on_step: see `run_loop`.
    """

    def __init__(
        self,
        rig: Rig,
        pipeline: AllInFocusPipeline,
        watch: ImageWatch,
        on_step: Callable[[Step], None],
    ) -> None:
        self._rig, self._pipeline = rig, pipeline
        self._watch, self._on_step = watch, on_step

    def advance(self, target: float | None) -> Action:
        """Move the lens and capture until a frame leads to an action.

        In a dynamic scene frames are captured also while the lens moves.

        Args:
            target: lens position, metres; None: where the lens is.

        Raises:
            DeviceError: a device fails, or no frame can be used.
        """
        rig, pipeline = self._rig, self._pipeline
        if target is not None:
            pipeline.commanded(target, rig.send(target))
        if pipeline.dynamic:
            for frame in rig.frames_until_settled():
                # The lens may have settled during the capture.
                if (action := self._step(frame).action) is not None:
                    return action
        rig.settle()
        if (action := pipeline.decide()) is not None:
            return action
        for _ in range(PATIENCE):
            step = self._step(rig.frame())
            if step.action is not None:
                return step.action
        raise DeviceError(f"{PATIENCE} frames in a row could not be used, the last: {step.unused}")

    def _step(self, frame: Frame) -> Step:
        step = self._pipeline.step(frame)
        self._on_step(step)
        if step.maps is not None:
            self._watch.add(step.frame, dynamic=self._pipeline.dynamic)
        return step


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
