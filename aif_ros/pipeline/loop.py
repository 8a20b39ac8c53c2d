"""The closed loop: capture, fuse, assess, choose the next focus, move (no ROS, no files).

`AllInFocusPipeline` composes the steps, one call for each captured frame; `run_loop` runs it on a
camera and a lens.
"""

from collections.abc import Callable
from dataclasses import dataclass

from aif_ros.control.agent import Action, Agent
from aif_ros.defocus.defocus_map import BlurEstimator
from aif_ros.devices.clock import Clock
from aif_ros.devices.device import Camera, ConnectionLostError, DeviceError, FocusLens
from aif_ros.fusion.fuser import Fuser
from aif_ros.fusion.fusion import Fused
from aif_ros.optics.lens_model import LensModel
from aif_ros.pipeline.assess_step import AssessStep, DefocusMaps
from aif_ros.pipeline.control_step import ControlStep
from aif_ros.pipeline.fuse_step import FuseStep, Fusion
from aif_ros.pipeline.image_change import ImageWatch
from aif_ros.pipeline.left_out import LeftOut
from aif_ros.pipeline.loop_end import LoopEnd
from aif_ros.pipeline.reference_frame import FrameStream, ReferenceFrame
from aif_ros.pipeline.rest_watch import PATIENCE
from aif_ros.pipeline.rig import Rig
from aif_ros.types.frame import Frame, LensState


@dataclass(frozen=True)
class Step:
    """Results of one captured frame.

    Attributes:
        reference: the frame, as captured and without focus breathing.
        fusion: J as of this frame, and whether the frame was merged into it.
        maps: defocus maps of I(t); None if the frame was not assessed.
        fused_maps: defocus maps of J(t); None if J was not assessed.
        action: where to focus next, or to stop; None if nothing was decided on this frame.
    """

    reference: ReferenceFrame
    fusion: Fusion
    maps: DefocusMaps | None
    fused_maps: DefocusMaps | None
    action: Action | None

    @property
    def frame(self) -> Frame:
        """The frame as captured."""
        return self.reference.frame

    @property
    def unused(self) -> str | None:
        """Why the frame was not merged into J; None if it was."""
        return self.fusion.unused

    @property
    def fused(self) -> Fused | None:
        """J as of this frame; None before the first."""
        return self.fusion.fused


class AllInFocusPipeline:
    """Fuses and assesses frames, and decides where to focus next.

    Args:
        lens_model: of the lens in use.
        fuser: holds J.
        estimator: estimates blur.
        agent: picks the next focus.
        dynamic: whether camera or scene may move (see `FuseStep`, `AssessStep`, `ControlStep`).
    """

    def __init__(
        self,
        lens_model: LensModel,
        fuser: Fuser,
        estimator: BlurEstimator,
        agent: Agent,
        *,
        dynamic: bool = False,
    ) -> None:
        self.lens_model = lens_model
        self.dynamic = dynamic
        self._agent = agent
        self._stream = FrameStream(lens_model)
        self._fuse = FuseStep(fuser, lens_model, dynamic=dynamic)
        self._assess = AssessStep(estimator, lens_model, dynamic=dynamic)
        self._control = ControlStep(agent, lens_model, dynamic=dynamic)

    @property
    def fused(self) -> Fused | None:
        """J so far; None before the first frame."""
        return self._fuse.fused

    @property
    def deep(self) -> bool:
        """Whether a frame of J has more than 8 bits."""
        return self._fuse.deep

    @property
    def left_out(self) -> LeftOut:
        """Frames that are not fused because they do not belong to the scene of J."""
        return self._fuse.left_out

    @property
    def frames(self) -> int:
        """Number of frames decided on."""
        return self._control.frames

    def reset(self) -> None:
        """Discard the state: a new scene begins."""
        self._agent.reset()
        self._stream = FrameStream(self.lens_model)
        self._fuse.reset()
        self._assess.reset()
        self._control.begin(self._agent)

    def observe(self, state: LensState) -> None:
        """Add a lens state; decisions are made only once the lens is known to have settled."""
        self._control.observe(state)

    def commanded(self, position: float, now: int) -> None:
        """Note that the lens was sent to `position` (metres) at `now` (nanoseconds)."""
        self._control.commanded(position, now)

    def decide(self) -> Action | None:
        """Decide without a new frame, where the lens has not moved; else None."""
        return self._control.decide()

    def step(self, frame: Frame) -> Step:
        """Take in one captured frame.

        Raises:
            ImageError: the image is unusable; J has not changed.
        """
        reference = self._stream.reference(frame)
        maps = self._assess.frame(reference)
        fusion = self._fuse.add(reference)
        fused_maps = None
        if fusion.image is not None:
            fused_maps = self._assess.fused(fusion.image)
            self._control.add_fused_maps(fused_maps)
        if maps is not None:
            self._control.image_size = frame.size
            self._control.add_frame_maps(maps)
        return Step(reference, fusion, maps, fused_maps, self._control.decide())


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
    camera: Camera,
    lens: FocusLens,
    pipeline: AllInFocusPipeline,
    clock: Clock,
    on_step: Callable[[Step], None] = lambda step: None,
    *,
    max_frames: int = 100,
    exposure_time: float = 0.0,
    settle_timeout: float = 10.0,
    reconnect_timeout: float = 0.0,
    recorded: bool = False,
    on_lost: Callable[[ConnectionLostError], None] = lambda error: None,
) -> LoopResult:
    """Run the loop until the agent stops, `max_frames` decisions are made or a device fails.

    Args:
        camera: captures the images.
        lens: is moved.
        pipeline: fuses and decides; not reset before.
        clock: the devices' clock.
        on_step: called for each captured frame, used or not.
        max_frames: limit of decisions; there is one for each frame, or more where the lens does
            not move.
        exposure_time: of the camera, seconds; used to recognise frames exposed in motion.
        settle_timeout: seconds that a move may take.
        reconnect_timeout: seconds to wait for a device whose connection was lost; the move on
            which it was lost is repeated then.
        recorded: whether the images are the slices of a recorded stack, see `ImageChange`.
        on_lost: called when a connection is lost, before waiting.

    Raises:
        ImageError: the camera's images cannot be used.
    """
    rig = Rig(
        camera,
        lens,
        clock,
        pipeline.lens_model,
        exposure_time=exposure_time,
        settle_timeout=settle_timeout,
    )

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

        return _repeat_while_lost(attempt, clock, reconnect_timeout, on_lost)

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


# Seconds between two attempts to continue after a lost connection; devices try to reconnect at
# most every half second.
_RETRY = 0.1


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
