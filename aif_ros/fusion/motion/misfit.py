"""Areas in which images of one scene differ by more than blur and motion.

A shadow, a finger in front of the lens, rows that were not transmitted: no registration makes them
agree, and their borders draw a registration away from what does. Defocus changes fine detail, but
hardly the mean over a large area; so smoothed images are compared, of equal brightness on the
whole, and only areas count that are larger than what blur and motion leave at edges.
"""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from aif_ros.fusion.motion.blur_equalization import BlurSeries, blur_candidates
from aif_ros.types.image import Image

Mask = NDArray[np.bool_]

SIDE = 160
"""Longer side of the copies that are compared, pixels."""
_SMOOTHING = 3.0
"""Standard deviation of the Gaussian filter, pixels of the copies: a fiftieth of the image."""
_FINE = 1.0
"""The same for the residual of a registration."""
_DIFFERENCE = 0.3
"""Least difference in an area that does not fit, as a share of the range between the 5th and 95th
percentile of the smoothed image; ..."""
_DEVIATIONS = 5.0
"""... and as a multiple of the median difference, ..."""
_SPREAD = 3.0
"""... and of that between the other slices of a stack."""
_OPENING = 9
"""Diameter of the smallest area that counts, pixels of the copies: more than edges differ by."""
_MARGIN = 13
"""Diameter of the disk by which an area is enlarged: smoothing hides its border."""
_SMALLEST = 32
"""Shorter side of the smallest copies in which there are such areas, pixels."""
_LEAST, _MOST = 0.01, 0.6
"""Share of the image from which on, and up to which, an area can be judged."""
_NEIGHBOURS = 6
"""Slices of a stack, the nearest ones, that a slice is compared with."""


def misfit(first: Image, second: Image, common: Mask) -> Mask | None:
    """Find where two registered images do not fit.

    Args:
        first: (h, w), a copy of about `SIDE` pixels.
        second: (h, w), registered to it, of any brightness.
        common: (h, w), where both hold data.

    Returns:
        (h, w), true where they do not fit; None: nowhere, or it cannot be said.
    """
    if min(first.shape) < _SMALLEST or common.mean() < 1 - _MOST:
        return None
    a, b = (_smoothed(image, common, _SMOOTHING) for image in (first, second))
    difference, scale = _difference(a, b, common)
    if scale <= 0:
        return None
    limit = max(_DIFFERENCE * scale, _DEVIATIONS * float(np.median(difference[common])))
    return _area((difference > limit) & common)


def residual(first: Image, second: Image, common: Mask) -> float:
    """Mean difference of two registered images, 0 to 1; large differences count no more.

    Args:
        first: (h, w), a copy of about `SIDE` pixels.
        second: (h, w), registered to it.
        common: (h, w), where both hold data; elsewhere they count as different.
    """
    share = float(common.mean())
    return share * residual_within(first, second, common) + 1 - share


def residual_within(first: Image, second: Image, common: Mask) -> float:
    """As `residual`, of the part where both images hold data; 1 where there is none."""
    a, b = (_smoothed(image, common, _FINE) for image in (first, second))
    if not common.any():
        return 1.0
    difference, scale = _difference(a, b, common)
    if scale <= 0:
        return 1.0
    return float(np.minimum(difference[common] / (_DIFFERENCE * scale), 1.0).mean())


def misfits(copies: Sequence[Image], held: Sequence[Mask]) -> list[Mask | None]:
    """Find where the slices of a registered stack do not fit the others.

    Each is compared with the median of its neighbours, where these agree among themselves: things
    that many slices show differently, such as people who walk, belong to the scene.

    Args:
        copies: (h, w) each, in the geometry of the fused image, of any brightness.
        held: (h, w) each, where the copies hold data.

    Returns:
        For each slice (h, w), true where it does not fit; None: nowhere, or it cannot be said.
    """
    count = len(copies)
    if count < 3 or min(copies[0].shape) < _SMALLEST:
        return [None] * count
    smooth = [_smoothed(copy, mask, _SMOOTHING) for copy, mask in zip(copies, held, strict=True)]
    found: list[Mask | None] = []
    for index, (own, mask) in enumerate(zip(smooth, held, strict=True)):
        others = sorted(range(count), key=lambda other: (abs(other - index), other))
        others = others[1 : _NEIGHBOURS + 1]
        common = mask & np.logical_and.reduce([held[other] for other in others])
        found.append(_misfit(own, [smooth[other] for other in others], common))
    return found


