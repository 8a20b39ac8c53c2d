"""Warping images by transforms and along optical flow.

`warp_image` and `warp_plane` warp frames of the loop, whose motion is mostly a shift; `warp_planes`
warps downscaled images while motion is estimated; `resample` warps slices of a stack, in parts.
"""

import math
from collections.abc import Iterable
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from aif_ros.fusion.motion.geometry import Transform, largest_displacement, translation
from aif_ros.fusion.tiles import WHOLE, Place
from aif_ros.types.image import Image

_NEGLIGIBLE = 0.3
"""Slices are not resampled for transforms that move no corner by more than this, pixels: in large
images the registration itself is a few tenths of a pixel out."""


def sampling_grid(
    flow: NDArray[np.float32],
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Columns and rows (h, w) that a flow (h, w, 2) leads to from each pixel."""
    height, width = flow.shape[:2]
    down, right = np.mgrid[0:height, 0:width].astype(np.float32)
    return right + flow[..., 0], down + flow[..., 1]


def warp_planes(
    planes: Iterable[Image], transform: Transform, flow: NDArray[np.float32]
) -> tuple[list[Image], NDArray[np.bool_]]:
    """Warp planes of one size: the result at p is the plane at transform(p + flow(p)).

    Args:
        planes: (h', w', ...) each.
        transform: from pixels of the result to those of the planes.
        flow: (h, w, 2), pixels of the result.

    Returns:
        The planes (h, w, ...), and where the result lies inside them, (h, w).
    """
    places = cv2.transform(np.stack(sampling_grid(flow), axis=2), transform[:2])
    x, y = places[..., 0], places[..., 1]
    planes = list(planes)
    height, width = planes[0].shape[:2]
    inside = (x > -1) & (x < width) & (y > -1) & (y < height)
    warped = [
        cv2.remap(plane, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        for plane in planes
    ]
    return warped, inside


def warp_image(image: Image, transform: Transform, shape: tuple[int, int]) -> Image:
    """Warp an image by an affine transform from its pixels to those of a result of `shape`.

    The result may share the image's memory, where nothing has to be resampled.

    Args:
        image: (H, W) or (H, W, 3) float32.
        transform: (3, 3), from pixels of the image to those of the result.
        shape: (rows, columns) of the result.
    """
    backward: Transform = np.asarray(np.linalg.inv(transform), np.float64)
    if shifts_whole_pixels(backward):
        return warp_plane(image, backward, shape, cv2.INTER_CUBIC, cv2.BORDER_REPLICATE)
    warped = warp_plane(image, backward, shape, cv2.INTER_CUBIC, cv2.BORDER_REPLICATE)
    return np.clip(warped, 0.0, 1.0, out=warped)


def resample(image: NDArray[Any], transform: Transform, place: Place = WHOLE) -> NDArray[Any]:
    """Bring a slice into the reference's geometry; what it does not show is mirrored.

    Args:
        image: (H, W) or (H, W, 3), uint8, uint16, or float32 in [0, 1].
        transform: from the reference's coordinates to the slice's.
        place: the part of the reference that is wanted.

    Returns:
        That part, of the slice's type; a view where nothing has moved.
    """
    height, width = image.shape[:2]
    if largest_displacement(transform, np.eye(3), image.shape) < _NEGLIGIBLE:
        return image if place is WHOLE else image[place]
    (top, bottom, _), (left, right, _) = place[0].indices(height), place[1].indices(width)
    moved = transform @ np.array([[1.0, 0.0, left], [0.0, 1.0, top], [0.0, 0.0, 1.0]])
    warped = cv2.warpAffine(
        image,
        moved[:2],
        (right - left, bottom - top),
        flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REFLECT_101,
    )
    return np.asarray(
        np.clip(warped, 0.0, 1.0, out=warped) if warped.dtype == np.float32 else warped
    )


def shifts_whole_pixels(transform: Transform) -> bool:
    """Whether a transform is a shift by whole pixels, which needs no interpolation."""
    return np.array_equal(transform, translation(*np.round(transform[:2, 2])))


def warp_plane(
    plane: NDArray[np.float32],
    transform: Transform,
    shape: tuple[int, int],
    interpolation: int,
    border: int,
) -> NDArray[np.float32]:
    """Warp a plane; a shift is several times faster than another transform.

    Args:
        plane: (h, w, ...).
        transform: from pixels of the result to those of the plane.
        shape: (height, width) of the result.
        interpolation: cv2.INTER_NEAREST, INTER_LINEAR or INTER_CUBIC.
        border: what lies outside the plane, as OpenCV names it.

    Returns:
        The result (height, width, ...); of a shift by whole pixels a part of the plane itself.
    """
    if not np.array_equal(transform, translation(*transform[:2, 2])):
        warped = cv2.warpAffine(
            plane,
            transform[:2],
            shape[::-1],
            flags=interpolation | cv2.WARP_INVERSE_MAP,
            borderMode=border,
        )
        return np.asarray(warped)
    right, down = (_split(float(shift), interpolation) for shift in transform[:2, 2])
    size = (shape[0] + len(down.weights) - 1, shape[1] + len(right.weights) - 1)
    window = _window(plane, (down.first, right.first), size, border)
    if len(right.weights) == len(down.weights) == 1:
        return window
    filtered = cv2.sepFilter2D(window, -1, right.weights, down.weights, anchor=(0, 0))
    return np.ascontiguousarray(filtered[: shape[0], : shape[1]])


class _Shift(NamedTuple):
    """A shift along one axis: the first pixel that has a part, and the weights of it and others."""

    first: int
    weights: NDArray[np.float32]


def _split(shift: float, interpolation: int) -> _Shift:
    whole = round(shift) if interpolation == cv2.INTER_NEAREST else math.floor(shift)
    part = shift - whole
    if part == 0 or interpolation == cv2.INTER_NEAREST:
        return _Shift(whole, np.ones(1, np.float32))
    if interpolation == cv2.INTER_LINEAR:
        return _Shift(whole, np.array([1 - part, part], np.float32))
    # Cubic convolution as OpenCV has it (Keys, 1981), a = -0.75.
    a, near, far = -0.75, (part, 1 - part), (1 + part, 2 - part)
    inner = [((a + 2) * x - (a + 3)) * x * x + 1 for x in near]
    outer = [((a * x - 5 * a) * x + 8 * a) * x - 4 * a for x in far]
    return _Shift(whole - 1, np.array([outer[0], *inner, outer[1]], np.float32))


def _window(
    plane: NDArray[np.float32], first: tuple[int, int], size: tuple[int, int], border: int
) -> NDArray[np.float32]:
    """Rows and columns from `first` on, also outside the plane."""
    inside, outside = [], []
    for start, count, length in zip(first, size, plane.shape, strict=False):
        # One pixel at least: the border repeats it.
        low, high = (min(max(x, 0), length) for x in (start, start + count))
        low, high = min(low, length - 1), max(high, 1)
        inside.append(slice(low, high))
        outside += [low - start, start + count - high]
    part = plane[tuple(inside)]
    if not any(outside):
        return part
    # What lies wholly outside begins or ends in the border.
    top, bottom, left, right = (max(x, 0) for x in outside)
    padded = cv2.copyMakeBorder(part, top, bottom, left, right, border)
    part = np.asarray(padded)[max(-outside[0], 0) :, max(-outside[2], 0) :]
    return part[: size[0], : size[1]]
