"""FuseStep: one frame into the fused image J."""

from collections import deque
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aif_ros.fusion.damage import Damage, DamageWatch, SeenFrame
from aif_ros.fusion.fuser import Fuser
from aif_ros.fusion.fusion import Fused
from aif_ros.fusion.scene_watch import Scene, SceneWatch
from aif_ros.optics.lens_model import LensModel
from aif_ros.pipeline.clock_jump import StampOrder, jumped_back
from aif_ros.pipeline.frame_use import FrameUse, frame_use
from aif_ros.pipeline.left_out import LeftOut
from aif_ros.pipeline.reference_frame import ReferenceFrame
from aif_ros.types.frame import Frame
from aif_ros.types.image import to_uint8, to_uint16
from aif_ros.types.resizing import resize_mask

IN_MOTION = "the lens moved during the exposure"
REPEATED = "at the lens position of the frame before"
OTHER_SCENE = "it shows another scene than the other frames"
NOTHING = "it shows nothing: it is black, white, of one colour, or noise"

# Frames of other scenes that are kept, in case most of the following ones show the same.
_MOST_KEPT = 8
# Lens positions of merged frames that are kept: as many as `SceneWatch` keeps.
_MOST_POSITIONS = 64

# Focus control samples the source positions of J at every fifth pixel: at least six points along
# each side of an estimator's cell of 32 px.
_SAMPLES = slice(2, None, 5)


@dataclass(frozen=True)
class FusedImage:
    """J as it leaves the step, to be published and assessed.

    Attributes:
        image: (H, W) or (H, W, 3), uint8, or uint16 of its whole range.
        source_samples: (h, w) float32, source positions of evenly spread pixels, metres.
        stamp: of the frame that it is as of, nanoseconds.
    """

    image: NDArray[Any]
    source_samples: NDArray[np.float32]
    stamp: int

    @classmethod
    def of(cls, fused: Fused, stamp: int, *, sixteen_bit: bool) -> "FusedImage":
        """Return J as of the frame of that stamp, in 16 bits if `sixteen_bit`, else in 8.

        Args:
            fused: J.
            stamp: time of the newest frame in it, nanoseconds.
            sixteen_bit: whether a frame of J has more than 8 bits.
        """
        image = to_uint16(fused.image) if sixteen_bit else to_uint8(fused.image)
        samples = np.ascontiguousarray(fused.source_position[_SAMPLES, _SAMPLES])
        return cls(image, samples, stamp)


@dataclass(frozen=True)
class Fusion:
    """Effect of one frame on J.

    Attributes:
        fused: J as of this frame; None before the first.
        unused: why the frame was not merged into J; None if it was.
        image: J if it has changed, by the merge or because it has moved along with the scene, or if
            the frame from this lens position does not belong to its scene: it is published and
            assessed then, and only then. Else None.
        left_out: the frames until now that are not fused because they do not belong to its scene.
    """

    fused: Fused | None
    unused: str | None
    image: FusedImage | None
    left_out: LeftOut = field(default_factory=LeftOut)

    @property
    def outside_scene(self) -> bool:
        """Whether the frame was not merged because it shows another scene, or nothing."""
        return self.unused in (OTHER_SCENE, NOTHING)


