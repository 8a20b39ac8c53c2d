"""Parts of the frames of a still scene that do not show it, found one frame after the other.

Lost rows (see `lost_lines`), or something that covers the scene for a moment, such as a hand (see
`misfit`). Each frame is compared with those before it; the first ones also with those after it.
"""

from collections import deque
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aif_ros.fusion.lost_lines import FrameLines, LostLines, lost_lines
from aif_ros.fusion.motion.misfit import SIDE, Mask, misfit_beside
from aif_ros.optics.lens_model import LensModel
from aif_ros.types.image import Image, to_gray
from aif_ros.types.resizing import downscale_to_side

_KEPT = 8
"""Frames that new ones are compared with: the latest; ..."""
_NEAREST = 4
"""... of these, those from the nearest lens positions."""
JUDGED = 3
"""Frames after which the first ones have been compared with enough others."""


@dataclass(frozen=True, eq=False)
class SeenFrame:
    """What is kept of a frame.

    Attributes:
        position: its lens position, metres.
        lines: of the frame as captured.
        copy: (h, w) of the frame without focus breathing, about `SIDE` pixels.
        width: of the frame, pixels.
    """

    position: float
    lines: FrameLines
    copy: Image
    width: int


@dataclass(frozen=True)
class Damage:
    """Parts of a frame that do not show the scene.

    Attributes:
        lost: rows and columns of the frame as captured.
        covered: (h, w), of a copy of the frame without focus breathing; None: nothing.
    """

    lost: LostLines
    covered: Mask | None

    def __bool__(self) -> bool:
        return bool(self.lost) or self.covered is not None

    def same_parts(self, other: "Damage") -> bool:
        """Whether another judgement of the same frame found the same parts."""
        if (self.covered is None) != (other.covered is None):
            return False
        pairs = [(self.lost.rows, other.lost.rows), (self.lost.columns, other.lost.columns)]
        if self.covered is not None and other.covered is not None:
            pairs.append((self.covered, other.covered))
        return all(np.array_equal(first, second) for first, second in pairs)


class DamageWatch:
    """Keeps small copies of the latest frames and compares frames with them.

    Args:
        lens_model: of the lens: how much blur differs between two positions.
    """

    def __init__(self, lens_model: LensModel) -> None:
        self._lens_model = lens_model
        self._seen: deque[SeenFrame] = deque(maxlen=_KEPT)
        self.frames = 0
        """Number of frames so far."""

    def add(
        self, pixels: NDArray[Any], image: Image, position: float, scale: float | None
    ) -> SeenFrame:
        """Take in a frame.

        Args:
            pixels: (H, W) or (H, W, 3), as captured.
            image: the same without focus breathing, float32 in [0, 1].
            position: its lens position, metres.
            scale: full scale of `pixels`; None: that of their type.
        """
        copy = to_gray(downscale_to_side(image, SIDE))
        seen = SeenFrame(position, FrameLines.of(pixels, scale), copy, image.shape[1])
        self._seen.append(seen)
        self.frames += 1
        return seen

    def damage(self, frame: SeenFrame) -> Damage:
        """Find the parts of a frame that do not show what the others do."""
        others = [
            other
            for other in sorted(self._seen, key=lambda other: abs(other.position - frame.position))
            if other is not frame and other.copy.shape == frame.copy.shape
        ][:_NEAREST]
        lost = lost_lines(frame.lines, [other.lines for other in others])
        held = [_held(frame, lost), *(np.ones(other.copy.shape, np.bool_) for other in others)]
        travel = max((abs(other.position - frame.position) for other in others), default=0.0)
        radius = self._lens_model.blur_gain(frame.width) * travel
        blur = radius * frame.copy.shape[1] / frame.width
        return Damage(lost, misfit_beside(frame.copy, [other.copy for other in others], held, blur))


def _held(frame: SeenFrame, lost: LostLines) -> Mask:
    """Where the copy of a frame shows none of the lost lines."""
    if not lost:
        return np.ones(frame.copy.shape, np.bool_)
    height, width = frame.copy.shape
    return ~lost.reduced((width, height))
