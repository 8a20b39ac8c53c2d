"""Dust on the sensor: spots that stay in the frame while the scene drifts.

Every slice shows them at the same place, so that after registration they lie one beside the other,
a trail in the fused image. Against the scene as the slices together show it, registered, a spot is
too dark (or bright) at its place in the frame, by about as much in nearly every slice, while detail
of the scene is at another place in each: a spot must be smaller than the scene drifts there.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from aif_ros.fusion.median import median_of_known
from aif_ros.fusion.motion.geometry import Transform, corners
from aif_ros.fusion.motion.warping import resample
from aif_ros.fusion.overlap import covered
from aif_ros.fusion.tiles import WHOLE
from aif_ros.types.image import Image, to_float, to_gray
from aif_ros.types.resizing import reduce_to, resize_mask, size_within

LONGEST_SIDE = 1000
"""Longer side of the images in which dust is looked for, pixels: a spot of 12 px in an image of 24
megapixels is 2 px there."""
MOST_SLICES = 12
"""Slices that are looked at, evenly spread: enough for medians, and a second of work."""
FEWEST_SLICES = 4
"""Fewer give no robust median."""


@dataclass(frozen=True)
class _Rules:
    """What counts as dust; chosen on stacks with spots drawn on them.

    Attributes:
        least_drift: drift of the scene in the frame, pixels of these images, below which spots and
            scene are alike.
        least_contrast: contrast from which on a spot counts, logarithm of brightness; fainter ones
            do not show.
        deviations: the same, in robust standard deviations of all pixels.
        faintest: added before logarithms are taken: an 8-bit step.
        margin: pixels of these images by which spots are enlarged: their edges are soft.
        largest_share: share of the frame that spots may cover; more is no dust (a frame, a shadow,
            still slices).
        steadiness: least contrast of a spot, as a multiple of how much it varies between slices.
        shown_in: share of the slices that must show at least half of it.
        parts: a spot must show in this many parts of the stack, each by itself: what the scene
            shows at a place of the frame in one part has drifted away in the next.
    """

    least_drift: float = 4.0
    least_contrast: float = 0.03
    deviations: float = 6.0
    faintest: float = 1 / 255
    margin: int = 2
    largest_share: float = 0.03
    parts: int = 3
    steadiness: float = 3.0
    shown_in: float = 0.9


_RULES = _Rules()


@dataclass(frozen=True)
class Dust:
    """Spots that stay in the frame.

    Attributes:
        clean: (H, W) bool, pixels of every slice without them.
        spots: their number.
    """

    clean: NDArray[np.bool_]
    spots: int

    @property
    def share(self) -> float:
        """Of the frame that they cover."""
        return 1.0 - float(self.clean.mean())


def downscaled_log(
    pixels: NDArray[np.generic], valid: NDArray[np.bool_] | None = None
) -> NDArray[np.float16]:
    """Downscale a slice, and take the logarithm; NaN without data.

    Args:
        pixels: (H, W) or (H, W, 3), uint8 or uint16.
        valid: (H, W), pixels that hold data; None: all.
    """
    size = size_within(pixels.shape, LONGEST_SIDE)
    small = to_gray(to_float(reduce_to(pixels, size)))
    log = np.log(small + np.float32(_RULES.faintest))
    if valid is not None:
        share = reduce_to(valid.astype(np.float32), size)
        log[share < 1] = np.nan
    return np.asarray(log, np.float16)


def find_dust(
    downscaled: Sequence[NDArray[np.float16]],
    transforms: Sequence[Transform],
    shape: tuple[int, ...],
) -> Dust | None:
    """Find the spots that do not move with the scene; None: there are none that can be seen.

    Args:
        downscaled: of slices, see `downscaled_log`.
        transforms: from the coordinates of the fused image to those of these slices.
        shape: (H, W, ...) of the slices.
    """
    if len(downscaled) < FEWEST_SLICES:
        return None
    rows, columns = downscaled[0].shape
    scale = np.diag([columns / shape[1], rows / shape[0], 1.0])
    back = np.linalg.inv(scale)
    small: list[Transform] = [np.asarray(scale @ move @ back, np.float64) for move in transforms]
    if _drift(small, (rows, columns)) < _RULES.least_drift:
        return None
    seen = _fixed_spots(_beyond_scene(downscaled, small))
    count, labels, stats, centres = cv2.connectedComponentsWithStats(seen.astype(np.uint8))
    kept = [
        index
        for index in range(1, count)
        if stats[index, cv2.CC_STAT_AREA] > 1
        and min(stats[index, cv2.CC_STAT_WIDTH], stats[index, cv2.CC_STAT_HEIGHT])
        <= _drift_of(small, centres[index][None])
    ]
    if not kept:
        return None
    kernel = cv2.getStructuringElement(
        cv2.MORPH_ELLIPSE, (2 * _RULES.margin + 1, 2 * _RULES.margin + 1)
    )
    spots = cv2.dilate(np.isin(labels, kept).astype(np.uint8), kernel)
    if spots.mean() > _RULES.largest_share:
        return None
    return Dust(resize_mask(spots == 0, shape), len(kept))


def _beyond_scene(
    downscaled: Sequence[NDArray[np.float16]], transforms: Sequence[Transform]
) -> NDArray[Any]:
    """(n, h, w), in the frame: what each slice shows beyond the scene; NaN where it is unknown."""
    logs: list[NDArray[Any]] = [each.astype(np.float32) for each in downscaled]
    pairs = list(zip(logs, transforms, strict=True))
    scene = median_of_known(np.stack([_moved(log, move) for log, move in pairs]))
    beyond: NDArray[Any] = np.stack(
        [log - _moved(scene, np.asarray(np.linalg.inv(move), np.float64)) for log, move in pairs]
    )
    beyond -= np.nanmedian(beyond, axis=(1, 2), keepdims=True)
    return beyond


def _fixed_spots(beyond: NDArray[Any]) -> NDArray[np.bool_]:
    """(h, w), where all parts of a stack and most of its slices (n, h, w) show the same."""
    each = np.stack([_spots(np.nan_to_num(median_of_known(one[None]))) for one in beyond])
    parts = np.array_split(beyond, min(_RULES.parts, len(beyond) // 2))
    shown = np.stack([_spots(np.nan_to_num(median_of_known(part))) for part in parts])
    agree = (np.sign(shown) == np.sign(shown[0])).all(axis=0)
    fixed = np.where(agree, np.abs(shown).min(axis=0), 0)
    deviation = 1.4826 * float(np.median(np.abs(shown)))
    least = max(_RULES.least_contrast, _RULES.deviations * deviation)
    return (fixed > least) & _steady(each, fixed, np.sign(shown[0]))


def _drift(transforms: Sequence[Transform], shape: tuple[int, int]) -> float:
    """Median over the corners and the centre of the drift of the scene, pixels."""
    points = np.vstack([corners(shape), [[shape[1] / 2, shape[0] / 2]]]).astype(np.float64)
    return _drift_of(transforms, points)


def _drift_of(transforms: Sequence[Transform], points: NDArray[np.float64]) -> float:
    """Median over some points (n, 2) of the drift of the scene, pixels."""
    places = np.stack([cv2.transform(points[None], move[:2])[0] for move in transforms])
    return float(np.median(np.hypot(*np.ptp(places, axis=0).T)))


def _steady(each: NDArray[Any], fixed: Image, sign: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Where the slices agree on what stays in the frame.

    What the scene shows is sharper in some slices than in others, and is at another place in each.

    Args:
        each: (n, h, w), what is narrow in each slice beyond the scene.
        fixed: (h, w), how much of it stays.
        sign: (h, w), whether it is brighter or darker than the scene.
    """
    same = each * sign
    spread = 1.4826 * np.median(np.abs(same - np.median(same, axis=0)), axis=0)
    often = np.mean(same > 0.5 * fixed, axis=0) >= _RULES.shown_in
    return np.asarray(often & (fixed > _RULES.steadiness * spread))


