"""Parts of the frames of a still scene that do not show it, found one frame after the other.

Lost rows (see `lost_lines`), or something that covers the scene for a moment, such as a hand (see
`photo_consistency`). Each frame is compared with those before it; the first ones also with those
after it.
"""

from collections import deque
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aif_ros.fusion.line_profile import FrameLines
from aif_ros.fusion.lost_lines import LostLines, lost_lines
from aif_ros.fusion.motion.photo_consistency import SIDE, Mask, inconsistent_with
from aif_ros.optics.lens_model import LensModel
from aif_ros.types.image import Image, to_gray
from aif_ros.types.resizing import downscale_to_side


@dataclass(frozen=True)
class DamageSettings:
    """With how many frames a frame is compared.

    Chosen by hand: a median needs a few frames, and those from near lens positions are blurred
    alike.

    Attributes:
        kept: frames that new ones are compared with: the latest; ...
        nearest: ... of these, those from the nearest lens positions.
        judged: frames after which the first ones have been compared with enough others.
    """

    kept: int = 8
    nearest: int = 4
    judged: int = 3


_SETTINGS = DamageSettings()


@dataclass(frozen=True, eq=False)
class SeenFrame:
    """What is kept of a frame.

    Attributes:
        position: its lens position, metres.
        lines: of the frame as captured.
        thumbnail: (h, w) of the frame without focus breathing, `SIDE` pixels wide at most.
        width: of the frame, pixels.
    """

    position: float
    lines: FrameLines
    thumbnail: Image
    width: int


@dataclass(frozen=True)
class Damage:
    """Parts of a frame that do not show the scene.

    Attributes:
        lost: rows and columns of the frame as captured.
        covered: (h, w), of the thumbnail of the frame without focus breathing; None: nothing.
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
    """Keeps thumbnails of the latest frames and compares frames with them.

    Args:
        lens_model: of the lens: how much blur differs between two positions.
    """

    def __init__(self, lens_model: LensModel) -> None:
        self._lens_model = lens_model
        self._seen: deque[SeenFrame] = deque(maxlen=_SETTINGS.kept)
        self._frames = 0

    @property
    def first_frames_judged(self) -> bool:
        """Whether the first frames have been compared with enough others."""
        return self._frames >= _SETTINGS.judged

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
        thumbnail = to_gray(downscale_to_side(image, SIDE))
        seen = SeenFrame(position, FrameLines.of(pixels, scale), thumbnail, image.shape[1])
        self._seen.append(seen)
        self._frames += 1
        return seen

    def damage(self, frame: SeenFrame) -> Damage:
        """Find the parts of a frame that do not show what the others do."""
        others = [
            other
            for other in sorted(self._seen, key=lambda other: abs(other.position - frame.position))
            if other is not frame and other.thumbnail.shape == frame.thumbnail.shape
        ][: _SETTINGS.nearest]
        lost = lost_lines(frame.lines, [other.lines for other in others])
        thumbnails = [other.thumbnail for other in others]
        valid = [_valid(frame, lost), *(np.ones(each.shape, np.bool_) for each in thumbnails)]
        travel = max((abs(other.position - frame.position) for other in others), default=0.0)
        radius = self._lens_model.blur_gain(frame.width) * travel
        blur = radius * frame.thumbnail.shape[1] / frame.width
        return Damage(lost, inconsistent_with(frame.thumbnail, thumbnails, valid, blur))


def _valid(frame: SeenFrame, lost: LostLines) -> Mask:
    """Where the thumbnail of a frame shows none of the lost lines."""
    if not lost:
        return np.ones(frame.thumbnail.shape, np.bool_)
    height, width = frame.thumbnail.shape
    return ~lost.reduced((width, height))
