"""Detects a lens that reports motion although the image does not change."""

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
