"""Which pixels of the fused image a slice shows, and merging only those."""

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from aif_ros.fusion.fusion import Fused
from aif_ros.fusion.motion.geometry import Transform, corners
from aif_ros.fusion.motion.warping import resample
from aif_ros.fusion.tiles import Merge, Place
from aif_ros.types.image import Image

Mask = NDArray[np.bool_]

# Rows that are worked on at a time: coordinates of all pixels would take much memory.
_ROWS = 256


def covered(
    shape: tuple[int, ...], transform: Transform, place: Place, valid: Mask | None = None
) -> Mask:
    """Return which pixels of a place of the fused image a slice shows, (h, w).

    Args:
        shape: (H, W, ...) of the slice.
        transform: from the coordinates of the fused image to the slice's.
        place: rows and columns of the fused image.
        valid: (H, W), pixels of the slice that hold data; None: all.
    """
    height, width = shape[:2]
    (top, bottom, _), (left, right, _) = place[0].indices(height), place[1].indices(width)
    (xx, xy, x0), (yx, yy, y0) = transform[:2].astype(np.float32)
    across = np.arange(left, right, dtype=np.float32)
    inside = np.empty((bottom - top, right - left), np.bool_)
    for start in range(0, len(inside), _ROWS):
        rows = inside[start : start + _ROWS]
        down = np.arange(top + start, top + start + len(rows), dtype=np.float32)[:, None]
        x, y = xx * across + (xy * down + x0), yx * across + (yy * down + y0)
        # Transforms that are not worth a resampling move the border by less than half a pixel.
        rows[:] = (x > -0.5) & (x < width - 0.5) & (y > -0.5) & (y < height - 0.5)
    if valid is not None:
        # Interpolation mixes neighbours: all of them must hold data.
        inside &= resample(255 * valid.astype(np.uint8), transform, place) == 255
    return inside


def merge_covered(
    merge: Merge,
    image: Image,
    shown: Mask,
    position: float,
    fused: Fused,
    *,
    in_place: bool = False,
) -> Fused:
    """Merge the part of a slice that is `shown` (H, W); what is not shown keeps J.

    Where J has not been seen yet (sharpness 0), it starts as the slice. `image` is overwritten
    where it is not shown, and J where it has not been seen if it may be changed `in_place`: a copy
    of a large image takes much memory.

    Args:
        merge: a fusion method's.
        image: (H, W) or (H, W, 3) float32, the slice.
        shown: (H, W) bool, where it has data.
        position: lens position of the slice, metres.
        fused: J(t-1), of the same size.
        in_place: whether J(t-1) may be changed.
    """
    seen, hidden = fused.sharpness > 0, ~shown
    if not hidden.any() and seen.all():
        return merge(image, position, fused)
    new = shown & ~seen
    if new.any():
        begun = fused.image if in_place else fused.image.copy()
        _copy(begun, image, new)
        fused = replace(fused, image=begun)
    del new  # it would take memory while large images are merged
    # Filled with J, what is not shown has no edge that would count as detail.
    _copy(image, fused.image, hidden & seen)
    after = merge(image, position, fused)
    # What has been merged is a new array, or that of J.
    _copy(after.image, fused.image, hidden)
    _copy(after.sharpness, fused.sharpness, hidden)
    _copy(after.source_position, fused.source_position, hidden)
    return after


def _copy(target: Image, source: Image, where: Mask) -> None:
    np.copyto(target, source, where=where if target.ndim == 2 else where[..., None])


def common_area(transforms: Sequence[Transform], shape: tuple[int, ...]) -> Place:
    """Return the rows and columns of the fused image that all slices show.

    Args:
        transforms: from the coordinates of the fused image to those of each slice.
        shape: (H, W, ...) of the slices.

    Raises:
        ValueError: there are none.
    """
    height, width = shape[:2]
    top, left, bottom, right = 0.0, 0.0, height - 1.0, width - 1.0
    for transform in transforms:
        back = np.linalg.inv(transform)
        (x, y), (x1, y1), (x2, y2), (x3, y3) = cv2.transform(corners(shape)[None], back[:2])[0]
        left, right = max(left, x, x2), min(right, x1, x3)
        top, bottom = max(top, y, y1), min(bottom, y2, y3)
    rows = slice(int(np.ceil(top - 0.5)), int(np.floor(bottom + 0.5)) + 1)
    columns = slice(int(np.ceil(left - 0.5)), int(np.floor(right + 0.5)) + 1)
    if rows.stop - rows.start < 1 or columns.stop - columns.start < 1:
        raise ValueError("the slices have no area in common: do not crop, or leave slices out")
    return rows, columns
