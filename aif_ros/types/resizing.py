"""Downscaling images, and enlarging masks: each in one way for all rooms."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray


def size_within(shape: tuple[int, ...], side: int) -> tuple[int, int]:
    """Return the size (width, height) of an image once its longer side is `side` pixels at most.

    Args:
        shape: (H, W) or (H, W, 3) of the image.
        side: longest side, pixels.

    Example:
        >>> size_within((480, 640, 3), 160)
        (160, 120)
        >>> size_within((30, 40), 160)
        (40, 30)
    """
    return _scaled_size(shape, min(1.0, side / max(shape[:2])))


def downscale(image: NDArray[Any], scale: float) -> NDArray[Any]:
    """Downscale an image (H, W) or (H, W, 3), averaging over pixels.

    Args:
        image: of any type that OpenCV resizes, which stays.
        scale: factor of both sides; none becomes shorter than a pixel. From 1 on, the image itself
            is returned.
    """
    return image if scale >= 1 else reduce_to(image, _scaled_size(image.shape, scale))


def downscale_to_side(image: NDArray[Any], side: int) -> NDArray[Any]:
    """Downscale an image (H, W) or (H, W, 3) until its longer side is `side` pixels at most.

    Example:
        >>> downscale_to_side(np.zeros((480, 640, 3), np.uint8), 160).shape
        (120, 160, 3)
    """
    return downscale(image, side / max(image.shape[:2]))


def reduce_to(image: NDArray[Any], size: tuple[int, int]) -> NDArray[Any]:
    """Downscale an image (H, W) or (H, W, 3) to (width, height), averaging over pixels."""
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA))


def resize_mask(mask: NDArray[np.bool_], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Return a mask (h, w) at the size of an image of `shape` (H, W, ...): the nearest pixel's."""
    nearest = cv2.resize(mask.astype(np.uint8), shape[1::-1], interpolation=cv2.INTER_NEAREST)
    return np.asarray(nearest, np.bool_)


def _scaled_size(shape: tuple[int, ...], scale: float) -> tuple[int, int]:
    return max(1, round(scale * shape[1])), max(1, round(scale * shape[0]))
