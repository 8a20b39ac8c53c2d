"""Photometric error between images that are out of focus in different places.

A plain difference mistakes blur for motion. Here, around each pixel, one of the two images is
blurred until they agree best; what is left is the error. Images are compared
in gray and downscaled.
"""

import math
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from aif_ros.fusion.motion.blur_equalization import BlurSeries, blur_candidates, box_blur
from aif_ros.types.image import Image

SIDE = 320
"""Longer side of the downscaled images that motion is estimated on, pixels, by default."""

LARGEST_ERROR = 0.05
"""Images that differ by more around a pixel, share of full scale, show different things there."""

_FULL_SCALE = np.float32(65535)
# Of red, green and blue: red against blue, green against both.
_CHROMA = np.array([[0.5, 0.0, -0.5], [-0.25, 0.5, -0.25]], np.float32)


@dataclass(frozen=True)
class MatchingSettings:
    """Settings of `match_blur`, pixels of images whose longer side is `SIDE`.

    Chosen by hand.

    Attributes:
        sides: of the box filters by which one of two images is blurred, ascending.
        radii: of the frame's own blur at which both images are blurred, ascending.
        window: side of the window that differences are averaged over.
    """

    sides: tuple[int, ...] = (1, 3, 5, 7, 9, 11, 15, 19)
    radii: tuple[int, ...] = (2, 3, 4, 6, 8, 12, 16)
    window: int = 7


_SETTINGS = MatchingSettings()


class Reference(NamedTuple):
    """An image that I(t) is compared with.

    Attributes:
        gray: (h, w) float32.
        blur: (h, w) float32, radius by which I(t) may be blurred there, pixels.
    """

    gray: Image
    blur: NDArray[np.float32]


class MatchedBlur(NamedTuple):
    """Two images, around each pixel one of them blurred such that they agree best.

    Attributes:
        first: (h, w) float32.
        second: (h, w) float32.
        error: (h, w) float32, mean absolute difference around each pixel that is left.
    """

    first: Image
    second: Image
    error: NDArray[np.float32]


class Blurred:
    """An image, and what boxes blur it to.

    In 16 bits: box filters of floating point numbers take twice as long.

    Args:
        gray: (h, w) float32 in [0, 1].
    """

    def __init__(self, gray: Image) -> None:
        # A lens blurs light, not encoded values; their square approximates it, and is fast. The
        # series does not refer to `self`: a cycle would keep its images until garbage is collected.
        self.series = BlurSeries(_encoded(gray), partial(_blur_light, _encoded(gray * gray)))

    @property
    def gray(self) -> NDArray[np.uint16]:
        """(h, w), as it is."""
        return self.series.image

    @property
    def shape(self) -> tuple[int, ...]:
        """(h, w)."""
        return self.gray.shape

    def by(self, *sides: int) -> NDArray[np.uint16]:
        """(h, w), blurred by boxes of these sides, pixels, one after the other."""
        return self.series.blurred(sides)


def _blur_light(light: NDArray[np.uint16], sides: tuple[int, ...]) -> NDArray[np.uint16]:
    root = cv2.sqrt(box_blur(light, *sides).astype(np.float32))
    return np.asarray((root * np.float32(math.sqrt(_FULL_SCALE))).astype(np.uint16))


def match_blur(
    now: Image | Blurred, reference: Reference, largest_radius: float = np.inf
) -> MatchedBlur:
    """Blur one of two images around each pixel until they agree best.

    Where the lens blurs I(t), near objects spread over what is behind them, which blurring the
    reference does not show; but their blur hides finer detail, so both may be blurred further.

    Args:
        now: (h, w), of I(t); as `Blurred` where it is compared several times.
        reference: the other, of the same size.
        largest_radius: by which one may be blurred to match the other, pixels.
    """
    now = now if isinstance(now, Blurred) else Blurred(now)
    other = Blurred(reference.gray)
    first, second = now.gray.copy(), other.gray.copy()
    least = _difference(first, second)

    def choose(
        one: NDArray[np.uint16],
        two: NDArray[np.uint16],
        where: NDArray[np.uint8] | None = None,
    ) -> None:
        difference = _difference(one, two)
        better = cv2.compare(difference, least, cv2.CMP_LT)
        better = better if where is None else cv2.bitwise_and(better, where)
        cv2.copyTo(one, better, first)
        cv2.copyTo(two, better, second)
        cv2.copyTo(difference, better, least)

    sides = [(side, 3) for side in _SETTINGS.sides if side <= 2 * largest_radius + 1]
    for pair in blur_candidates(now.series, other.series, sides):
        choose(*pair)
    for radius in _SETTINGS.radii:
        blurred = 255 * (reference.blur >= radius).astype(np.uint8)
        if not blurred.any():
            break
        wide = 2 * radius + 1
        # A box of this side has the variance of a disk of that radius.
        disk = round(np.sqrt(3) * radius) | 1
        where = cv2.dilate(blurred, np.ones((wide, wide), np.uint8))
        choose(now.by(wide, wide), other.by(disk, wide, wide), where)
    return MatchedBlur(*map(_decoded, (first, second, least)))


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


def _encoded(plane: Image) -> NDArray[np.uint16]:
    return np.asarray(np.rint(plane * _FULL_SCALE), np.uint16)


def _decoded(plane: NDArray[np.uint16]) -> NDArray[np.float32]:
    return plane.astype(np.float32) * np.float32(1 / _FULL_SCALE)


def _difference(one: NDArray[np.uint16], two: NDArray[np.uint16]) -> NDArray[np.uint16]:
    return np.asarray(box_blur(cv2.absdiff(one, two), _SETTINGS.window))
