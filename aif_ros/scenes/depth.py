"""From measured depth to lens positions that bring it into focus."""

import cv2
import numpy as np
from numpy.typing import NDArray

from aif_ros.scenes.scene import SceneError

# The scene takes up this share of the lens's travel, in its middle.
_SHARE_OF_TRAVEL = 0.8
# Depths beyond these percentiles are outliers of the measurement.
_PERCENTILES = (0.5, 99.5)


def fill_depth(depth: NDArray[np.floating]) -> NDArray[np.float32]:
    """Fill what the depth sensor did not see (0, NaN, infinite), row by row.

    A hole is mostly background that one of two views could not see beside a near object, so it
    takes the farther of the depths to its left and right (the usual rule of stereo benchmarks,
    e.g. Hirschmueller, "Stereo Processing by Semiglobal Matching and Mutual Information", PAMI
    2008); rows without any depth take the nearest row.

    Args:
        depth: (H, W), metres.

    Raises:
        SceneError: no pixel has a depth.
    """
    depth = np.asarray(depth, dtype=np.float32)
    known = np.isfinite(depth) & (depth > 0)
    if not known.any():
        raise SceneError("the depth holds no measurement: all of it is 0, NaN or infinite")
    columns = np.arange(depth.shape[1])
    filled = np.full(depth.shape, np.nan, np.float32)
    for row in np.flatnonzero(known.any(axis=1)):
        seen = np.flatnonzero(known[row])
        after = np.searchsorted(seen, columns)
        left = depth[row, seen[np.maximum(after - 1, 0)]]
        right = depth[row, seen[np.minimum(after, len(seen) - 1)]]
        filled[row] = np.where(known[row], depth[row], np.maximum(left, right))
    rows = np.flatnonzero(known.any(axis=1))
    nearest = rows[np.abs(np.arange(depth.shape[0])[:, None] - rows[None]).argmin(axis=1)]
    filled = filled[nearest]
    # Row-wise filling leaves streaks; a median over the filled pixels alone removes them.
    smooth = cv2.medianBlur(filled, 5)
    return np.where(known, filled, smooth).astype(np.float32)


def dioptre_range(depth: NDArray[np.floating]) -> tuple[float, float]:
    """Return the dioptres (1/m) of the farthest and of the nearest depths, outliers left out.

    Args:
        depth: metres, of any shape.

    Raises:
        SceneError: a depth is not positive and finite.
    """
    if not (np.isfinite(depth).all() and (depth > 0).all()):
        raise SceneError("all depths must be positive and finite: fill the holes first")
    nearest, farthest = np.percentile(depth, _PERCENTILES)
    return 1.0 / float(farthest), 1.0 / float(nearest)


def focus_positions(
    depth: NDArray[np.floating], dioptres: tuple[float, float], limits: tuple[float, float]
) -> NDArray[np.float32]:
    """Lens position, metres, that brings each depth into focus.

    By the thin-lens equation the image distance grows linearly with the dioptres of the object
    distance (1/v = 1/f - 1/u, and v varies little). The simulated lens is given the focal length
    that spreads the scene over the middle 80 % of its travel, the nearest at the upper end.

    Args:
        depth: (H, W), metres, all known.
        dioptres: of the scene's farthest and nearest depths, see `dioptre_range`.
        limits: of the lens, metres.
    """
    far, near = dioptres
    low, high = limits
    margin = (1.0 - _SHARE_OF_TRAVEL) / 2 * (high - low)
    if near - far < 1e-9:
        return np.full(depth.shape, (low + high) / 2, np.float32)
    share = np.clip((1.0 / depth - far) / (near - far), 0.0, 1.0)
    return (low + margin + share * (high - low - 2 * margin)).astype(np.float32)
