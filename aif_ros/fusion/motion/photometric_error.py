"""Photometric error between pictures that are out of focus in different places.

A plain difference mistakes blur for motion. Here, around each pixel, one of the two pictures is
blurred until they agree best; what is left is the error. Pictures are compared on small gray
copies.
"""

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from aif_ros.types.image import Image

SIDE = 320
"""Longer side of the copies that motion is estimated on, pixels, by default."""

LARGEST_ERROR = 0.05
"""Pictures that differ by more around a pixel, share of full scale, show different things there."""

# Sides of box filters, pixels of the copies. A box ends somewhere, as the disk of a lens does.
_BLURS = (1, 3, 5, 7, 9, 11, 15, 19)
# Radii, pixels of the copies, of the frame's own blur at which both are blurred.
_RADII = (2, 3, 4, 6, 8, 12, 16)
# Side, pixels, of the window that differences are averaged over.
_WINDOW = 7
# Of red, green and blue: red against blue, green against both.
_CHROMA = np.array([[0.5, 0.0, -0.5], [-0.25, 0.5, -0.25]], np.float32)


class Reference(NamedTuple):
    """A picture that I(t) is compared with.

    Attributes:
        gray: (h, w) float32.
        blur: (h, w) float32, radius by which I(t) may be blurred there, pixels.
    """

    gray: Image
    blur: NDArray[np.float32]


class MatchedBlur(NamedTuple):
    """Two pictures, around each pixel one of them blurred such that they agree best.

    Attributes:
        first: (h, w) float32.
        second: (h, w) float32.
        error: (h, w) float32, mean absolute difference around each pixel that is left.
    """

    first: Image
    second: Image
    error: NDArray[np.float32]


def match_blur(now: Image, reference: Reference, largest_radius: float = np.inf) -> MatchedBlur:
    """Blur one of two pictures around each pixel until they agree best.

    Where the lens blurs I(t), near objects spread over what is behind them, which blurring the
    reference does not show; but their blur hides finer detail, so both may be blurred further.

    Args:
        now: (h, w), of I(t).
        reference: the other, of the same size.
        largest_radius: by which one may be blurred to match the other, pixels.
    """
    first, second = now.copy(), reference.gray.copy()
    least = _difference(first, second)

    def choose(one: Image, other: Image, where: NDArray[np.uint8] | None = None) -> None:
        difference = _difference(one, other)
        better = cv2.compare(difference, least, cv2.CMP_LT)
        better = better if where is None else cv2.bitwise_and(better, where)
        cv2.copyTo(one, better, first)
        cv2.copyTo(other, better, second)
        cv2.copyTo(difference, better, least)

    # A lens blurs light, not encoded values; their square approximates it, and is fast.
    light, reference_light = now * now, reference.gray * reference.gray
    for side in _BLURS:
        if side > 2 * largest_radius + 1:
            break
        # The second box rounds the corners of the first.
        choose(cv2.sqrt(_box_blur(light, side, 3)), reference.gray)
        choose(now, cv2.sqrt(_box_blur(reference_light, side, 3)))
    for radius in _RADII:
        blurred = 255 * (reference.blur >= radius).astype(np.uint8)
        if not blurred.any():
            break
        wide = 2 * radius + 1
        choose(
            cv2.sqrt(_box_blur(light, wide, wide)),
            # A box of this side has the variance of a disk of that radius.
            cv2.sqrt(_box_blur(reference_light, round(np.sqrt(3) * radius) | 1, wide, wide)),
            cv2.dilate(blurred, np.ones((wide, wide), np.uint8)),
        )
    return MatchedBlur(first, second, least)


def chroma_error(image: Image, reference: Image) -> NDArray[np.float32]:
    """Error (h, w) between things of one brightness but different colours.

    Args:
        image: (H, W, 3), of any size.
        reference: (h, w, 3).
    """
    # Chroma needs half the resolution.
    height, width = reference.shape[:2]
    half = (max(1, width // 2), max(1, height // 2))
    chroma = [
        cv2.split(
            cv2.transform(cv2.resize(each, half, interpolation=cv2.INTER_AREA), _CHROMA)
            + np.float32(0.5)
        )
        for each in (image, reference)
    ]
    errors = [
        match_blur(one, Reference(other, np.zeros_like(other))).error
        for one, other in zip(*chroma, strict=True)
    ]
    return np.asarray(cv2.resize(np.maximum(*errors), (width, height)))


def _box_blur(light: Image, *sides: int) -> Image:
    for side in sides:
        light = cv2.blur(light, (side, side))
    return light


def _difference(one: Image, other: Image) -> Image:
    return np.asarray(cv2.blur(cv2.absdiff(one, other), (_WINDOW, _WINDOW)))
