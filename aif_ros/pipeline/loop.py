"""The closed loop: capture, fuse, assess, choose the next focus, move (no ROS, no files).

`AllInFocusPipeline` is the thinking part, one call for each captured frame; `run_loop` gives it
a camera and a lens.
"""

from collections.abc import Callable
from dataclasses import dataclass

from aif_ros.control.agent import Action, Agent, Observation
from aif_ros.defocus.defocus_map import BlurEstimator, DefocusMap
from aif_ros.devices.clock import Clock
from aif_ros.devices.device import Camera, DeviceError, FocusLens
from aif_ros.fusion.fuser import Fuser
from aif_ros.fusion.fusion import Fused
from aif_ros.optics.breathing import remove_breathing
from aif_ros.optics.lens_model import LensModel
from aif_ros.pipeline.rig import Rig
from aif_ros.types.frame import Frame
from aif_ros.types.image import Image, to_float


@dataclass(frozen=True)
class Assessment:
    """What one frame has led to.

    Attributes:
        image: I(t) without breathing, float32 in [0, 1].
        fused: J(t).
        frame_blur: blur over I(t).
        fused_blur: blur over J(t).
        action: where to focus next, or to stop.
    """

    image: Image
    fused: Fused
    frame_blur: DefocusMap
    fused_blur: DefocusMap
    action: Action


@dataclass(frozen=True)
class Step:
    """What became of one captured frame.

    Attributes:
        frame: the frame as captured.
        unused: why it was not fused; None if it was.
        result: what it has led to; None if nothing is decided on it.
        fused: J as of this frame; None before the first.
    """

    frame: Frame
    unused: str | None
    result: Assessment | None
    fused: Fused | None


def usable_on_the_way(frame: Frame, lens_model: LensModel) -> bool:
    """Whether a frame shows hardly that the lens moved: by no more than the depth of field."""
    return frame.travel <= lens_model.half_depth_of_focus(frame.size[0])


class AllInFocusPipeline:
    """Fuses frames and decides where to focus next.

    Args:
        lens_model: of the lens in use.
        fuser: holds J.
        estimator: tells blur from an image.
        agent: picks the next focus.
        still_scene: whether the scene holds still: then a further frame at the lens position of
            the last fused one has nothing to add and is not fused. Else J follows the scene also
            in frames that are not fused because the lens moved.
    """

    def __init__(
        self,
        lens_model: LensModel,
        fuser: Fuser,
        estimator: BlurEstimator,
        agent: Agent,
        *,
        still_scene: bool = True,
    ) -> None:
        self._lens_model = lens_model
        self._fuser = fuser
        self._estimator = estimator
        self._agent = agent
        self.still_scene = still_scene
        self._newest: Frame | None = None
        self._last: Step | None = None
        self._passed: list[Observation] = []

    @property
    def lens_model(self) -> LensModel:
        """The lens in use."""
        return self._lens_model

    @property
    def fused(self) -> Fused | None:
        """J so far; None before the first frame."""
        return self._fuser.fused

    def reset(self) -> None:
        """Forget everything: a new scene begins."""
        self._fuser.reset()
        self._agent.reset()
        self._newest = self._last = None
        self._passed.clear()

    def step(self, frame: Frame) -> Step:
        """Take in one captured frame.

        Raises:
            ImageError: the image is unusable; nothing has changed.
        """
        image = to_float(frame.image)
        unused = self._unusable(frame)
        if unused is not None:
            return Step(frame, unused, None, self.fused)
        scale = self._lens_model.breathing_scale(self._lens_model.within_limits(frame.position))
        image = remove_breathing(image, scale)
        if frame.moving:
            return self._on_the_way(frame, image)
        frame_blur = self._estimator.estimate(image)
        if self._repeats_last(frame):
            assert self._last is not None and self._last.result is not None
            unused = "at the lens position of the frame before"
            fused, fused_blur = self._last.result.fused, self._last.result.fused_blur
        else:
            fused = self._fuser.add(image, frame.position)
            fused_blur = self._estimator.estimate(fused.image)
        passed, self._passed = tuple(self._passed), []
        # The agent is asked in either case: it must learn that the lens did not follow.
        action = self._agent.act(
            Observation(
                frame_blur, fused_blur, fused.source_position, frame.position, frame.stamp, passed
            )
        )
        step = Step(frame, unused, Assessment(image, fused, frame_blur, fused_blur, action), fused)
        self._newest, self._last = frame, step
        return step

    def _on_the_way(self, frame: Frame, image: Image) -> Step:
        """Take in a frame during whose exposure the lens moved; nothing is decided on it."""
        if self.still_scene or not usable_on_the_way(frame, self._lens_model):
            fused = self.fused if self.still_scene else self._fuser.follow(image, frame.position)
            step = Step(frame, "the lens moved during the exposure", None, fused)
        else:
            blur = self._estimator.estimate(image)
            fused = self._fuser.add(image, frame.position)
            fused_blur = self._estimator.estimate(fused.image)
            self._passed.append(
                Observation(blur, fused_blur, fused.source_position, frame.position, frame.stamp)
            )
            step = Step(frame, None, None, fused)
        self._newest = frame
        return step

    def _unusable(self, frame: Frame) -> str | None:
        if self._newest is None:
            return None
        if frame.image.shape != self._newest.image.shape:
            return f"shape {frame.image.shape} differs from the frames before"
        if frame.stamp <= self._newest.stamp:
            return "not newer than the frame before"
        return None

    def _repeats_last(self, frame: Frame) -> bool:
        if self._last is None or not self.still_scene:
            return False
        # The reports of a resting lens jitter, and captures this close gain nothing.
        jitter = 0.25 * self._lens_model.half_depth_of_focus(frame.size[0])
        return abs(frame.position - self._last.frame.position) <= jitter


