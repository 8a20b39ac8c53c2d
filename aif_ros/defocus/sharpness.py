"""Sharpness of a window, which contrast searches climb, and contrast over an image."""

import cv2
import numpy as np
from numpy.typing import NDArray

from aif_ros.types.image import Image, check_image, to_gray


def tenengrad(image: Image) -> float:
    """Mean squared Sobel gradient, per pixel (Tenenbaum 1970; Krotkov, "Focusing", IJCV 1988).

    Args:
        image: (H, W) or (H, W, 3), float32 in [0, 1].

    Raises:
        ImageError: the image is unusable.
    """
    gray = to_gray(check_image(image))
    right = cv2.Sobel(gray, cv2.CV_32F, 1, 0, scale=0.125)
    below = cv2.Sobel(gray, cv2.CV_32F, 0, 1, scale=0.125)
    # Half the time of the mean of an array of squares.
    return float((np.vdot(right, right) + np.vdot(below, below)) / gray.size)


_NEIGHBOURHOOD = 41
"""Side of the neighbourhood, pixels."""


def local_contrast(gray: Image, shape: tuple[int, int]) -> NDArray[np.float32]:
    """Standard deviation of the grey levels about their mean nearby, on a grid of equal cells.

    The neighbourhood is wide, 41 px across, so that blur reduces the contrast little: it measures
    how much texture a cell has, whether sharp or blurred.

    Args:
        gray: (H, W) float32 in [0, 1].
        shape: (rows, columns) of the grid.

    Returns:
        (rows, columns) float32.
    """
    side = (_NEIGHBOURHOOD, _NEIGHBOURHOOD)
    deviation = gray - cv2.blur(gray, side, borderType=cv2.BORDER_REFLECT_101)
    return np.asarray(
        np.sqrt(cv2.resize(deviation * deviation, shape[::-1], interpolation=cv2.INTER_AREA))
    )
