"""Reading curve of a lens: what the blur estimator reads at each blur radius."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from aif_ros.calibration.windows import GRID, LARGEST_RADIUS, Place
from aif_ros.defocus.patch_blur import PatchEstimator

_LEAST_WINDOW = 64
"""Smallest side of a window that the networks take, pixels."""
_WINDOWS, _POINTS, _SAMPLES, _FEWEST = 16, 10, 8, 4
"""Windows that are read, points of the curve, samples for each of them, fewest points."""
_STEP = 0.05
"""Least rise from point to point, pixels."""


def reading_curve(
    stack: NDArray[np.float32],
    positions: NDArray[np.float64],
    followed: Sequence[tuple[Place, float]],
    gain: float,
    estimator: PatchEstimator,
) -> tuple[tuple[float, float], ...]:
    """Reading curve: medians of the readings by blur, made monotone; empty if undetermined.

    Args:
        stack: (N, H, W) registered slices.
        positions: (N,) of the slices, metres.
        followed: windows and their focus positions, metres.
        gain: blur per metre, pixels.
        estimator: read.
    """
    if min(stack.shape[1] // GRID[0], stack.shape[2] // GRID[1]) < _LEAST_WINDOW:
        return ()
    blurs, readings = [], []
    step = -(-len(followed) // _WINDOWS)
    for place, focus in followed[::step]:
        for image, position in zip(stack, positions, strict=True):
            reading = estimator.estimate_patch(np.ascontiguousarray(image[place])).radius
            blur = abs(position - focus) * gain
            if np.isfinite(reading) and blur <= LARGEST_RADIUS:
                blurs.append(blur)
                readings.append(reading)
    count = min(_POINTS, len(blurs) // _SAMPLES)
    if count < _FEWEST:
        return ()
    parts = np.array_split(np.argsort(blurs), count)
    x = np.array([np.median(np.array(blurs)[part]) for part in parts])
    y = np.array([np.median(np.array(readings)[part]) for part in parts])
    # The mean of the least monotone curve above the medians and the greatest one below them.
    y = 0.5 * (np.maximum.accumulate(y) + np.minimum.accumulate(y[::-1])[::-1])
    # Flat parts do not determine the travel: only their first points are kept.
    kept = np.r_[True, (np.diff(x) > _STEP) & (np.diff(y) > _STEP)]
    if kept.sum() < 2:
        return ()
    pairs = zip(x[kept], y[kept], strict=True)
    return tuple((round(float(blur), 3), round(float(reading), 3)) for blur, reading in pairs)
