"""Defocus maps: the interface of all blur estimators."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from aif_ros.types.frame import Window
from aif_ros.types.image import Image


@dataclass(frozen=True)
class DefocusMap:
    """Blur over an image, on a grid of equal cells that covers it.

    Attributes:
        radius: (rows, columns) float32, blur radius >= 0 in pixels of the image; NaN where
            unknown (no texture, saturated).
        uncertainty: (rows, columns) float32, standard deviation of `radius`, pixels; NaN likewise.
        in_focus: (rows, columns) float32, probability that the blur is within the depth of
            field; NaN likewise.
        contrast: (rows, columns) float32, see `sharpness.local_contrast`; never NaN.
        image_size: (width, height) of the image, pixels.
    """

    radius: NDArray[np.float32]
    uncertainty: NDArray[np.float32]
    in_focus: NDArray[np.float32]
    contrast: NDArray[np.float32]
    image_size: tuple[int, int]

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns) of the grid."""
        return self.radius.shape[0], self.radius.shape[1]

    def window(self, row: int, column: int) -> Window:
        """Return the pixels under one cell."""
        (rows, columns), (width, height) = self.shape, self.image_size
        left, right = column * width // columns, (column + 1) * width // columns
        top, bottom = row * height // rows, (row + 1) * height // rows
        return Window(left, top, right - left, bottom - top)


class BlurEstimator(Protocol):
    """Estimates blur from a single image."""

    def estimate(self, image: Image) -> DefocusMap:
        """Return the blur over `image`, (H, W) or (H, W, 3), float32 in [0, 1].

        Raises:
            ImageError: the image is unusable, or smaller than the estimator can work on.
        """
        ...
