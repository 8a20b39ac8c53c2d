"""Detects a lens that reports motion although the image does not change."""

import cv2
import numpy as np
from numpy.typing import NDArray

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
    a, b = (to_gray(image) / max(float(image.mean()), 1e-6) for image in (first, second))
    difference = a - b
    difference -= difference.mean()
    before = float(difference.std())
    if before == 0:
        return True
    smoothed = cv2.blur(difference, (SIDE, SIDE))[SIDE:-SIDE, SIDE:-SIDE]
    return SIDE * float(smoothed.std()) <= STRUCTURE * before


class PictureChange:
    """Compares the first picture with the one that was taken farthest from it."""

    def __init__(self) -> None:
        self._first: tuple[float, Image] | None = None
        self._farthest: tuple[float, Image] | None = None

    def add(self, position: float, image: NDArray[np.generic]) -> None:
        """Add a picture, (H, W) or (H, W, 3), as captured at `position`, metres."""
        if self._first is None or self._farthest is None:
            self._first = self._farthest = (position, to_float(image))
        elif abs(position - self._first[0]) > abs(self._farthest[0] - self._first[0]):
            self._farthest = (position, to_float(image))

    def is_missing(self, travel: float) -> bool:
        """Whether pictures that are more than `travel`, metres, apart differ by noise only."""
        if self._first is None or self._farthest is None:
            return False
        (start, first), (end, last) = self._first, self._farthest
        return abs(end - start) > travel and differs_by_noise_only(first, last)
