"""Removal of focus breathing before fusion."""

import cv2
import numpy as np

from aif_ros.types.image import Image


def remove_breathing(image: Image, scale: float) -> Image:
    """Scale a frame about its centre into the reference geometry.

    Args:
        image: (H, W) or (H, W, 3), float32.
        scale: `LensModel.breathing_scale` of the frame's lens position.

    Returns:
        The same size; with scale < 1 the edges are mirrored into what the frame does not cover.
    """
    if scale == 1.0:
        return image
    height, width = image.shape[:2]
    matrix = np.array(
        [
            [scale, 0.0, (1.0 - scale) * (width - 1) / 2],
            [0.0, scale, (1.0 - scale) * (height - 1) / 2],
        ]
    )
    warped = cv2.warpAffine(
        image,
        matrix,
        (width, height),
        flags=cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REFLECT_101,
    )
    return np.asarray(np.clip(warped, 0.0, 1.0, dtype=np.float32))
