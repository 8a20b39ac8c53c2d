"""Sharpness of a window: what contrast searches climb."""

import cv2
import numpy as np

from aif_ros.images import Image, check_image, to_gray


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