def misfit_beside(
    own: Image, others: Sequence[Image], held: Sequence[Mask], blur: float
) -> Mask | None:
    """Find where an image does not fit others of the scene, though these agree.

    Args:
        own: (h, w), a copy of about `SIDE` pixels.
        others: (h, w) each, registered to it; two at least, the nearest in focus first.
        held: (h, w) each, where they hold data: `own`, then the others.
        blur: by how much it may be sharper or more blurred, blur radius in pixels of the copies.

    Returns:
        (h, w), true where it does not fit; None: nowhere, or it cannot be said.
    """
    if len(others) < 2 or min(own.shape) < _SMALLEST:
        return None
    common = np.logical_and.reduce(held)
    images = [
        _smoothed(image, mask, _SMOOTHING) for image, mask in zip((own, *others), held, strict=True)
    ]
    return _misfit(images[0], images[1:], common, blur)


def _misfit(own: Image, others: Sequence[Image], common: Mask, blur: float = 0.0) -> Mask | None:
    """Where a smoothed image differs from others of the scene; see `misfit_beside`."""
    if common.mean() < 1 - _MOST:
        return None
    near = np.array([_as_bright(other, others[0], common) for other in others])
    middle = np.median(near, axis=0).astype(np.float32)
    difference, scale = _difference(middle, own, common)
    if scale <= 0:
        return None
    limit = max(_DIFFERENCE * scale, _DEVIATIONS * float(np.median(difference[common])))
    if not (difference > limit).any():
        return None
    spread = np.quantile(np.abs(near - middle), 0.75, axis=0)
    limits = np.maximum(limit, _SPREAD * spread)
    if blur > 0 and (difference > limits).any():
        # A Gaussian as wide as half the radius of a disk spreads light as the disk does.
        for pair in blur_candidates(_series(middle), _series(own), (blur / 4, blur / 2)):
            difference = np.minimum(difference, _difference(*pair, common)[0])
    return _area((difference > limits) & common)


def _series(image: Image) -> BlurSeries[float, Image]:
    def gaussian(sigma: float) -> Image:
        return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma))

    return BlurSeries(image, gaussian)


def _smoothed(image: Image, held: Mask, sigma: float) -> Image:
    weight = cv2.GaussianBlur(held.astype(np.float32), (0, 0), sigma)
    values = cv2.GaussianBlur(np.where(held, image, np.float32(0)), (0, 0), sigma)
    return np.asarray(values / np.maximum(weight, 1e-6), np.float32)


def _as_bright(image: Image, reference: Image, common: Mask) -> Image:
    """Make an image as bright as the reference, as far as most of both shows."""
    # Of smoothed images, every other pixel is enough.
    some = image[::2, ::2], reference[::2, ::2]
    bright = common[::2, ::2] & (some[1] > 0.1 * reference[common].max()) & (some[0] > 0)
    if not bright.any():
        return image
    return np.asarray(image / np.float32(np.median(some[0][bright] / some[1][bright])))


def _difference(reference: Image, image: Image, common: Mask) -> tuple[Image, float]:
    """Difference of two smoothed images, and the range of values that both have."""
    matched = _as_bright(image, reference, common)
    ranges = [
        np.subtract(*np.quantile(each[common], (0.95, 0.05))) for each in (reference, matched)
    ]
    return np.abs(matched - reference), float(min(ranges[0], ranges[1]))


def _area(where: Mask) -> Mask | None:
    """Areas that are large enough, with a margin; None: there are none, or too much."""

    def disk(side: int) -> NDArray[np.uint8]:
        return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)), np.uint8)

    # What touches the border may continue beyond it.
    opened = cv2.morphologyEx(
        cv2.copyMakeBorder(where.astype(np.uint8), *[_OPENING] * 4, cv2.BORDER_REPLICATE),
        cv2.MORPH_OPEN,
        disk(_OPENING),
    )[_OPENING:-_OPENING, _OPENING:-_OPENING]
    if not _LEAST <= opened.mean() <= _MOST:
        return None
    return np.asarray(cv2.dilate(opened, disk(_MARGIN)), np.bool_)
