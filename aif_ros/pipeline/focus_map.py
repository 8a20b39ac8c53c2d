"""Focus map: the lens position at which each part of the scene is in focus.

On a microscope, lens travel is height, so this is its height map. Several captures at different
positions are combined. Each estimates how far away focus is (`DefocusMaps`), on one of two sides,
and all must agree. Together they show where the contrast is highest. The precision is finer than
the distance between the captures.
"""

import math
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import tifffile
from numpy.typing import NDArray

from aif_ros.optics.lens_model import LensModel
from aif_ros.pipeline.assess_step import DefocusMaps
from aif_ros.storage.atomic_write import replacing


@dataclass(frozen=True)
class EvidenceSettings:
    """How readings and contrasts of the captures count. Chosen by hand where no source is named.

    Attributes:
        candidates_per_depth_of_field: candidate positions; a parabola refines the best one.
        most_candidates: limit of their number, for lenses whose travel is many depths of field.
        least_error: least error of a reading, half depths of field.
        relative_error: error of the estimator that all its readings share, relative to the blur
            radius (calibration).
        contrast_error: error of the peak of contrast, relative to the mean distance to the captures
            beside it: 0.05 on slanted rendered surfaces with captures at equal distances, 0.1 at
            unequal ones.
        least_contrast_change: least change of the logarithm of squared contrast over the captures
            that shows a peak: a factor of 2, more than noise causes.
        least_contrast: least contrast of a cell at its peak, relative to that of the best tenth of
            the cells.
        outliers: share of readings that are wrong altogether, for instance where a cell holds two
            depths.
    """

    candidates_per_depth_of_field: int = 6
    most_candidates: int = 2000
    least_error: float = 0.3
    relative_error: float = 0.1
    contrast_error: float = 0.1
    least_contrast_change: float = 0.7
    least_contrast: float = 0.3
    outliers: float = 0.02


SETTINGS = EvidenceSettings()


@dataclass(frozen=True)
class FocusMap:
    """Where each cell of an image is in focus.

    Attributes:
        position: (rows, columns) float32, lens position, metres; NaN where unknown.
        uncertainty: (rows, columns) float32, standard deviation, metres; NaN likewise.
    """

    position: NDArray[np.float32]
    uncertainty: NDArray[np.float32]

    def enlarged(self, size: tuple[int, int]) -> NDArray[np.float32]:
        """Return the positions over an image of `size` (width, height), (H, W) float32, metres.

        Linear between the centres of cells, each weighted by the inverse of its variance; NaN where
        the nearest cell is unknown.
        """
        known = np.isfinite(self.position)
        if not known.any():
            return np.full(size[::-1], np.nan, np.float32)
        weight = np.zeros(known.shape, np.float32)
        weight[known] = (self.uncertainty[known] / np.median(self.uncertainty[known])) ** -2.0
        filled = np.where(known, self.position, 0).astype(np.float32)
        numerator = cv2.resize(filled * weight, size, interpolation=cv2.INTER_LINEAR)
        denominator = cv2.resize(weight, size, interpolation=cv2.INTER_LINEAR)
        nearest = cv2.resize(weight, size, interpolation=cv2.INTER_NEAREST) > 0
        with np.errstate(divide="ignore", invalid="ignore"):
            values = numerator / denominator
        return np.where(nearest, values, np.nan).astype(np.float32)


def save_metres(path: str | Path, values: NDArray[np.float32]) -> None:
    """Write a map in metres as a 32-bit TIFF.

    Args:
        path: of the file.
        values: (H, W) float32, metres; NaN where unknown.

    Raises:
        OSError: the file cannot be written.
    """
    with replacing(Path(path)) as temporary:
        tifffile.imwrite(temporary, values, metadata={"unit": "m"})


