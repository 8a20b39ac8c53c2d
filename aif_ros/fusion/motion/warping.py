"""Warping images, and J(t-1) with all that belongs to it, into the geometry of I(t)."""

import math
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from aif_ros.fusion.fusion import Fused, blend
from aif_ros.fusion.motion.geometry import Transform, resize, scaling, translation
from aif_ros.fusion.motion.photometric_error import LARGEST_ERROR
from aif_ros.types.image import Image

RESAMPLED = 0.85
"""Share of its Laplacian energy that J keeps when it is resampled once with a cubic kernel."""


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
    if _shifts_whole_pixels(backward):
        return _resampled(image, backward, shape, cv2.INTER_CUBIC, cv2.BORDER_REPLICATE)
    warped = _resampled(image, backward, shape, cv2.INTER_CUBIC, cv2.BORDER_REPLICATE)
    return np.clip(warped, 0.0, 1.0, out=warped)


def warp_fused(fused: Fused, transform: Transform, shape: tuple[int, int]) -> Fused:
    """Warp J by an affine transform from pixels of the result, of `shape`, to those of J.

    What J does not cover has sharpness 0.

    Args:
        fused: J.
        transform: (3, 3), from pixels of the result to those of J.
        shape: (rows, columns) of the result.
    """

    def warp(plane: NDArray[np.float32], how: int, border: int) -> NDArray[np.float32]:
        warped = _resampled(plane, transform, shape, how, border)
        return warped.copy() if np.may_share_memory(warped, plane) else warped

    image = warp(fused.image, cv2.INTER_CUBIC, cv2.BORDER_REPLICATE)
    sharpness = warp(fused.sharpness, cv2.INTER_LINEAR, cv2.BORDER_CONSTANT)
    if not _shifts_whole_pixels(transform):
        np.clip(image, 0.0, 1.0, out=image)
        sharpness *= np.float32(RESAMPLED)
    memory = fused.memory
    if memory is not None:
        memory = _warp_memory(memory, transform, shape)
    return Fused(
        image,
        sharpness,
        warp(fused.source_position, cv2.INTER_NEAREST, cv2.BORDER_REPLICATE),
        fused.frames,
        memory=memory,
    )


def _shifts_whole_pixels(transform: Transform) -> bool:
    return np.array_equal(transform, translation(*np.round(transform[:2, 2])))


def _resampled(
    plane: NDArray[np.float32], transform: Transform, shape: tuple[int, int], how: int, border: int
) -> NDArray[np.float32]:
    """Resample a plane; a shift is several times faster than another transform.

    Args:
        plane: (h, w, ...).
        transform: from pixels of the result to those of the plane.
        shape: (height, width) of the result.
        how: interpolation: cv2.INTER_NEAREST, INTER_LINEAR or INTER_CUBIC.
        border: what lies outside the plane, as OpenCV names it.

    Returns:
        The result (height, width, ...); of a shift by whole pixels a part of the plane itself.
    """
    if not np.array_equal(transform, translation(*transform[:2, 2])):
        warped = cv2.warpAffine(
            plane,
            transform[:2],
            shape[::-1],
            flags=how | cv2.WARP_INVERSE_MAP,
            borderMode=border,
        )
        return np.asarray(warped)
    right, down = (_split(float(shift), how) for shift in transform[:2, 2])
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


def _split(shift: float, how: int) -> _Shift:
    whole = round(shift) if how == cv2.INTER_NEAREST else math.floor(shift)
    part = shift - whole
    if part == 0 or how == cv2.INTER_NEAREST:
        return _Shift(whole, np.ones(1, np.float32))
    if how == cv2.INTER_LINEAR:
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


