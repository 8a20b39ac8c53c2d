"""Recognises a lens that reports motion which the picture does not show."""

import cv2

from aif_ros.types.image import Image, to_gray

STRUCTURE = 1.3
"""Largest ratio of a difference after and before smoothing that still is noise. Smoothing over n
pixels divides white noise by sqrt(n), which gives 1; the change of a blur gives 2 or more."""
SIDE = 3
"""Side of the smoothing window, pixels."""


def differs_by_noise_only(first: Image, second: Image) -> bool:
    """Whether two pictures show the same, noise and brightness aside.

    Args:
        first: (H, W) or (H, W, 3), float32 in [0, 1].
        second: of the same shape.
    """
    a, b = (to_gray(image) / max(float(image.mean()), 1e-6) for image in (first, second))
    difference = a - b
    difference -= difference.mean()
    before = float(difference.std())
    if before == 0:
        return True
    smoothed = cv2.blur(difference, (SIDE, SIDE))[SIDE:-SIDE, SIDE:-SIDE]
    return SIDE * float(smoothed.std()) <= STRUCTURE * before