@dataclass(eq=False)
class _FirstFrame:
    """A frame that was compared with too few others when it was merged."""

    reference: ReferenceFrame
    seen: SeenFrame
    damage: Damage


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
        return self._sixteen_bit

    @property
    def left_out(self) -> LeftOut:
        """Frames that are not fused because they do not belong to the scene of J.

        Each lens position counts once, as its newest frame shows. Where a change of the scene drops
        frames from J, these count, too.
        """
        return LeftOut.of(self._left_out, self._damaged)

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
        self._scenes = SceneWatch(self._lens_model)
        self._others: deque[ReferenceFrame] = deque(maxlen=_MOST_KEPT)
        self._left_out: dict[float, str] = {}
        self._scale: float | None = None
        self._begin_image()

    def _begin_image(self) -> None:
        self._fuser.reset()
        self._merged: deque[float] = deque(maxlen=_MOST_POSITIONS)
        self._taken: Frame | None = None
        self._sixteen_bit = False
        self._damage = DamageWatch(self._lens_model)
        self._first: list[_FirstFrame] = []
        self._damaged: list[float] = []

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
        scale = reference.deep_scale
        if scale is not None and self._scale not in (None, scale):
            self._begin()
            self.started = frame.stamp
        if use is FrameUse.FOLLOW:
            followed = self._fuser.follow(reference.image, frame.position)
            image = None if followed is None else self._image(followed, frame)
            return Fusion(followed, IN_MOTION, image, self.left_out)
        outside = None if self._dynamic else self._outside_scene(reference)
        if outside is not None and self.fused is not None:
            self._taken = frame
            return Fusion(self.fused, outside, self._image(self.fused, frame), self.left_out)
        fused = self._merge(reference) if self._dynamic else self._merge_fitting(reference)
        return Fusion(fused, None, self._image(fused, frame), self.left_out)

    def _merge(self, reference: ReferenceFrame, damage: Damage | None = None) -> Fused:
        frame = reference.frame
        valid = ~_damaged_parts(reference, damage) if damage else None
        fused = self._fuser.add(reference.image, frame.position, valid)
        self._merged.append(frame.position)
        self._include(frame)
        if damage:
            self._damaged.append(frame.position)
        self._taken, self._scale = frame, reference.deep_scale or self._scale
        self._sixteen_bit = self._sixteen_bit or frame.image.dtype != np.uint8
        return fused

    def _merge_fitting(self, reference: ReferenceFrame) -> Fused:
        """Merge what shows the scene in a frame.

        The first frames are compared again with those after them. Where that finds other damage
        than before, J is fused again.
        """
        frame = reference.frame
        seen = self._damage.add(frame.image, reference.image, frame.position, reference.scale)
        again = False
        for first in self._first:
            damage = self._damage.damage(first.seen)
            again = again or not damage.same_parts(first.damage)
            first.damage = damage
        if again:
            self._fuser.reset()
            for first in self._first:
                self._merge(first.reference, first.damage)
        damage = self._damage.damage(seen)
        fused = self._merge(reference, damage)
        if self._damage.first_frames_judged:
            self._first = []
        else:
            self._first.append(_FirstFrame(reference, seen, damage))
        return fused

    def _outside_scene(self, reference: ReferenceFrame) -> str | None:
        """Return why a frame must not be merged; begin J anew where most frames show another scene.

        That is no new epoch: decisions on the frames so far remain.
        """
        if self.fused is not None and reference.image.shape != self.fused.image.shape:
            return None  # the fuser refuses it
        scene = self._scenes.add(reference.image, reference.frame.position)
        if scene is Scene.NOTHING:
            return self._leave_out(reference, NOTHING)
        if scene is Scene.OTHER:
            self._others.append(reference)
            return self._leave_out(reference, OTHER_SCENE)
        if scene in (Scene.NEW, Scene.FIRST):
            others = [each for each in self._others if self._scenes.belongs(each.frame.position)]
            self._others.clear()
            dropped = NOTHING if scene is Scene.FIRST else OTHER_SCENE
            self._left_out.update(dict.fromkeys(self._merged, dropped))
            self._begin_image()
            for each in others:
                self._merge_fitting(each)
        return None

    def _leave_out(self, reference: ReferenceFrame, reason: str) -> str:
        self._include(reference.frame)
        self._left_out[reference.frame.position] = reason
        return reason

    def _include(self, frame: Frame) -> None:
        """Forget that an earlier frame of that lens position was left out, all of it or in part."""

        def same(position: float) -> bool:
            return self._lens_model.same_position(position, frame.position, frame.size[0])

        for position in filter(same, list(self._left_out)):
            del self._left_out[position]
        self._damaged = [position for position in self._damaged if not same(position)]

    def _image(self, fused: Fused, frame: Frame) -> FusedImage:
        return FusedImage.of(fused, frame.stamp, sixteen_bit=self.sixteen_bit)

    def _unused(self, reason: str) -> Fusion:
        return Fusion(self.fused, reason, None, self.left_out)

    def _repeats(self, frame: Frame) -> bool:
        if self._dynamic or self._taken is None:
            return False
        if frame.image.shape != self._taken.image.shape:
            return False
        return self._lens_model.same_position(frame.position, self._taken.position, frame.size[0])


def _damaged_parts(reference: ReferenceFrame, damage: Damage) -> NDArray[np.bool_]:
    """(H, W) of the frame without focus breathing, where it does not show the scene."""
    damaged = reference.without_breathing(damage.lost.mask)
    if damage.covered is not None:
        damaged |= resize_mask(damage.covered, damaged.shape)
    return damaged
