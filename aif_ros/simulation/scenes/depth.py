"""From measured depth to lens positions that bring it into focus."""

from dataclasses import dataclass
from itertools import product

import cv2
import numpy as np
from numpy.typing import NDArray

from aif_ros.simulation.scenes.scene import SceneError, SceneView
from aif_ros.types.image import Image


@dataclass(frozen=True)
class DepthSettings:
    """How measured depth becomes focus positions, chosen by hand on RGB-D scenes.

    Attributes:
        share_of_travel: share of the travel of the lens, in its middle, that the scene fills.
        percentiles: depths beyond these are outliers of the measurement.
        edge_share: jump, as a share of the travel, that is the edge of an object.
        align_reach: neighbours up to this many pixels away vote: enough for edges one pixel beside
            the true ones.
        colour_spread: standard deviation of the colours of one surface, full scale 1.
        nearer_share: share of the votes with which the nearer surface takes a pixel.
    """

    share_of_travel: float = 0.8
    percentiles: tuple[float, float] = (0.5, 99.5)
    edge_share: float = 0.05
    align_reach: int = 2
    colour_spread: float = 0.06
    nearer_share: float = 0.35


_SETTINGS = DepthSettings()


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
    return np.asarray(np.where(known, filled, smooth).astype(np.float32))


def dioptre_range(depth: NDArray[np.floating]) -> tuple[float, float]:
    """Return the dioptres (1/m) of the farthest and of the nearest depths, outliers left out.

    Args:
        depth: metres, of any shape.

    Raises:
        SceneError: a depth is not positive and finite.
    """
    if not (np.isfinite(depth).all() and (depth > 0).all()):
        raise SceneError("all depths must be positive and finite: fill the holes first")
    nearest, farthest = np.percentile(depth, _SETTINGS.percentiles)
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
    margin = (1.0 - _SETTINGS.share_of_travel) / 2 * (high - low)
    if near - far < 1e-9:
        return np.full(depth.shape, (low + high) / 2, np.float32)
    share = np.clip((1.0 / depth - far) / (near - far), 0.0, 1.0)
    return np.asarray((low + margin + share * (high - low - 2 * margin)).astype(np.float32))


def measured_view(
    image: Image,
    depth: NDArray[np.float32],
    dioptres: tuple[float, float],
    limits: tuple[float, float],
) -> SceneView:
    """Return the view of a photograph with its depth: laid over the travel, edges aligned.

    Args:
        image: (H, W, 3) or (H, W), float32 in [0, 1].
        depth: (H, W), metres, all known.
        dioptres: of the scene's farthest and nearest depths, see `dioptre_range`.
        limits: of the lens, metres.
    """
    focus = focus_positions(depth, dioptres, limits)
    return SceneView(
        image, align_edges(focus, image, _SETTINGS.edge_share * (limits[1] - limits[0]))
    )


def align_edges(focus: NDArray[np.float32], image: Image, step: float) -> NDArray[np.float32]:
    """Move the edges of measured depth to where the image has them.

    Depth sensors put edges a pixel beside the true ones, and between two surfaces they report
    depths at which there is none; rendered, the rim of a near object then stays sharp where the
    object is blurred. So beside a depth edge each pixel joins the nearer or the farther surface, by
    a vote of its neighbours, weighted by similarity of colour and distance (as in the joint
    bilateral filter, Petschnigg et al., SIGGRAPH 2004), and takes the focus position of the
    most similar neighbour. Where the votes are close the nearer surface takes the pixel: its rim
    blurs with it.

    Args:
        focus: (H, W) focus positions, metres.
        image: (H, W, 3) or (H, W), float32 in [0, 1].
        step: smallest difference of focus position that counts as an edge, metres.

    Returns:
        (H, W) float32 focus positions; all of them occur in `focus`.
    """
    height, width = focus.shape
    size = 2 * _SETTINGS.align_reach + 1
    lowest, highest = (
        morph(focus, np.ones((size, size), np.uint8)) for morph in (cv2.erode, cv2.dilate)
    )
    lower, higher = (morph(focus, np.ones((3, 3), np.uint8)) for morph in (cv2.erode, cv2.dilate))
    trust = np.where(higher - lower > step / 2, np.float32(0.2), np.float32(1.0))
    # Depths between two surfaces belong to neither.
    trust[np.minimum(focus - lower, higher - focus) > step / 4] = 0.0
    rows, columns = np.nonzero(highest - lowest > step)
    middle = (lowest[rows, columns] + highest[rows, columns]) / 2
    colour = image.reshape(height * width, -1)
    own_colour = colour[rows * width + columns]
    # For the farther and the nearer surface: sum of the votes, the largest one, and its position.
    votes, best = np.zeros((2, len(rows)), np.float32), np.zeros((2, len(rows)), np.float32)
    value = np.stack([focus[rows, columns]] * 2)
    offsets = range(-_SETTINGS.align_reach, _SETTINGS.align_reach + 1)
    for down, right in product(offsets, offsets):
        index = np.clip(rows + down, 0, height - 1) * width + np.clip(columns + right, 0, width - 1)
        difference = ((colour[index] - own_colour) ** 2).sum(axis=1)
        distance = (down * down + right * right) / _SETTINGS.align_reach**2
        # Where no neighbour is similar, all of them keep a small weight.
        similarity = np.maximum(
            np.exp(difference * np.float32(-0.5 / _SETTINGS.colour_spread**2)), 1e-6
        )
        weight = similarity * trust.ravel()[index] * np.float32(np.exp(-distance))
        neighbour = focus.ravel()[index]
        for side, on_side in enumerate((neighbour <= middle, neighbour > middle)):
            share = weight * on_side
            votes[side] += share
            better = share > best[side]
            best[side][better] = share[better]
            value[side][better] = neighbour[better]
    aligned = focus.copy()
    nearer = votes[1] > _SETTINGS.nearer_share * votes.sum(axis=0)
    aligned[rows, columns] = np.where(nearer, value[1], value[0])
    return aligned
