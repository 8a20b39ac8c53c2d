"""A slice at the sizes that it is registered at."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aif_ros.fusion.motion.blur_equalization import SIGMAS, BlurMeasurement
from aif_ros.fusion.motion.downscaled_slice import DownscaledSlice
from aif_ros.fusion.motion.photo_consistency import SIDE

_LEVELS = ((SIDE, SIGMAS[4]), (480, SIGMAS[3]), (1440, SIGMAS[2]))
"""Levels of the pyramid of a slice: longer side, pixels, and the largest standard deviation, pixels
of the level, by which the blur of two slices may differ: large images need not show what small ones
show. Chosen by hand with `PairSettings` (`pair_registration`)."""


@dataclass(frozen=True)
class SlicePyramid:
    """A slice at the sizes that it is registered at.

    Attributes:
        levels: from small to large.
        blur: of the same, as it is equalized.
        shape: (H, W) of the slice.
    """

    levels: Sequence[DownscaledSlice]
    blur: Sequence[BlurMeasurement]
    shape: tuple[int, int]

    @classmethod
    def of(
        cls, gray: NDArray[Any], valid: NDArray[np.bool_] | None, largest_side: int | None
    ) -> "SlicePyramid":
        """Make the pyramid of a slice.

        Args:
            gray: (H, W).
            valid: (H, W), pixels that hold data; None: all.
            largest_side: of the levels, at most, pixels; None: no limit but that of `_LEVELS`.
        """
        longer = max(gray.shape)
        chosen = [
            level
            for index, level in enumerate(_LEVELS)
            if index == 0
            or (_LEVELS[index - 1][0] < longer and level[0] <= (largest_side or level[0]))
        ]
        levels = [DownscaledSlice.of(gray, valid, side) for side, _ in chosen]
        blur = [
            BlurMeasurement.of(level.image, sigma)
            for level, (_, sigma) in zip(levels, chosen, strict=True)
        ]
        return cls(levels, blur, (gray.shape[0], gray.shape[1]))

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the slice."""
        return self.shape[1], self.shape[0]
