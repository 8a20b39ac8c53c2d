"""Registration of downscaled images by their correlation.

Evangelidis & Psarakis, "Parametric Image Alignment Using Enhanced Correlation Coefficient
Maximization", PAMI 2008 (OpenCV's `findTransformECC`). The correlation does not depend on
brightness or contrast.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from aif_ros.fusion.motion.downscaled_slice import SMOOTHING, DownscaledSlice

_CRITERIA = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 40, 1e-4)
"""40 iterations, or until the correlation rises by no more than 1e-4; chosen by hand: the result is
refined, or its noise averaged over a sweep."""


def maximise_correlation(
    first: DownscaledSlice, second: DownscaledSlice, start: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Improve the transform (2, 3) from the first image to the second where both hold data.

    Raises:
        cv2.error: they do not correlate.
    """
    mask = second.valid
    if first.valid is not None:
        # In the coordinates of the second image, as far as the transform is known.
        size = second.image.shape[::-1]
        moved = cv2.warpAffine(first.valid, start, size, flags=cv2.INTER_NEAREST)
        mask = np.asarray(moved if mask is None else cv2.bitwise_and(mask, moved), np.uint8)
    _, found = cv2.findTransformECC(
        first.image, second.image, start.copy(), cv2.MOTION_AFFINE, _CRITERIA, mask, SMOOTHING
    )
    return np.asarray(found, np.float32)
