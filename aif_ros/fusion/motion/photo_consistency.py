"""Photometric consistency: areas in which images of one scene differ by more than blur and motion.

A shadow, a finger in front of the lens, rows that were not transmitted: no registration makes them
agree, and their borders bias a registration. Defocus changes fine detail, but hardly the mean over
a large area; so smoothed images are compared, of equal brightness on the whole, and only areas
count that are larger than what blur and motion leave at edges.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from aif_ros.fusion.motion.blur_equalization import BlurSeries, blur_candidates
from aif_ros.types.image import Image

Mask = NDArray[np.bool_]

SIDE = 160
"""Longer side of the downscaled images that are compared, pixels."""


@dataclass(frozen=True)
class ConsistencySettings:
    """Settings of the comparison; lengths in pixels of images whose longer side is `SIDE`.

    Chosen by hand on stacks with fingers, shadows and lost rows drawn on them, such that stacks
    without them are left as they are; see `test/fusion/motion/test_photo_consistency.py`.

    Attributes:
        smoothing: standard deviation of the Gaussian filter: a fiftieth of the image.
        fine_smoothing: the same for the residual of a registration.
        difference: least difference in an inconsistent area, as a share of the range between the
            5th and 95th percentile of the smoothed image; ...
        deviations: ... and as a multiple of the median difference, ...
        spread: ... and of that between the other slices of a stack.
        opening: diameter of the smallest area that counts: more than edges differ by.
        margin: diameter of the disk by which an area is enlarged: smoothing hides its border.
        smallest: shorter side of the smallest images in which there are such areas.
        least_share: of the image, from which on an area can be judged.
        largest_share: of the image, up to which an area can be judged.
        neighbours: slices of a stack, the nearest ones, that a slice is compared with.
    """

    smoothing: float = 3.0
    fine_smoothing: float = 1.0
    difference: float = 0.3
    deviations: float = 5.0
    spread: float = 3.0
    opening: int = 9
    margin: int = 13
    smallest: int = 32
    least_share: float = 0.01
    largest_share: float = 0.6
    neighbours: int = 6


_SETTINGS = ConsistencySettings()


def inconsistent_area(first: Image, second: Image, common: Mask) -> Mask | None:
    """Find where two registered images are inconsistent.

    Args:
        first: (h, w), whose longer side is about `SIDE` pixels.
        second: (h, w), registered to it, of any brightness.
        common: (h, w), where both hold data.

    Returns:
        (h, w), true where they are; None: nowhere, or it cannot be determined.
    """
    if min(first.shape) < _SETTINGS.smallest or common.mean() < 1 - _SETTINGS.largest_share:
        return None
    a, b = (_smoothed(image, common, _SETTINGS.smoothing) for image in (first, second))
    difference, scale = _difference(a, b, common)
    if scale <= 0:
        return None
    limit = max(
        _SETTINGS.difference * scale, _SETTINGS.deviations * float(np.median(difference[common]))
    )
    return _area((difference > limit) & common)


def residual(first: Image, second: Image, common: Mask) -> float:
    """Mean difference of two registered images, 0 to 1; large differences count no more.

    Args:
        first: (h, w), whose longer side is about `SIDE` pixels.
        second: (h, w), registered to it.
        common: (h, w), where both hold data; elsewhere they count as different.
    """
    share = float(common.mean())
    return share * residual_within(first, second, common) + 1 - share


def residual_within(first: Image, second: Image, common: Mask) -> float:
    """As `residual`, of the part where both images hold data; 1 where there is none."""
    a, b = (_smoothed(image, common, _SETTINGS.fine_smoothing) for image in (first, second))
    if not common.any():
        return 1.0
    difference, scale = _difference(a, b, common)
    if scale <= 0:
        return 1.0
    return float(np.minimum(difference[common] / (_SETTINGS.difference * scale), 1.0).mean())


def inconsistent_areas(images: Sequence[Image], valid: Sequence[Mask]) -> list[Mask | None]:
    """Find where the slices of a registered stack are inconsistent with the others.

    Each is compared with the median of its neighbours, where these agree among themselves: things
    that many slices show differently, such as people who walk, belong to the scene.

    Args:
        images: (h, w) each, in the geometry of the fused image, of any brightness.
        valid: (h, w) each, where they hold data.

    Returns:
        For each slice (h, w), true where it is; None: nowhere, or it cannot be determined.
    """
    count = len(images)
    if count < 3 or min(images[0].shape) < _SETTINGS.smallest:
        return [None] * count
    smooth = [
        _smoothed(image, mask, _SETTINGS.smoothing)
        for image, mask in zip(images, valid, strict=True)
    ]
    found: list[Mask | None] = []
    for index, (own, mask) in enumerate(zip(smooth, valid, strict=True)):
        others = sorted(range(count), key=lambda other: (abs(other - index), other))
        others = others[1 : _SETTINGS.neighbours + 1]
        common = mask & np.logical_and.reduce([valid[other] for other in others])
        found.append(_inconsistent(own, [smooth[other] for other in others], common))
    return found


def inconsistent_with(
    own: Image, others: Sequence[Image], valid: Sequence[Mask], blur: float
) -> Mask | None:
    """Find where an image is inconsistent with others of the scene, though these agree.

    Args:
        own: (h, w), whose longer side is about `SIDE` pixels.
        others: (h, w) each, registered to it; two at least, the nearest in focus first.
        valid: (h, w) each, where they hold data: `own`, then the others.
        blur: by how much it may be sharper or more blurred, blur radius in pixels of these images.

    Returns:
        (h, w), true where it is; None: nowhere, or it cannot be determined.
    """
    if len(others) < 2 or min(own.shape) < _SETTINGS.smallest:
        return None
    common = np.logical_and.reduce(valid)
    images = [
        _smoothed(image, mask, _SETTINGS.smoothing)
        for image, mask in zip((own, *others), valid, strict=True)
    ]
    return _inconsistent(images[0], images[1:], common, blur)


def _inconsistent(
    own: Image, others: Sequence[Image], common: Mask, blur: float = 0.0
) -> Mask | None:
    """Where a smoothed image differs from others of the scene; see `inconsistent_with`."""
    if common.mean() < 1 - _SETTINGS.largest_share:
        return None
    near = np.array([_as_bright(other, others[0], common) for other in others])
    middle = np.median(near, axis=0).astype(np.float32)
    difference, scale = _difference(middle, own, common)
    if scale <= 0:
        return None
    limit = max(
        _SETTINGS.difference * scale, _SETTINGS.deviations * float(np.median(difference[common]))
    )
    if not (difference > limit).any():
        return None
    spread = np.quantile(np.abs(near - middle), 0.75, axis=0)
    limits = np.maximum(limit, _SETTINGS.spread * spread)
    if blur > 0 and (difference > limits).any():
        # A Gaussian as wide as half the radius of a disk spreads light as the disk does.
        for pair in blur_candidates(_series(middle), _series(own), (blur / 4, blur / 2)):
            difference = np.minimum(difference, _difference(*pair, common)[0])
    return _area((difference > limits) & common)


def _series(image: Image) -> BlurSeries[float, Image]:
    def gaussian(sigma: float) -> Image:
        return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma))

    return BlurSeries(image, gaussian)


def _smoothed(image: Image, valid: Mask, sigma: float) -> Image:
    weight = cv2.GaussianBlur(valid.astype(np.float32), (0, 0), sigma)
    values = cv2.GaussianBlur(np.where(valid, image, np.float32(0)), (0, 0), sigma)
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
        cv2.copyMakeBorder(where.astype(np.uint8), *[_SETTINGS.opening] * 4, cv2.BORDER_REPLICATE),
        cv2.MORPH_OPEN,
        disk(_SETTINGS.opening),
    )[_SETTINGS.opening : -_SETTINGS.opening, _SETTINGS.opening : -_SETTINGS.opening]
    if not _SETTINGS.least_share <= opened.mean() <= _SETTINGS.largest_share:
        return None
    return np.asarray(cv2.dilate(opened, disk(_SETTINGS.margin)), np.bool_)
