"""`AllInFocusPipeline`: fuse, assess and choose the next focus, for each captured frame.

`run_loop` runs it on a camera and a lens.
"""

from dataclasses import dataclass

from aif_ros.control.agent import Action, Agent
from aif_ros.defocus.defocus_map import BlurEstimator
from aif_ros.fusion.fuser import Fuser
from aif_ros.fusion.fusion import Fused
from aif_ros.optics.lens_model import LensModel
from aif_ros.pipeline.assess_step import AssessStep, DefocusMaps
from aif_ros.pipeline.control_step import ControlStep
from aif_ros.pipeline.fuse_step import FuseStep
from aif_ros.pipeline.fusion_result import Fusion
from aif_ros.pipeline.left_out import LeftOut
from aif_ros.pipeline.reference_frame import FrameStream, ReferenceFrame
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
        bits_per_sample: of the camera, see `FrameStream`.
    """

    def __init__(
        self,
        lens_model: LensModel,
        fuser: Fuser,
        estimator: BlurEstimator,
        agent: Agent,
        *,
        dynamic: bool = False,
        bits_per_sample: int = 0,
    ) -> None:
        self.lens_model = lens_model
        self.dynamic = dynamic
        self._agent = agent
        self._bits_per_sample = bits_per_sample
        self._stream = FrameStream(lens_model, bits_per_sample)
        self._fuse = FuseStep(fuser, lens_model, dynamic=dynamic)
        self._assess = AssessStep(estimator, lens_model, dynamic=dynamic)
        self._control = ControlStep(agent, lens_model, dynamic=dynamic)

    @property
    def fused(self) -> Fused | None:
        """J so far; None before the first frame."""
        return self._fuse.fused

    @property
    def sixteen_bit(self) -> bool:
        """Whether a frame of J has more than 8 bits."""
        return self._fuse.sixteen_bit

    @property
    def left_out(self) -> LeftOut:
        """Frames that are not fused, or fused in part, because they do not show the scene of J."""
        return self._fuse.left_out

    @property
    def frames(self) -> int:
        """Number of frames decided on."""
        return self._control.frames

    def reset(self) -> None:
        """Discard the state: a new scene begins."""
        self._agent.reset()
        self._stream = FrameStream(self.lens_model, self._bits_per_sample)
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
