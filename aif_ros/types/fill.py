"""Filling the unknown parts of a plane from what surrounds them."""

import cv2
import numpy as np
from numpy.typing import NDArray


def fill_unknown(plane: NDArray[np.float32], known: NDArray[np.float32]) -> NDArray[np.float32]:
    """Fill a plane where it is not known from what surrounds it, without edges.

    Args:
        plane: (H, W), such as a map of source positions or a channel of an image.
        known: (H, W), 0 to 1.

    Returns:
        (H, W) float32, the plane where `known` is 1, the weighted mean of ever wider surroundings
        where it is 0 (a pyramid, as in Gortler et al., "The Lumigraph", SIGGRAPH 1996).

    Example:
        >>> positions = np.array([[2.0, 2.0, 9.0, 2.0]] * 4, np.float32)
        >>> known = np.array([[1.0, 1.0, 0.0, 1.0]] * 4, np.float32)
        >>> fill_unknown(positions, known)[0].round(3)
        array([2., 2., 2., 2.], dtype=float32)
    """
    if min(plane.shape) <= 2:
        total = float(known.sum())
        mean = float((plane * known).sum()) / total if total else float(plane.mean())
        return known * plane + (1 - known) * np.float32(mean)
    weight = cv2.pyrDown(known)
    # Where nothing is known, the plain mean.
    trust = known + np.float32(1e-6)
    averages = np.asarray(cv2.pyrDown(plane * trust), np.float32)
    averages /= cv2.pyrDown(trust)
    del trust  # planes of large images fill the memory
    wider = fill_unknown(averages, np.minimum(4 * weight, 1).astype(np.float32))
    size = plane.shape[1::-1]
    surroundings = np.asarray(cv2.pyrUp(wider, dstsize=size), np.float32)
    filled = plane - surroundings
    filled *= known
    filled += surroundings
    return filled
