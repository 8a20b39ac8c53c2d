"""Small copies of slices, and a first estimate of the motion between two of them.

The correlation that is maximised does not depend on brightness or contrast: Evangelidis & Psarakis,
"Parametric Image Alignment Using Enhanced Correlation Coefficient Maximization", PAMI 2008
(OpenCV's `findTransformECC`).
"""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from aif_ros.fusion.motion.geometry import Transform, scaling
from aif_ros.fusion.motion.misfit import SIDE, Mask
from aif_ros.types.image import Image
from aif_ros.types.resizing import downscale_to_side, resize_mask

_SMOOTHING = 5
"""Side of the Gaussian filter before the comparison, pixels: OpenCV's default."""
_CRITERIA = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 40, 1e-4)


@dataclass(frozen=True)
class SliceCopy:
    """A small copy of a slice.

    Attributes:
        image: (h, w).
        valid: (h, w) uint8, 0 where it holds no data; None: it holds data everywhere.
    """

    image: Image
    valid: NDArray[np.uint8] | None

    @classmethod
    def of(cls, gray: NDArray[Any], valid: NDArray[np.bool_] | None, side: int) -> "SliceCopy":
        """Return a copy whose longer side is `side` pixels at most."""
        image = downscale_to_side(gray, side).astype(np.float32, copy=False)
        if valid is None:
            return cls(image, None)
        # Smoothing carries what lies beneath across the border.
        kernel = np.ones((_SMOOTHING, _SMOOTHING), np.uint8)
        small = resize_mask(valid, image.shape).astype(np.uint8)
        return cls(image, np.asarray(cv2.erode(small, kernel), np.uint8))

    @property
    def held(self) -> NDArray[np.uint8]:
        """(h, w), 0 where it holds no data."""
        return np.ones(self.image.shape, np.uint8) if self.valid is None else self.valid

    def without(self, area: Mask | None) -> "SliceCopy":
        """Return the copy, which holds no data in an area (h, w), of any size; None: no area."""
        if area is None:
            return self
        return SliceCopy(self.image, resize_mask(~area, self.image.shape) & self.held)


def on_copy(
    copy: SliceCopy, transform: Transform, size: tuple[float, float]
) -> NDArray[np.float32]:
    """Return (2, 3) a transform between slices of that (width, height) as between their copies."""
    scale = scaling((size[1], size[0]), copy.image.shape)
    return np.asarray((scale @ transform @ np.linalg.inv(scale))[:2], np.float32)


def maximise_correlation(
    first: SliceCopy, second: SliceCopy, start: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Improve the transform from the first copy to the second where both hold data.

    Raises:
        cv2.error: they do not correlate.
    """
    mask = second.valid
    if first.valid is not None:
        # In the coordinates of the second copy, as far as the transform is known.
        size = second.image.shape[::-1]
        moved = cv2.warpAffine(first.valid, start, size, flags=cv2.INTER_NEAREST)
        mask = np.asarray(moved if mask is None else cv2.bitwise_and(mask, moved), np.uint8)
    _, found = cv2.findTransformECC(
        first.image, second.image, start.copy(), cv2.MOTION_AFFINE, _CRITERIA, mask, _SMOOTHING
    )
    return np.asarray(found, np.float32)


def on_common_area(
    first: SliceCopy, second: SliceCopy, warp: NDArray[np.float32]
) -> tuple[Image, Image, Mask]:
    """Two copies in the geometry of the first one, and where both hold data; `SIDE` pixels wide."""
    size, flags = first.image.shape[::-1], cv2.WARP_INVERSE_MAP
    moved = cv2.warpAffine(
        second.image,
        warp,
        size,
        flags=cv2.INTER_CUBIC | flags,
        # No dark rim would be part of the shrunk copy.
        borderMode=cv2.BORDER_REPLICATE,
    )
    common = cv2.warpAffine(second.held, warp, size, flags=cv2.INTER_NEAREST | flags)
    common = cv2.bitwise_and(common, first.held)
    a, b, where = (
        downscale_to_side(each, SIDE) for each in (first.image, np.asarray(moved), common)
    )
    return a, b, where > 0.99
