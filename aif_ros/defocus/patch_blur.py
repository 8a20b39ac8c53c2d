"""Blur of a patch as a whole: the interface of estimators that focus searches use."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from aif_ros.types.image import Image


@dataclass(frozen=True)
class PatchBlur:
    """Blur of one patch as a whole.

    Attributes:
        radius: blur radius >= 0, pixels; NaN: unknown.
        uncertainty: standard deviation of `radius`, pixels; NaN likewise.
        in_focus: probability that the blur is within the depth of field; NaN likewise.
        radii: (n,) float32, blur radii, pixels, ascending.
        probabilities: (n,) float32, probability of each of `radii`; sums to 1; uniform where there
            is no contrast.
    """

    radius: float
    uncertainty: float
    in_focus: float
    radii: NDArray[np.float32]
    probabilities: NDArray[np.float32]


class PatchEstimator(Protocol):
    """Estimates the blur of a patch as a whole."""

    def estimate_patch(self, image: Image) -> PatchBlur:
        """Return the blur of `image`, (H, W) or (H, W, 3), float32 in [0, 1]."""
        ...
