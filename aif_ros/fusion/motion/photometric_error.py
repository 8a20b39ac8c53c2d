"""How alike two pictures are that are blurred in different places.

Pictures are compared on small copies, in shades of gray.
"""

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from aif_ros.types.image import Image

SIDE = 320
"""Length of the longer side of the copies, pixels, unless other is wanted."""

LARGEST_MISMATCH = 0.05
"""What differs by more than this around a pixel, share of full scale, is not the same thing."""

# Blur that may tell one from the other: sides of boxes, pixels of the copies. Averaging over a box
# comes nearer to what a lens does than a Gaussian: it ends somewhere.
_BLURS = (1, 3, 5, 7, 9, 11, 15, 19)
# Radii, pixels of the copies, of the frame's own blur at which both are blurred.
_RADII = (2, 3, 4, 6, 8, 12, 16)
# Differences are averaged over windows of this many pixels.
_WINDOW = 7


# Of red, green and blue: red against blue, green against both.
_HUES = np.array([[0.5, 0.0, -0.5], [-0.25, 0.5, -0.25]], np.float32)


class Copy(NamedTuple):
    """A copy of a picture that I(t) is compared with.

    Attributes:
        gray: (h, w) float32.
        blur: (h, w) float32, radius by which I(t) may be blurred there, pixels of the copy.
    """

    gray: Image
    blur: NDArray[np.float32]


class Alike(NamedTuple):
    """Two pictures, around each pixel one of them blurred such that they are most alike.

    Attributes:
        first: (h, w) float32.
        second: (h, w) float32.
        mismatch: (h, w) float32, mean difference around each pixel that is left.
    """

    first: Image
    second: Image
    mismatch: NDArray[np.float32]


def blurred_alike(now: Image, before: Copy, widest: float = np.inf) -> Alike:
    """Blur one of the two around each pixel until they are as alike as they can be.

    Where the lens blurs I(t), objects before others spread over them, which blurring the other does
    not show; but it hides all detail finer than the blur, so that both may be blurred further.

    Args:
        now: copy (h, w) of I(t).
        before: the other, as large.
        widest: radius, pixels of the copies, that one may be blurred by at most to be like the
            other.
    """
    first, second = now.copy(), before.gray.copy()
    least = _difference(first, second)

    def choose(one: Image, other: Image, where: NDArray[np.uint8] | None = None) -> None:
        difference = _difference(one, other)
        better = cv2.compare(difference, least, cv2.CMP_LT)
        better = better if where is None else cv2.bitwise_and(better, where)
        cv2.copyTo(one, better, first)
        cv2.copyTo(other, better, second)
        cv2.copyTo(difference, better, least)

    # A lens blurs light, not encoded values; their square is near enough to it, and fast.
    light, light_before = now * now, before.gray * before.gray
    for side in _BLURS:
        if side > 2 * widest + 1:
            break
        # The second box takes the corners off the first.
        choose(cv2.sqrt(_boxed(light, side, 3)), before.gray)
        choose(now, cv2.sqrt(_boxed(light_before, side, 3)))
    for radius in _RADII:
        blurred = 255 * (before.blur >= radius).astype(np.uint8)
        if not blurred.any():
            break
        wide = 2 * radius + 1
        choose(
            cv2.sqrt(_boxed(light, wide, wide)),
            # A box of this side spreads light as far as a disk of that radius.
            cv2.sqrt(_boxed(light_before, round(np.sqrt(3) * radius) | 1, wide, wide)),
            cv2.dilate(blurred, np.ones((wide, wide), np.uint8)),
        )
    return Alike(first, second, least)


def hues(image: Image) -> Image:
    """Return the two hues (H, W, 2) of an RGB image (H, W, 3), 0.5 where it is gray."""
    return np.asarray(cv2.transform(image, _HUES) + np.float32(0.5))


def small_copy(gray: Image, scale: float) -> Image:
    """Make a picture (H, W) smaller by the factor `scale`; itself if that is 1."""
    if scale == 1:
        return gray
    size = tuple(max(1, round(scale * side)) for side in gray.shape[::-1])
    return cv2.resize(gray, size, interpolation=cv2.INTER_AREA).astype(np.float32, copy=False)


def rescaling(shape: tuple[int, ...], other: tuple[int, ...]) -> NDArray[np.float64]:
    """Matrix (3, 3) from pixels of a picture of one shape to those of its copy of another."""
    x, y = other[1] / shape[1], other[0] / shape[0]
    # The centre of the first pixel is half a pixel from the border in both.
    return np.array([[x, 0, (x - 1) / 2], [0, y, (y - 1) / 2], [0, 0, 1]])


def _boxed(light: Image, *sides: int) -> Image:
    for side in sides:
        light = cv2.blur(light, (side, side))
    return light


def _difference(one: Image, other: Image) -> Image:
    return cv2.blur(cv2.absdiff(one, other), (_WINDOW, _WINDOW))
