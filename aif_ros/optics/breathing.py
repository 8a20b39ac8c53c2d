"""Focus breathing: the magnification of the image changes with the lens position."""

import cv2
import numpy as np
from numpy.typing import NDArray

from aif_ros.types.image import Image


def magnify(image: NDArray[np.float32], scale: float) -> NDArray[np.float32]:
    """Scale an image about its centre.

    Args:
        image: (H, W) or (H, W, C) with at most 4 channels, float32.
        scale: magnification.

    Returns:
        The same size; with scale < 1 the edges are mirrored into what the image does not cover.
        Cubic interpolation may exceed the range of the image.
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
    magnified = cv2.warpAffine(
        image,
        matrix,
        (width, height),
        flags=cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REFLECT_101,
    )
    return np.asarray(magnified, np.float32)


def remove_breathing(image: Image, scale: float) -> Image:
    """Magnify a frame as at the reference position.

    Args:
        image: (H, W) or (H, W, 3), float32 in [0, 1].
        scale: `LensModel.breathing_scale` of the frame's lens position.

    Returns:
        The same size and range, see `magnify`.
    """
    if scale == 1.0:
        return image
    return np.asarray(np.clip(magnify(image, scale), 0.0, 1.0, dtype=np.float32))
