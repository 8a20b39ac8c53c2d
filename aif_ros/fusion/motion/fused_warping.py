"""Warping J(t-1) with all that belongs to it into the geometry of I(t)."""

import math
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from aif_ros.fusion.fusion import Fused, blend
from aif_ros.fusion.motion.geometry import Transform, resize, scaling, translation
from aif_ros.fusion.motion.photometric_error import LARGEST_ERROR
from aif_ros.fusion.motion.warping import sampling_grid, shifts_whole_pixels, warp_plane
from aif_ros.types.image import Image

RESAMPLED = 0.85
"""Share of its Laplacian energy that J keeps when it is resampled once with a cubic kernel."""


def warp_fused(fused: Fused, transform: Transform, shape: tuple[int, int]) -> Fused:
    """Warp J by an affine transform from pixels of the result, of `shape`, to those of J.

    What J does not cover has sharpness 0.

    Args:
        fused: J.
        transform: (3, 3), from pixels of the result to those of J.
        shape: (rows, columns) of the result.
    """

    def warp(plane: NDArray[np.float32], interpolation: int, border: int) -> NDArray[np.float32]:
        warped = warp_plane(plane, transform, shape, interpolation, border)
        return warped.copy() if np.may_share_memory(warped, plane) else warped

    image = warp(fused.image, cv2.INTER_CUBIC, cv2.BORDER_REPLICATE)
    sharpness = warp(fused.sharpness, cv2.INTER_LINEAR, cv2.BORDER_CONSTANT)
    if not shifts_whole_pixels(transform):
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


def warp_along_flow(fused: Fused, flow: NDArray[np.float32], error: NDArray[np.float32]) -> Fused:
    """Warp J(t-1) along the optical flow.

    Args:
        fused: J(t-1), in the geometry of I(t) but for that.
        flow: (h, w, 2), downscaled and in pixels of that size: where what I(t) shows lies in
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

    def warp(
        plane: NDArray[np.float32], interpolation: int = cv2.INTER_LINEAR
    ) -> NDArray[np.float32]:
        return np.asarray(
            cv2.remap(plane, columns, rows, interpolation, borderMode=cv2.BORDER_REPLICATE)
        )

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
    """The part of an image of `shape` that a smaller mask of it touches; None: nothing."""
    left, top, width, height = cv2.boundingRect(mask.astype(np.uint8))
    if not width:
        return None
    x, y = shape[1] / mask.shape[1], shape[0] / mask.shape[0]

    # Interpolation carries it one pixel of the mask farther.
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
