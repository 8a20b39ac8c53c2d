"""Blocks of an image, in which blur and motion are measured."""

import cv2
import numpy as np
from numpy.typing import NDArray

from aif_ros.types.image import Image
from aif_ros.types.resizing import reduce_to

_BLOCKS = 12
"""Blocks along the longer side, chosen by hand: a twelfth of an image mostly holds some texture,
and 100 blocks show how much their results differ."""

Blocks = NDArray[np.float64]
"""(rows, columns, ...), a value for each block of an image."""


def block_grid(shape: tuple[int, ...]) -> tuple[int, int]:
    """Return the numbers of blocks of an image (H, W, ...), across and down."""
    longer = max(shape[:2])
    return (
        max(2, round(_BLOCKS * shape[1] / longer)),
        max(2, round(_BLOCKS * shape[0] / longer)),
    )


def block_means(image: Image, grid: tuple[int, int]) -> Blocks:
    """Mean of an image (h, w) in each block, (rows, columns)."""
    return np.asarray(reduce_to(image, grid), np.float64)


def gradient(image: Image) -> tuple[Image, Image]:
    """Derivatives of an image across and down, per pixel."""
    kernel = np.array([[-0.5, 0.0, 0.5]], np.float32)
    across, down = (
        cv2.filter2D(image, -1, each, borderType=cv2.BORDER_REFLECT_101)
        for each in (kernel, np.ascontiguousarray(kernel.T))
    )
    return np.asarray(across), np.asarray(down)
