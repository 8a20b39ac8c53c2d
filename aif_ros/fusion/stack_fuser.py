"""Fusing still stacks of large slices with little memory, on all cores."""

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from numpy.typing import NDArray

from aif_ros.fusion.fusion import Fused, FusionMethod
from aif_ros.fusion.motion.stack_registration import Transform, resample
from aif_ros.fusion.tiles import Place, TileableMethod, merge_tiles
from aif_ros.types.image import to_float


class StackFuser:
    """Holds J of a stack and merges one slice after the other into it, in place where it can.

    A slice stays as its file has it; where the method can work on tiles, each is resampled and
    made floating point on its own: new memory of the size of the picture takes longer to come by
    than fusing takes.

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

    def add(self, image: NDArray[Any], transform: Transform, position: float) -> None:
        """Merge a slice.

        Args:
            image: (H, W) or (H, W, 3), uint8 or uint16; all of one shape.
            transform: from the coordinates of J to the slice's.
            position: its lens position, metres.
        """
        if self._fused is None or not isinstance(self._method, TileableMethod):
            whole = to_float(resample(image, transform))
            self._fused = self._method.merge(whole, position, self._fused)
            return
        merge, margin = self._method.for_tiles(self._fused)

        def merged(place: Place, fused: Fused) -> Fused:
            return merge(to_float(resample(image, transform, place)), position, fused)

        merge_tiles(merged, self._fused, self._fused, margin, self._pool.map)
        self._fused = replace(self._fused, frames=self._fused.frames + 1)