@dataclass(frozen=True)
class LoopResult:
    """How a loop ended. What was fused is in the pipeline in any case.

    Attributes:
        frames: frames captured with the lens at rest.
        reason: why it ended, for people.
        stopped: whether the agent ended it, having nothing more to gain.
        fault: the device's error that ended it, if one did.
    """

    frames: int
    reason: str
    stopped: bool = False
    fault: DeviceError | None = None


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
) -> LoopResult:
    """Run the loop until the agent stops, `max_frames` are captured or a device fails.

    Args:
        camera: takes the pictures.
        lens: is moved.
        pipeline: fuses and decides; not reset before.
        clock: the devices' clock.
        on_step: called for each captured frame, used or not.
        max_frames: limit of captured frames.
        exposure_time: of the camera, seconds; frames exposed in motion are known by it.
        settle_timeout: seconds that a move may take.

    Raises:
        ImageError: the camera's pictures cannot be worked with.
    """
    rig = Rig(camera, lens, clock, exposure_time=exposure_time, settle_timeout=settle_timeout)
    frames = 0
    try:
        while True:
            action = _next_action(rig, pipeline, on_step)
            frames += 1
            if action.position is None:
                return LoopResult(frames, action.reason, stopped=True)
            if frames >= max_frames:
                return LoopResult(frames, f"limit of {max_frames} frames reached")
            lens.move_to(action.position)
    except DeviceError as fault:
        return LoopResult(frames, str(fault), fault=fault)


# So many frames in a row may be useless before the loop gives up.
_PATIENCE = 10


def _next_action(rig: Rig, pipeline: AllInFocusPipeline, on_step: Callable[[Step], None]) -> Action:
    """Capture, with the lens at rest, until a frame leads to an action."""
    if not pipeline.still_scene:
        for frame in rig.frames_until_rest():
            step = pipeline.step(frame)
            on_step(step)
            # The lens may have come to rest while the camera was waited for.
            if step.result is not None:
                return step.result.action
    rig.settle()
    for _ in range(_PATIENCE):
        step = pipeline.step(rig.frame())
        on_step(step)
        if step.result is not None:
            return step.result.action
    raise DeviceError(f"{_PATIENCE} frames in a row could not be used, the last: {step.unused}")
