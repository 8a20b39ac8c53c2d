"""Slices downscaled to the size that they are compared at."""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from aif_ros.fusion.motion.geometry import Transform, scaling
from aif_ros.fusion.motion.photo_consistency import SIDE, Mask
from aif_ros.types.image import Image
from aif_ros.types.resizing import downscale_to_side, resize_mask

SMOOTHING = 5
"""Side of the Gaussian filter before images are correlated, pixels: OpenCV's default."""


@dataclass(frozen=True)
class DownscaledSlice:
    """A slice, downscaled.

    Attributes:
        image: (h, w) float32.
        valid: (h, w) uint8, 0 where it holds no data; None: it holds data everywhere.
    """

    image: Image
    valid: NDArray[np.uint8] | None

    @classmethod
    def of(
        cls, gray: NDArray[Any], valid: NDArray[np.bool_] | None, side: int
    ) -> "DownscaledSlice":
        """Downscale a slice until its longer side is `side` pixels at most.

        Args:
            gray: (H, W).
            valid: (H, W), pixels that hold data; None: all.
            side: longest side, pixels.
        """
        image = downscale_to_side(gray, side).astype(np.float32, copy=False)
        if valid is None:
            return cls(image, None)
        # Smoothing carries what lies beneath across the border.
        kernel = np.ones((SMOOTHING, SMOOTHING), np.uint8)
        small = resize_mask(valid, image.shape).astype(np.uint8)
        return cls(image, np.asarray(cv2.erode(small, kernel), np.uint8))

    @property
    def valid_mask(self) -> NDArray[np.uint8]:
        """(h, w), 0 where it holds no data, else 1."""
        return np.ones(self.image.shape, np.uint8) if self.valid is None else self.valid

    def without(self, area: Mask | None) -> "DownscaledSlice":
        """Return the slice without the data of an area (h, w), of any size; None: no area."""
        if area is None:
            return self
        return DownscaledSlice(self.image, resize_mask(~area, self.image.shape) & self.valid_mask)


def downscaled_transform(
    downscaled: DownscaledSlice, transform: Transform, size: tuple[float, float]
) -> NDArray[np.float32]:
    """Return (2, 3) a transform between slices of that (width, height) for the downscaled ones."""
    scale = scaling((size[1], size[0]), downscaled.image.shape)
    return np.asarray((scale @ transform @ np.linalg.inv(scale))[:2], np.float32)


def aligned(
    first: DownscaledSlice, second: DownscaledSlice, warp: NDArray[np.float32]
) -> tuple[Image, Image, Mask]:
    """Bring two slices into the geometry of the first one, `SIDE` pixels wide at most.

    Args:
        first: the first slice.
        second: the second slice.
        warp: (2, 3), from pixels of the first to those of the second.

    Returns:
        Both images (h, w), and (h, w) where both hold data.
    """
    size, flags = first.image.shape[::-1], cv2.WARP_INVERSE_MAP
    moved = cv2.warpAffine(
        second.image,
        warp,
        size,
        flags=cv2.INTER_CUBIC | flags,
        # No dark rim would be part of the downscaled image.
        borderMode=cv2.BORDER_REPLICATE,
    )
    common = cv2.warpAffine(second.valid_mask, warp, size, flags=cv2.INTER_NEAREST | flags)
    common = cv2.bitwise_and(common, first.valid_mask)
    a, b, where = (
        downscale_to_side(each, SIDE) for each in (first.image, np.asarray(moved), common)
    )
    return a, b, where > 0.99
