"""Coverage of the scene: its definition, and the lens positions captured so far.

After the last frame every part of the scene that has detail should be as sharp in J as a full sweep
would make it. Remaining defocus is the share of the parts for which that does not hold.
"""

from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aif_ros.control.sweep import sweep_positions
from aif_ros.defocus.defocus_map import DefocusMap
from aif_ros.optics.lens_model import LensModel

KEPT_SHARPNESS = 0.9
"""A part of the scene is covered if J is at least this share as sharp as a full sweep makes it."""

# Root mean square gradient that blur of this many pixels leaves of a sharp photograph: the lower
# decile over 32-px tiles of seven photographs of scikit-image at half size, rendered with disks in
# linear light and a camera's noise of 1.5 / 255. A disk within half a pixel blurs nothing.
_RADII_PX = (0.0, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 8.0, 20.0, 60.0)
_SHARPNESS = (1.0, 1.0, 0.85, 0.76, 0.67, 0.55, 0.4, 0.23, 0.14, 0.06, 0.02)


def relative_sharpness(blur_radius: ArrayLike) -> NDArray[np.float64]:
    """Return the sharpness, as a share of the sharp scene's, with that blur radius, pixels."""
    return np.asarray(np.interp(np.asarray(blur_radius), _RADII_PX, _SHARPNESS))


def covering(
    lens_model: LensModel,
    image_width: int,
    focus: NDArray[np.floating],
    captures: NDArray[np.floating],
) -> NDArray[np.bool_]:
    """Return which captures cover what is in focus where.

    Args:
        lens_model: of the lens in use.
        image_width: of the images, pixels.
        focus: (N,) focus positions, metres.
        captures: (M,) lens positions, metres.

    Returns:
        (N, M) bool: whether a capture makes what is in focus there at least `KEPT_SHARPNESS` times
        as sharp as a full sweep does.
    """
    gain = lens_model.blur_gain(image_width)
    sweep = np.asarray(sweep_positions(lens_model, image_width))
    swept = gain * np.abs(focus[:, None] - sweep).min(axis=1)
    captured = gain * np.abs(focus[:, None] - captures)
    wanted = KEPT_SHARPNESS * relative_sharpness(swept)
    return np.asarray(relative_sharpness(captured) >= wanted[:, None])


def remaining_defocus(fused: DefocusMap) -> float:
    """Return the share of the cells of J that its defocus map shows out of focus; NaN: unknown.

    The estimate of one map alone; an agent that remembers earlier frames has a better one.
    """
    known = np.isfinite(fused.in_focus)
    return float((fused.in_focus[known] < 0.5).mean()) if known.any() else float("nan")


class Coverage:
    """The lens positions captured so far, metres.

    Example:
        >>> coverage = Coverage()
        >>> coverage.add(0.0)
        >>> coverage.add(1e-3)
        >>> coverage.span()
        0.001
        >>> coverage.farthest(limits=(0.0, 4e-3))
        0.004
    """

    def __init__(self) -> None:
        self.positions: list[float] = []

    def add(self, position: float) -> None:
        """Add one captured position."""
        self.positions.append(position)

    def distance(self, positions: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return for each of `positions` how far the nearest capture is; inf before the first."""
        positions = np.asarray(positions, dtype=np.float64)
        if not self.positions:
            return np.full(positions.shape, np.inf)
        captured = np.asarray(self.positions)
        return np.asarray(np.abs(positions[..., None] - captured).min(axis=-1))

    def span(self) -> float:
        """Distance between the outermost captures, metres."""
        return max(self.positions, default=0.0) - min(self.positions, default=0.0)

    def farthest(self, limits: tuple[float, float]) -> float:
        """Return the position within `limits` that is farthest from all captures."""
        ordered = sorted(self.positions)
        middles = [(first + second) / 2 for first, second in pairwise(ordered)]
        candidates = np.array([*limits, *middles])
        return float(candidates[np.argmax(self.distance(candidates))])
