"""Merging frames into J, and which frames are in it."""

from collections import deque
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from aif_ros.fusion.damage import Damage
from aif_ros.fusion.fuser import Fuser
from aif_ros.fusion.fusion import Fused
from aif_ros.optics.lens_model import LensModel
from aif_ros.pipeline.left_out import LeftOut
from aif_ros.pipeline.reference_frame import ReferenceFrame
from aif_ros.types.frame import Frame
from aif_ros.types.resizing import resize_mask

_MOST_POSITIONS = 64
"""Lens positions of merged frames that are kept: as many as `SceneWatch` keeps."""


class FrameMerger:
    """Merges frames into J, and records which are left out of it.

    Args:
        fuser: holds J.
        lens_model: of the lens: which frames are of one lens position.
    """

    def __init__(self, fuser: Fuser, lens_model: LensModel) -> None:
        self._fuser = fuser
        self._lens_model = lens_model
        self._reasons: dict[float, str] = {}
        self.scale: float | None = None
        """Full scale of the merged frames of 16 bits; None: there are none."""
        self.reset()

    def reset(self) -> None:
        """Begin a new J; frames that have been left out remain so."""
        self._fuser.reset()
        self._positions: deque[float] = deque(maxlen=_MOST_POSITIONS)
        self._damaged: list[float] = []
        self.sixteen_bit = False
        """Whether a frame of J has more than 8 bits."""

    @property
    def fused(self) -> Fused | None:
        """J so far; None before the first frame."""
        return self._fuser.fused

    @property
    def left_out(self) -> LeftOut:
        """Frames that are not in J, all of them or in part.

        A frame that is in J replaces those of its lens position.
        """
        return LeftOut.of(self._reasons, self._damaged)

    def merge(self, reference: ReferenceFrame, damage: Damage | None = None) -> Fused:
        """Merge a frame, except for its damaged parts.

        Raises:
            ImageError: the image is unusable, or its shape differs from J's; nothing has changed.
        """
        frame = reference.frame
        valid = ~_damaged_parts(reference, damage) if damage else None
        fused = self._fuser.add(reference.image, frame.position, valid)
        self._positions.append(frame.position)
        if damage:
            self._forget_reasons(frame)
            self._damaged.append(frame.position)
        else:
            self._replace(frame)
        self.scale = reference.sixteen_bit_scale or self.scale
        self.sixteen_bit = self.sixteen_bit or frame.image.dtype != np.uint8
        return fused

    def merge_again(self, frames: Iterable[tuple[ReferenceFrame, Damage]]) -> None:
        """Begin J anew with frames that were in it, and what is damaged in them."""
        self._fuser.reset()
        self._damaged = []
        for reference, damage in frames:
            self.merge(reference, damage)

    def leave_out(self, reference: ReferenceFrame, reason: str) -> None:
        """Record that a frame is not merged."""
        self._replace(reference.frame)
        self._reasons[reference.frame.position] = reason

    def drop_merged(self, reason: str) -> None:
        """Record that the frames merged so far are not in the next J."""
        self._reasons.update(dict.fromkeys(self._positions, reason))

    def _replace(self, frame: Frame) -> None:
        """Forget that an earlier frame of that lens position was left out, all of it or in part."""
        self._forget_reasons(frame)
        self._damaged = [each for each in self._damaged if not self._same_position(each, frame)]

    def _forget_reasons(self, frame: Frame) -> None:
        """Forget that an earlier frame of that lens position was left out, all of it."""
        for position in list(self._reasons):
            if self._same_position(position, frame):
                del self._reasons[position]

    def _same_position(self, position: float, frame: Frame) -> bool:
        return self._lens_model.same_position(position, frame.position, frame.size[0])


def _damaged_parts(reference: ReferenceFrame, damage: Damage) -> NDArray[np.bool_]:
    """(H, W) of the frame without focus breathing, where it does not show the scene."""
    damaged = reference.without_breathing(damage.lost.mask)
    if damage.covered is not None:
        damaged |= resize_mask(damage.covered, damaged.shape)
    return damaged
