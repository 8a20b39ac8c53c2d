"""Detects a lens that reports motion although the image does not change."""

import cv2
import numpy as np
from numpy.typing import NDArray

from aif_ros.optics.lens_model import LensModel
from aif_ros.pipeline.assess_step import DefocusMaps
from aif_ros.types.frame import Frame
from aif_ros.types.image import Image, to_float, to_gray

STRUCTURE = 1.3
"""Largest ratio of a difference after and before smoothing that still is noise. Smoothing over n
pixels divides white noise by sqrt(n), which gives 1; the change of a blur gives 2 or more."""
VISIBLE = 6.0
"""Travel after which a picture must have changed if it shows anything, half depths of focus."""
STUCK = (
    "the lens reports motion, but the picture does not change: see that its motor turns the focus "
    "ring and that this camera looks through this lens"
)
"""What to say of such a lens."""
SIDE = 3
"""Side of the smoothing window, pixels."""
# Share of the cells with a reading from which on a picture counts as textured: one without texture
# never changes.
_TEXTURED = 0.05


def differs_by_noise_only(first: Image, second: Image) -> bool:
    """Whether two pictures show the same, noise and brightness aside.

    Args:
        first: (H, W) or (H, W, 3), float32 in [0, 1].
        second: of the same shape.

    Example:
        >>> import numpy as np
        >>> random = np.random.default_rng(0)
        >>> scene = cv2.GaussianBlur(random.random((64, 64), np.float32), (0, 0), 2.0)
        >>> noise = random.normal(0, 0.01, (64, 64)).astype(np.float32)
        >>> differs_by_noise_only(scene, scene + noise)
        True
        >>> differs_by_noise_only(scene, cv2.GaussianBlur(scene, (0, 0), 3.0))
        False
    """
    grays = to_gray(first), to_gray(second)
    a, b = (gray / max(float(gray.mean()), 1e-6) for gray in grays)
    difference = a - b
    difference -= difference.mean()
    before = float(difference.std())
    if before == 0:
        return True
    smoothed = cv2.blur(difference, (SIDE, SIDE))[SIDE:-SIDE, SIDE:-SIDE]
    return SIDE * float(smoothed.std()) <= STRUCTURE * before


class PictureChange:
    """Compares the first picture with those that were taken far from it.

    One difference is enough: at two positions on either side of its focus, a flat object looks the
    same.
    """

    def __init__(self) -> None:
        self._first: tuple[float, Image] | None = None
        self._changed = False
        self.missing = False
        """Whether pictures were compared and differ by noise only."""

    def add(self, position: float, image: NDArray[np.generic], travel: float) -> None:
        """Add a picture.

        Args:
            position: where it was captured, metres.
            image: (H, W) or (H, W, 3).
            travel: after which a picture must have changed, metres.
        """
        if self._changed:
            return
        if self._first is None:
            self._first = (position, to_gray(to_float(image)))
        elif abs(position - self._first[0]) > travel:
            self.missing = differs_by_noise_only(self._first[1], to_gray(to_float(image)))
            self._changed = not self.missing


class PictureWatch:
    """Finds, in the frames of a loop, a lens that reports motion but does not move.

    Args:
        lens_model: of the lens.
    """

    def __init__(self, lens_model: LensModel) -> None:
        self._lens_model = lens_model
        self._change = PictureChange()

    def add(self, frame: Frame, maps: DefocusMaps) -> None:
        """Add a frame and its maps."""
        if np.isfinite(maps.distance).mean() > _TEXTURED:
            travel = VISIBLE * self._lens_model.half_depth_of_focus(frame.size[0])
            self._change.add(frame.position, frame.image, travel)

    @property
    def fault(self) -> str:
        """Why the loop must not count as complete, for people; empty: no reason."""
        return STUCK if self._change.missing else ""