class FocusMapper:
    """Combines the defocus maps of captures at different lens positions.

    Args:
        lens_model: of the lens.
        image_width: of the images, pixels.
        memory: number of frames after which a reading counts 1/e; for scenes that may change.
    """

    def __init__(self, lens_model: LensModel, image_width: int, memory: float = math.inf) -> None:
        self.image_width = image_width
        low, high = lens_model.limits
        self._half_depth = lens_model.half_depth_of_focus(image_width)
        count = (
            int((high - low) / (2 * self._half_depth) * SETTINGS.candidates_per_depth_of_field) + 2
        )
        self._positions = np.linspace(low, high, min(count, SETTINGS.most_candidates))
        self._kept = math.exp(-1 / memory)
        # Newest contrast at each position; old ones are dropped where the scene may change.
        self._contrasts: dict[int, tuple[float, NDArray[np.float64]]] = {}
        self._memory = memory
        self._score: NDArray[np.float64] | None = None
        self._readings: NDArray[np.int64] | None = None

    def add(self, maps: DefocusMaps, position: float) -> None:
        """Take in the defocus maps of a frame captured with the lens at rest.

        Args:
            maps: of the frame.
            position: of the lens, metres.

        Raises:
            ValueError: the grid differs from that of the frames before.
        """
        distance, uncertainty = maps.values[..., 0], maps.values[..., 1]
        if self._score is None or self._readings is None:
            self._score = np.zeros((*distance.shape, len(self._positions)))
            self._readings = np.zeros(distance.shape, np.int64)
        if distance.shape != self._readings.shape:
            raise ValueError(f"a grid of {distance.shape} after one of {self._readings.shape}")
        self._score *= self._kept
        known = np.isfinite(distance) & np.isfinite(uncertainty)
        expected = np.abs(self._positions - position)
        # A disk of less than a pixel looks like none.
        least = np.hypot(
            SETTINGS.least_error * self._half_depth, SETTINGS.relative_error * expected
        )
        r, s = distance[known][:, None], uncertainty[known][:, None]
        deviation = np.hypot(s, least)
        density = np.exp(-0.5 * np.square((r - expected) / deviation)) / deviation
        span = self._positions[-1] - self._positions[0]
        self._score[known] += np.log((1 - SETTINGS.outliers) * density + SETTINGS.outliers / span)
        self._readings += known
        place = round(position / self._half_depth)
        self._contrasts.pop(place, None)
        self._contrasts[place] = position, maps.values[..., 3].astype(np.float64)
        if len(self._contrasts) > self._memory:
            del self._contrasts[next(iter(self._contrasts))]

    def focus_map(self) -> FocusMap:
        """Return the focus map of all frames so far.

        A cell is unknown unless two captures have read its blur: one does not resolve the side.

        Raises:
            ValueError: there was no frame.
        """
        if self._score is None or self._readings is None:
            raise ValueError("a focus map needs at least one frame")
        positions = self._positions
        score = self._score + self._contrast_score()
        best = np.clip(score.argmax(axis=-1), 1, len(positions) - 2)
        before, at, after = (
            np.take_along_axis(score, (best + offset)[..., None], axis=-1)[..., 0]
            for offset in (-1, 0, 1)
        )
        curvature = before - 2 * at + after
        peaked = curvature < 0
        shift = np.where(peaked, (before - after) / np.where(peaked, 2 * curvature, 1), 0)
        step = positions[1] - positions[0]
        position = positions[best] + np.clip(shift, -1, 1) * step
        # Probability by position, for the spread: two sides that fit alike are uncertain.
        belief = np.exp(score - score.max(axis=-1, keepdims=True))
        belief /= belief.sum(axis=-1, keepdims=True)
        spread = np.sqrt((belief * np.square(positions - position[..., None])).sum(axis=-1))
        known = self._readings >= 2
        return FocusMap(
            np.where(known, position, np.nan).astype(np.float32),
            np.where(known, spread, np.nan).astype(np.float32),
        )

    def _contrast_score(self) -> NDArray[np.float64]:
        """(rows, columns, positions) log-likelihood by the peak of contrast; 0: no peak."""
        captures = sorted(self._contrasts.values(), key=lambda capture: capture[0])
        if len(captures) < 3:
            return np.zeros(1)
        peak, deviation = contrast_peak(
            np.array([position for position, _ in captures]),
            np.stack([contrast for _, contrast in captures], axis=-1),
        )
        span = self._positions[-1] - self._positions[0]
        # No narrower than the distance of the candidates, or the peak could fall between them.
        width = np.maximum(deviation, self._positions[1] - self._positions[0])[..., None]
        misfit = (self._positions - peak[..., None]) / width
        density = np.exp(-0.5 * np.square(misfit)) / width
        score = np.log((1 - SETTINGS.outliers) * density + SETTINGS.outliers / span)
        return np.where(np.isfinite(score), score, 0.0)


def contrast_peak(
    positions: NDArray[np.float64], contrasts: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Lens position of the highest contrast in each cell, between the captures.

    The logarithm of squared contrast is a parabola near its peak, through the best capture and the
    two beside it (Subbarao & Choi, "Accurate recovery of three-dimensional shape from image focus",
    PAMI 17, 1995).

    Args:
        positions: (N,) of the captures, metres, ascending.
        contrasts: (rows, columns, N) local contrast.

    Returns:
        Position and standard deviation, (rows, columns), metres; NaN where the contrast has no
        peak between the captures.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = 2 * np.log(contrasts)
    usable = np.isfinite(logs).all(axis=-1)
    logs = np.where(usable[..., None], logs, 0.0)
    best = np.clip(logs.argmax(axis=-1), 1, len(positions) - 2)
    before, at, after = (
        np.take_along_axis(logs, (best + offset)[..., None], axis=-1)[..., 0]
        for offset in (-1, 0, 1)
    )
    left, right = positions[best] - positions[best - 1], positions[best + 1] - positions[best]
    falling_left, falling_right = (at - before) / left, (at - after) / right
    curvature = (falling_left + falling_right) / (left + right)
    with np.errstate(divide="ignore", invalid="ignore"):
        # Vertex of the parabola through three points.
        shift = (falling_left * right - falling_right * left) / (2 * curvature * (left + right))
    clear = np.ptp(logs, axis=-1) > SETTINGS.least_contrast_change
    inside = (at >= before) & (at >= after) & (curvature > 0)
    # Faint cells show the light that their neighbours spread when they are out of focus.
    strong = at > np.percentile(at, 90) + 2 * math.log(SETTINGS.least_contrast)
    peaked = usable & clear & inside & strong
    deviation = SETTINGS.contrast_error * (left + right) / 2
    return (
        np.where(peaked, positions[best] + shift, np.nan),
        np.where(peaked, deviation, np.nan),
    )