def _moved(image: NDArray[Any], transform: Transform) -> Image:
    """Resample an image; NaN where it shows nothing."""
    known = np.isfinite(image)
    # `resample` clips to [0, 1]: logarithms are not.
    low, high = (float(bound(image[known], initial=0.0)) for bound in (np.min, np.max))
    span = max(high - low, 1e-6)
    filled = np.where(known, (image - low) / span, 0.5).astype(np.float32)
    moved = np.asarray(resample(filled, transform) * span + low, np.float32)
    return np.where(covered(image.shape, transform, WHOLE, known), moved, np.nan)


def _spots(fixed: Image) -> Image:
    """What is narrow in an image of the frame: vignetting and uneven light are wide."""
    size = fixed.shape[1::-1]
    small_size = (max(1, size[0] // 8), max(1, size[1] // 8))
    small = cv2.resize(fixed.astype(np.float32), small_size, interpolation=cv2.INTER_AREA)
    wide = cv2.resize(cv2.medianBlur(small, 5), size, interpolation=cv2.INTER_LINEAR)
    # Noise of single pixels is smoothed away, as far as spots of a few pixels allow.
    return np.asarray(cv2.GaussianBlur(fixed - wide, (0, 0), 0.7), np.float32)


def chosen_slices(count: int) -> list[int]:
    """Indices of the slices of a stack that dust is looked for in."""
    step = max(1, math.ceil(count / MOST_SLICES))
    return list(range(0, count, step))
