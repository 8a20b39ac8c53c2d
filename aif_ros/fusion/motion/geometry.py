"""Transforms between the coordinates of images, also of other sizes."""

import cv2
import numpy as np
from numpy.typing import NDArray

Transform = NDArray[np.float64]
"""(3, 3): pixel coordinates (x, y, 1) of one image to those of another."""


def resize(plane: NDArray[np.float32], size: tuple[int, ...]) -> NDArray[np.float32]:
    """Interpolate a plane (h, w, ...) to `size` (width, height)."""
    if plane.shape[1::-1] == tuple(size):
        return plane.copy()
    return np.asarray(
        cv2.resize(plane, size, interpolation=cv2.INTER_LINEAR).astype(np.float32, copy=False)
    )


def scaling(shape: tuple[float, ...], other: tuple[int, ...]) -> Transform:
    """Return the transform from an image of one shape (H, W, ...) to the same image of another."""
    x, y = other[1] / shape[1], other[0] / shape[0]
    # The centre of the first pixel is half a pixel from the border in both.
    return np.array([[x, 0, (x - 1) / 2], [0, y, (y - 1) / 2], [0, 0, 1]])


def translation(right: float, down: float) -> Transform:
    """Return the transform that adds (right, down) pixels."""
    return np.array([[1.0, 0.0, right], [0.0, 1.0, down], [0.0, 0.0, 1.0]])


def corners(shape: tuple[int, ...]) -> NDArray[np.float64]:
    """(4, 2), the (x, y) of the centres of the corner pixels of an image of that shape."""
    height, width = shape[:2]
    return np.array([(0, 0), (width - 1, 0), (0, height - 1), (width - 1, height - 1)], np.float64)


def largest_displacement(first: Transform, second: Transform, shape: tuple[int, ...]) -> float:
    """Largest distance, pixels, between where two transforms move a corner of an image.

    Args:
        first: a transform.
        second: the one to compare with.
        shape: of the image, (H, W) or (H, W, 3).
    """
    moved = [cv2.transform(corners(shape)[None], each[:2])[0] for each in (first, second)]
    return float(np.hypot(*(moved[0] - moved[1]).T).max())
