"""Which frames, and which parts of them, belong to a scene in which nothing moves."""

from collections import deque
from dataclasses import dataclass

from aif_ros.fusion.damage import Damage, DamageWatch, SeenFrame
from aif_ros.fusion.fusion import Fused
from aif_ros.fusion.scene_watch import Scene, SceneWatch
from aif_ros.optics.lens_model import LensModel
from aif_ros.pipeline.frame_merger import FrameMerger
from aif_ros.pipeline.fusion_result import NOTHING, OTHER_SCENE
from aif_ros.pipeline.reference_frame import ReferenceFrame

_MOST_KEPT = 8
"""Frames of other scenes that are kept, in case most of the following ones show the same."""


@dataclass(eq=False)
class _FirstFrame:
    """A frame that was compared with too few others when it was merged."""

    reference: ReferenceFrame
    seen: SeenFrame
    damage: Damage


class StillScene:
    """Merges the frames that show the scene of most, without their damaged parts.

    Args:
        merger: holds J.
        lens_model: of the lens.
    """

    def __init__(self, merger: FrameMerger, lens_model: LensModel) -> None:
        self._merger = merger
        self._lens_model = lens_model
        self._scenes = SceneWatch(lens_model)
        self._others: deque[ReferenceFrame] = deque(maxlen=_MOST_KEPT)
        self._begin_image()

    def _begin_image(self) -> None:
        self._merger.reset()
        self._damage = DamageWatch(self._lens_model)
        self._first: list[_FirstFrame] = []

    def exclude(self, reference: ReferenceFrame) -> str | None:
        """Return why a frame must not be merged; None: it may be.

        J is begun anew where most frames show another scene than it.
        """
        fused = self._merger.fused
        if fused is not None and reference.image.shape != fused.image.shape:
            return None  # the fuser refuses it
        scene = self._scenes.add(reference.image, reference.frame.position)
        if scene is Scene.NOTHING:
            self._merger.leave_out(reference, NOTHING)
            return NOTHING
        if scene is Scene.OTHER:
            self._others.append(reference)
            self._merger.leave_out(reference, OTHER_SCENE)
            return OTHER_SCENE
        if scene in (Scene.NEW, Scene.FIRST):
            others = [each for each in self._others if self._scenes.belongs(each.frame.position)]
            self._others.clear()
            self._merger.drop_merged(NOTHING if scene is Scene.FIRST else OTHER_SCENE)
            self._begin_image()
            for each in others:
                self.merge(each)
        return None

    def merge(self, reference: ReferenceFrame) -> Fused:
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
            self._merger.merge_again((first.reference, first.damage) for first in self._first)
        damage = self._damage.damage(seen)
        fused = self._merger.merge(reference, damage)
        if self._damage.first_frames_judged:
            self._first = []
        else:
            self._first.append(_FirstFrame(reference, seen, damage))
        return fused