def warp_along_flow(fused: Fused, flow: NDArray[np.float32], error: NDArray[np.float32]) -> Fused:
    """Warp J(t-1) along the optical flow.

    Args:
        fused: J(t-1), in the geometry of I(t) but for that.
        flow: (h, w, 2), on a smaller copy and in pixels of it: where what I(t) shows lies in
            `fused`, relative to it.
        error: (h, w), the photometric error that is left; becomes the `mismatch` of the result.
    """
    warped = replace(fused, mismatch=error)
    shape = fused.sharpness.shape
    place = _around(np.asarray(flow.any(axis=2)), shape)
    if place is None:
        return warped
    full = _enlarged(flow, shape, place)
    full *= _ratio(fused.sharpness, flow)
    columns, rows = sampling_grid(full)
    columns += np.float32(place[1].start)
    rows += np.float32(place[0].start)

    def warp(plane: NDArray[np.float32], how: int = cv2.INTER_LINEAR) -> NDArray[np.float32]:
        return np.asarray(cv2.remap(plane, columns, rows, how, borderMode=cv2.BORDER_REPLICATE))

    def with_part(plane: NDArray[np.float32], part: NDArray[np.float32]) -> NDArray[np.float32]:
        plane = plane.copy()
        plane[place] = part
        return plane

    memory = fused.memory
    if memory is not None:
        halved = sampling_grid(resize(flow, memory.shape[1::-1]) * _ratio(memory, flow))
        memory = cv2.remap(memory, *halved, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    kept = np.where(full.any(axis=2), np.float32(RESAMPLED), np.float32(1))
    return replace(
        warped,
        image=with_part(fused.image, np.clip(warp(fused.image, cv2.INTER_CUBIC), 0.0, 1.0)),
        sharpness=with_part(fused.sharpness, kept * warp(fused.sharpness)),
        source_position=with_part(
            fused.source_position, warp(fused.source_position, cv2.INTER_NEAREST)
        ),
        memory=memory,
    )


def _ratio(plane: NDArray[Any], other: NDArray[Any]) -> NDArray[np.float32]:
    """(2,), width and height of a plane in those of another."""
    width, height = (plane.shape[axis] / other.shape[axis] for axis in (1, 0))
    return np.array([width, height], np.float32)


def _around(mask: NDArray[np.bool_], shape: tuple[int, ...]) -> tuple[slice, slice] | None:
    """The part of an image of `shape` that a mask on a smaller copy touches; None: nothing."""
    left, top, width, height = cv2.boundingRect(mask.astype(np.uint8))
    if not width:
        return None
    x, y = shape[1] / mask.shape[1], shape[0] / mask.shape[0]

    # Interpolation carries it one pixel of the copy farther.
    def part(first: int, count: int, scale: float, length: int) -> slice:
        first_pixel = math.floor((first - 1) * scale)
        return slice(max(0, first_pixel), min(length, math.ceil((first + count + 1) * scale)))

    return part(top, height, y, shape[0]), part(left, width, x, shape[1])


def _enlarged(
    plane: NDArray[np.float32], shape: tuple[int, ...], place: tuple[slice, slice]
) -> NDArray[np.float32]:
    """A part of a small plane (h, w, ...) enlarged to `shape`."""
    rows, columns = place
    to_copy = scaling(shape, plane.shape) @ translation(columns.start, rows.start)
    enlarged = cv2.warpAffine(
        plane,
        to_copy[:2],
        (columns.stop - columns.start, rows.stop - rows.start),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return np.asarray(enlarged)


def _warp_memory(
    memory: NDArray[np.float32], transform: Transform, shape: tuple[int, int]
) -> NDArray[np.float32]:
    halve = np.array([[0.5, 0, -0.25], [0, 0.5, -0.25], [0, 0, 1]])
    warped = cv2.warpAffine(
        memory,
        (halve @ transform @ np.linalg.inv(halve))[:2],
        ((shape[1] + 1) // 2, (shape[0] + 1) // 2),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_CONSTANT,
    )
    return np.asarray(warped)


def replace_mismatches(fused: Fused, image: Image) -> Fused:
    """Replace the warped J(t-1) by I(t), with sharpness 0, where they do not match.

    Args:
        fused: J(t-1), warped, with the photometric error of the warping.
        image: I(t), (H, W) or (H, W, 3) float32 of the same size.
    """
    if fused.mismatch is None:
        return fused
    # The median removes single pixels, which match or not by chance.
    wrong = cv2.medianBlur((fused.mismatch > LARGEST_ERROR).astype(np.uint8), 7)
    wrong = cv2.dilate(wrong, np.ones((5, 5), np.uint8))
    place = _around(wrong > 0, fused.sharpness.shape)
    if place is None:
        return replace(fused, mismatch=None)
    invalid = _enlarged(wrong.astype(np.float32), fused.sharpness.shape, place)
    replaced, sharpness = fused.image.copy(), fused.sharpness.copy()
    replaced[place] = blend(fused.image[place], image[place], invalid)
    sharpness[place] *= 1 - invalid
    return replace(fused, image=replaced, sharpness=sharpness, mismatch=None)


class WarpOnly:
    """A fusion method that keeps J(t-1) and uses I(t) only where J does not show the scene.

    For frames that must not be merged, because the lens moved while they were exposed.
    """

    def merge(self, image: Image, position: float, fused: Fused | None) -> Fused:
        """Return J(t-1), warped."""
        assert fused is not None
        return replace_mismatches(fused, image)
