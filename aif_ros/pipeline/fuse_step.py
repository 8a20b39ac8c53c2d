"""FuseStep: one frame into the fused image J."""

from aif_ros.fusion.fuser import Fuser
from aif_ros.fusion.fusion import Fused
from aif_ros.optics.lens_model import LensModel
from aif_ros.pipeline.clock_jump import StampOrder, jumped_back
from aif_ros.pipeline.frame_merger import FrameMerger
from aif_ros.pipeline.frame_use import FrameUse, frame_use
from aif_ros.pipeline.fusion_result import IN_MOTION, REPEATED, FusedImage, Fusion
from aif_ros.pipeline.left_out import LeftOut
from aif_ros.pipeline.reference_frame import ReferenceFrame
from aif_ros.pipeline.still_scene import StillScene
from aif_ros.types.frame import Frame


class FuseStep:
    """Selects the frames to merge into J, and merges them.

    Args:
        fuser: holds J.
        lens_model: of the lens.
        dynamic: whether camera or scene may move. In a static scene a further frame at the lens
            position of the last merged one adds nothing and is not merged, nor is one that shows
            another scene than most (see `SceneWatch`), or nothing; nor are parts of a frame that
            are damaged or covered (see `DamageWatch`). In a dynamic one J also follows the scene in
            frames that are not merged because the lens moved.
    """

    def __init__(self, fuser: Fuser, lens_model: LensModel, *, dynamic: bool) -> None:
        self._fuser = fuser
        self._lens_model = lens_model
        self._dynamic = dynamic
        self.epoch = 0
        """Number of images J so far for which earlier decisions do not count, the current one
        included. J that is begun again from frames of another scene is not counted."""
        self.started: int | None = None
        """No frame of J was exposed before this time, nanoseconds; None: not known."""
        self.reset()

    @property
    def fused(self) -> Fused | None:
        """J so far; None before the first frame."""
        return self._fuser.fused

    @property
    def sixteen_bit(self) -> bool:
        """Whether a frame of J has more than 8 bits."""
        return self._merger.sixteen_bit

    @property
    def left_out(self) -> LeftOut:
        """Frames that are not fused because they do not belong to the scene of J.

        Each lens position counts once, as its newest frame shows. Where a change of the scene drops
        frames from J, these count, too.
        """
        return self._merger.left_out

    def reset(self, not_before: int | None = None) -> None:
        """Begin a new J.

        Args:
            not_before: frames exposed before this time (nanoseconds) are not merged into it.
        """
        self._not_before = self.started = not_before
        self._order = StampOrder()
        self._begin()

    def _begin(self) -> None:
        self.epoch += 1
        self._merger = FrameMerger(self._fuser, self._lens_model)
        self._scene = None if self._dynamic else StillScene(self._merger, self._lens_model)
        self._last: Frame | None = None

    def add(self, reference: ReferenceFrame) -> Fusion:
        """Take in a frame; its stamp must be newer, unless the clock has jumped back.

        A new J is started where the full scale of the frames turns out to be higher than assumed.

        Raises:
            ImageError: the image is unusable, or its shape differs from J's; nothing has changed.
        """
        frame = reference.frame
        begin = self._not_before
        if begin is not None and frame.stamp <= begin and not jumped_back(begin, frame.stamp):
            return self._unused("exposed before the new image was started")
        if not self._order.accept(frame.stamp):
            return self._unused("not newer than the frame before")
        use = frame_use(frame, self._lens_model, dynamic=self._dynamic)
        if use is FrameUse.REJECT:
            return self._unused(IN_MOTION)
        if self._repeats(frame):
            return self._unused(REPEATED)
        scale = reference.sixteen_bit_scale
        if scale is not None and self._merger.scale not in (None, scale):
            self._begin()
            self.started = frame.stamp
        if use is FrameUse.FOLLOW:
            followed = self._fuser.follow(reference.image, frame.position)
            image = None if followed is None else self._image(followed, frame)
            return Fusion(followed, IN_MOTION, image, self.left_out)
        return self._merge(reference)

    def _merge(self, reference: ReferenceFrame) -> Fusion:
        """Merge a frame, if it shows the scene. Where J is begun anew, earlier decisions remain."""
        frame = reference.frame
        outside = None if self._scene is None else self._scene.exclude(reference)
        if outside is not None and self.fused is not None:
            self._last = frame
            return Fusion(self.fused, outside, self._image(self.fused, frame), self.left_out)
        merger = self._scene or self._merger
        fused = merger.merge(reference)
        self._last = frame
        return Fusion(fused, None, self._image(fused, frame), self.left_out)

    def _image(self, fused: Fused, frame: Frame) -> FusedImage:
        return FusedImage.of(fused, frame.stamp, sixteen_bit=self.sixteen_bit)

    def _unused(self, reason: str) -> Fusion:
        return Fusion(self.fused, reason, None, self.left_out)

    def _repeats(self, frame: Frame) -> bool:
        if self._dynamic or self._last is None:
            return False
        if frame.image.shape != self._last.image.shape:
            return False
        return self._lens_model.same_position(frame.position, self._last.position, frame.size[0])
