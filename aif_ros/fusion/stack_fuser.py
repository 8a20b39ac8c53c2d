"""Fusing still stacks of large slices with little memory, on all cores."""

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aif_ros.fusion.exposure import Gain
from aif_ros.fusion.fusion import Fused, FusionMethod, OverwritingMethod
from aif_ros.fusion.motion.geometry import Transform
from aif_ros.fusion.motion.warping import resample
from aif_ros.fusion.overlap import covered, merge_covered
from aif_ros.fusion.tiles import WHOLE, Place, TileableMethod, merge_tiles, places
from aif_ros.types.image import Image, to_float


class StackFuser:
    """Holds J of a stack and merges one slice after the other into it, in place where it can.

    A slice stays as its file has it; where the method can work on tiles, each is resampled and
    made floating point on its own: allocating memory of the size of the image takes longer than
    fusing. Only what a slice shows is merged: neither what lies beyond its border nor pixels
    without data.

    Args:
        method: merges two aligned images.
    """

    def __init__(self, method: FusionMethod) -> None:
        self._method = method
        self._fused: Fused | None = None
        self._pool = ThreadPoolExecutor(len(os.sched_getaffinity(0)))

    @property
    def fused(self) -> Fused | None:
        """J so far, which the next slice changes; None before the first."""
        return self._fused

    def add(
        self,
        image: NDArray[Any],
        transform: Transform,
        position: float,
        *,
        valid: NDArray[np.bool_] | None = None,
        gain: Gain | None = None,
    ) -> None:
        """Merge a slice.

        Args:
            image: (H, W) or (H, W, 3), uint8 or uint16; all of one shape.
            transform: from the coordinates of J to the slice's.
            position: its lens position, metres.
            valid: (H, W), pixels that hold data; None: all.
            gain: by which it is brighter than the others; None: it is not.
        """
        if gain is not None:
            valid = gain.unclipped(image, valid)

        def aligned(place: Place) -> Image:
            part = to_float(resample(image, transform, place))
            return part if gain is None else gain.remove(part, _heights(image, transform, place))

        def whole() -> Image:
            # Part by part: intermediate results would take as much memory again, or twice.
            result = np.empty(image.shape, np.float32)
            for place in places(image.shape[:2]):
                result[place] = aligned(place)
            return result

        if self._fused is None or not isinstance(self._method, TileableMethod):
            shown = covered(image.shape, transform, WHOLE, valid)
            self._fused = self._merge_whole(whole(), shown, position)
            return
        merge_tile, margin = self._method.for_tiles(self._fused)

        def merged(place: Place, fused: Fused) -> Fused:
            shown = covered(image.shape, transform, place, valid)
            return merge_covered(merge_tile, aligned(place), shown, position, fused)

        merge_tiles(merged, self._fused, self._fused, margin, self._pool.map)
        self._fused = replace(self._fused, frames=self._fused.frames + 1)

    def _merge_whole(self, image: Image, shown: NDArray[np.bool_], position: float) -> Fused:
        """Merge the first slice, or one by a method that cannot work on tiles.

        Args:
            image: (H, W) or (H, W, 3), aligned.
            shown: (H, W), what of it the slice shows.
            position: its lens position, metres.
        """
        if self._fused is None:
            first = self._method.merge(image, position, None)
            return first if shown.all() else replace(first, sharpness=first.sharpness * shown)
        merge = self._method.merge
        if isinstance(self._method, OverwritingMethod):
            merge = self._method.merge_overwriting
        return merge_covered(merge, image, shown, position, self._fused, in_place=True)


def _heights(image: NDArray[Any], transform: Transform, place: Place) -> NDArray[np.float64]:
    """Where the rows of a part of J are in a slice, shares of its height, at the part's middle."""
    height, width = image.shape[:2]
    rows, columns = (
        np.arange(size)[part] for size, part in zip((height, width), place, strict=True)
    )
    along = transform[1, 0] * columns.mean() + transform[1, 1] * rows + transform[1, 2]
    return np.asarray((along + 0.5) / height)
