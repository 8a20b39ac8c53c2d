"""Registering two images by the differences of their pixels; see `lucas_kanade`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np

from aif_ros.fusion.motion.geometry import Transform, largest_displacement, translation
from aif_ros.fusion.motion.lucas_kanade import Limits, cauchy_weights, iterate, solve
from aif_ros.fusion.motion.photometric_error import MatchedBlur
from aif_ros.fusion.tiles import WHOLE
from aif_ros.types.image import Image


@dataclass(frozen=True)
class PixelSearch:
    """Settings of `register_pixels` for images of one size.

    Chosen by `benchmark fusion` on moving scenes.

    Attributes:
        similarity: search shift, rotation and scale; else a shift.
        strongest: share of the pixels, those with the largest gradients, that are used.
        damping: added to the diagonal of the normal equations: keeps images without edges still.
        limits: when to end.
    """

    similarity: bool
    strongest: float
    damping: float
    limits: Limits


class Registered(NamedTuple):
    """A transform, and the two images that it registers.

    Attributes:
        transform: (3, 3), from pixels of I(t) to those of the reference.
        match: I(t) and the reference warped by it.
    """

    transform: Transform
    match: MatchedBlur

    @property
    def error(self) -> float:
        """Mean photometric error."""
        return float(self.match.error.mean())


def register_pixels(
    compare: Callable[[Transform], Registered],
    start: Transform,
    search: PixelSearch,
    where: tuple[slice, slice] = WHOLE,
) -> Registered:
    """Minimise the difference of two images.

    Args:
        compare: registers the images by a transform.
        start: where to start.
        search: settings.
        where: rows and columns that are used.
    """

    def step(registered: Registered) -> tuple[Registered, float]:
        images = registered.match.first, registered.match.second
        motion = _step(*images, search, where)
        size = largest_displacement(motion, np.eye(3), images[0].shape)
        return compare(registered.transform @ motion), size

    return iterate(compare(start), step, search.limits, lambda registered: registered.error)


def _step(now: Image, before: Image, search: PixelSearch, where: tuple[slice, slice]) -> Transform:
    """One Gauss-Newton step from `now` to `before`."""
    mean = (now + before) / 2
    across, down = (
        cv2.Sobel(mean, cv2.CV_32F, *axis, scale=1 / 8)[where] for axis in ((1, 0), (0, 1))
    )
    error = (now - before)[where]
    height, width = now.shape
    centre = (width - 1) / 2, (height - 1) / 2
    shape = error.shape
    if search.strongest < 1:
        strength = across * across + down * down
        # Every third pixel gives the quantile well enough.
        threshold = np.quantile(strength[::3, ::3], 1 - search.strongest)
        chosen = np.flatnonzero((strength > 0) & (strength >= threshold))
        if not chosen.size:
            return np.eye(3)
        error, across, down = (each.ravel()[chosen] for each in (error, across, down))
    else:
        chosen = np.arange(error.size)
        error, across, down = error.ravel(), across.ravel(), down.ravel()
    columns = [across, down]
    if search.similarity:
        row, column = np.unravel_index(chosen, shape)
        x = (np.arange(width)[where[1]][column] - centre[0]) / width
        y = (np.arange(height)[where[0]][row] - centre[1]) / width
        columns += [across * x + down * y, down * x - across * y]
    slopes = np.stack(columns, 1)
    # Things that move by themselves differ more than the rest.
    weights = cauchy_weights(np.square(error / (2 * np.median(np.abs(error)) + 1e-6)))
    weighted = slopes * weights[:, None]
    damping = np.full(len(columns), search.damping)
    shift_x, shift_y, *other = solve(weighted.T @ slopes, weighted.T @ error, damping)
    if not search.similarity:
        return translation(shift_x, shift_y)
    scale, rotation = other[0] / width, other[1] / width
    return np.array(
        [
            [1 + scale, -rotation, shift_x - scale * centre[0] + rotation * centre[1]],
            [rotation, 1 + scale, shift_y - rotation * centre[0] - scale * centre[1]],
            [0, 0, 1],
        ]
    )
